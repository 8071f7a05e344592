"""The house's network: the gateway with its bridge, and behind it the sites of its internet.

Names are looked up at the gateway's dnsmasq, which asks nobody; no packet leaves the namespaces.
"""

import os

from host import Host, HostError, cable, no_offloads, wait_until

BRIDGE = "lan0"
GATEWAY_MAC = "98:9b:cb:10:00:01"
GATEWAY_IP = "192.168.77.1"
GATEWAY_IP6 = "2001:db8:77::1"
DOMAIN = "home.arpa"
ROUTER_MAC = "d0:37:45:22:7b:09"
ROUTER_IP = "192.168.77.2"  # always leased to the router, so that the gateway has a route to it
ROUTED_NET = "10.88.0.0/24"  # the network behind it
NAS_MAC = "00:11:32:7a:05:c1"
NAS_IP = "192.168.77.5"

# name -> number (its address is 203.0.113.N and 2001:db8:f00::N), {port: tls or http}, TLS versions
SITES = {
    "www.example.com": (10, {80: "http", 443: "tls"}, "TLSv1.2 TLSv1.3"),
    "news.example.org": (11, {80: "http"}, ""),
    "updates.example.net": (12, {80: "http", 8080: "http"}, ""),
    "shop.example.co.uk": (13, {443: "tls"}, "TLSv1.2"),
    "mail.example.net": (14, {8443: "tls"}, "TLSv1.3"),
    "www.wikipedia.org": (15, {443: "tls"}, "TLSv1.2 TLSv1.3"),
    "www.netflix.com": (16, {443: "tls"}, "TLSv1.2"),
    "api.spotify.com": (17, {443: "tls"}, "TLSv1.2 TLSv1.3"),
    "github.com": (18, {443: "tls"}, "TLSv1.3"),
    "cam.example.com": (19, {443: "tls"}, "TLSv1.2 TLSv1.3"),
}


def site_ip(name):
    return f"203.0.113.{SITES[name][0]}"


def site_ip6(name):
    return f"2001:db8:f00::{SITES[name][0]:x}"


class Gateway(Host):
    """The bridge into which the clients are plugged, DHCP, DNS and router advertisements."""

    def __init__(self, work):
        super().__init__("gateway", work)
        self.sysctl("net.ipv4.ip_forward", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)
        self.run("ip", "link", "add", BRIDGE, "address", GATEWAY_MAC, "type", "bridge",
                 "stp_state", "0", "forward_delay", "0", "mcast_snooping", "0")
        no_offloads(self, BRIDGE)
        self.run("ip", "addr", "add", f"{GATEWAY_IP}/24", "dev", BRIDGE)
        self.run("ip", "addr", "add", f"{GATEWAY_IP6}/64", "dev", BRIDGE, "nodad")
        self.run("ip", "link", "set", BRIDGE, "up")
        self.run("ip", "route", "add", ROUTED_NET, "via", ROUTER_IP)
        self.ports = []

    def plug(self, host, mac):
        """A cable from the client's eth0 to a port of the bridge; both ends are still down."""
        port = f"port{len(self.ports) + 1}"
        cable(self, port, host, "eth0", mac)
        self.sysctl(f"net.ipv6.conf.{port}.disable_ipv6", 1)
        self.run("ip", "link", "set", port, "master", BRIDGE)
        self.ports.append(port)
        return port

    def unplug_all(self):
        """Without a carrier on any port the bridge falls silent."""
        for port in self.ports:
            self.run("ip", "link", "set", port, "down")

    def start_dnsmasq(self):
        lines = [
            "no-resolv", "no-hosts", "no-ping", "keep-in-foreground", "user=root", "pid-file=",
            f"interface={BRIDGE}", "except-interface=lo", "bind-dynamic",
            f"domain={DOMAIN}", "expand-hosts", "dhcp-authoritative", "enable-ra",
            f"dhcp-leasefile={self.path('leases')}",
            "dhcp-range=192.168.77.100,192.168.77.199,12h",
            "dhcp-range=2001:db8:77::,ra-only",
            f"dhcp-host={ROUTER_MAC},{ROUTER_IP}", f"dhcp-host={NAS_MAC},{NAS_IP}",
            "address=/#/",  # every other name: no such name
            f"host-record=gateway.{DOMAIN},{GATEWAY_IP},{GATEWAY_IP6}",
        ]
        lines += [f"host-record={name},{site_ip(name)},{site_ip6(name)}" for name in SITES]
        with open(self.path("dnsmasq.conf"), "w") as f:
            f.write("\n".join(lines) + "\n")
        self.start("dnsmasq", "-C", self.path("dnsmasq.conf"))
        wait_until("dnsmasq", 5, lambda: os.path.exists(self.path("leases")))


class Internet(Host):
    """One machine with every site's address, reached through the gateway."""

    def __init__(self, gateway, work):
        super().__init__("internet", work)
        cable(gateway, "wan0", self, "eth0")
        gateway.run("ip", "addr", "add", "198.51.100.1/30", "dev", "wan0")
        gateway.run("ip", "addr", "add", "2001:db8:ffff::1/64", "dev", "wan0", "nodad")
        gateway.run("ip", "link", "set", "wan0", "up")
        self.run("ip", "addr", "add", "198.51.100.2/30", "dev", "eth0")
        self.run("ip", "addr", "add", "2001:db8:ffff::2/64", "dev", "eth0", "nodad")
        self.run("ip", "link", "set", "eth0", "up")
        for name in SITES:
            self.run("ip", "addr", "add", f"{site_ip(name)}/32", "dev", "lo")
            self.run("ip", "addr", "add", f"{site_ip6(name)}/128", "dev", "lo", "nodad")
        self.run("ip", "route", "add", "default", "via", "198.51.100.1")
        self.run("ip", "-6", "route", "add", "default", "via", "2001:db8:ffff::1")
        gateway.run("ip", "route", "add", "203.0.113.0/24", "via", "198.51.100.2")
        gateway.run("ip", "-6", "route", "add", "2001:db8:f00::/48", "via", "2001:db8:ffff::2")
        self.authorities = self.path("authorities.pem")
        self._serve()

    def _serve(self):
        servers = []
        with open(self.authorities, "w") as bundle:
            for name, (_, ports, tls) in SITES.items():
                pem = self.path(name + ".pem")
                if tls:
                    self.run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                             "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                             "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}",
                             "-keyout", pem + ".key", "-out", pem)
                    with open(pem) as f:
                        bundle.write(f.read())
                servers.append(self._server(name, ports, tls, pem))
        nginx(self, servers)

    def _server(self, name, ports, tls, pem):
        lines = [f"server_name {name};"]
        for port, how in ports.items():
            flags = " ssl http2" if how == "tls" else ""
            lines.append(f"listen {site_ip(name)}:{port}{flags};")
            lines.append(f"listen [{site_ip6(name)}]:{port}{flags};")
        if tls:
            lines += [f"ssl_certificate {pem};", f"ssl_certificate_key {pem}.key;",
                      f"ssl_protocols {tls};"]
        return "\n".join(lines)


def nginx(host, servers):
    """Starts nginx with these servers. Each gives /bytes/N, a page of N bytes made on the first
    request for it, and takes whatever is sent to /in (the inner server reads it whole)."""
    root = host.path("www")
    os.makedirs(os.path.join(root, "bytes"), exist_ok=True)
    places = f"""
        root {root};
        location /in {{ proxy_pass http://127.0.0.1:9/; client_max_body_size 10m; }}
        location /old {{ return 301 /bytes/1000; }}
    """
    blocks = "\n".join("server {\n%s\n%s\n}" % (server, places) for server in servers)
    temp = "\n".join(f"{kind}_temp_path {host.path('temp')};" for kind in
                     ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    with open(host.path("nginx.conf"), "w") as f:
        f.write(f"""
user root; worker_processes 1; daemon off; pid {host.path('nginx.pid')};
error_log {host.path('nginx.log')};
events {{ worker_connections 256; }}
http {{
    access_log off; {temp}
    server_tokens off; keepalive_timeout 5s; default_type application/octet-stream;
    server {{ listen 127.0.0.1:9; location / {{ return 200 "thanks\\n"; }} }}
    {blocks}
}}
""")
    check = host.status("nginx", "-t", "-e", host.path("nginx.log"), "-c", host.path("nginx.conf"))
    if check != 0:
        raise HostError(f"nginx on {host.name}: {host.log_text()}")
    host.start("nginx", "-e", host.path("nginx.log"), "-c", host.path("nginx.conf"))
    wait_until("nginx", 5, lambda: os.path.exists(host.path("nginx.pid")))


def page(host, size):
    """Puts a page of `size` bytes on the host's web server; its path."""
    path = os.path.join(host.path("www"), "bytes", str(size))
    if not os.path.exists(path):
        with open(path + ".new", "wb") as f:
            f.write(os.urandom(size))
        os.rename(path + ".new", path)
    return f"/bytes/{size}"
