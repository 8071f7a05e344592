"""A client of the house: how it gets its address, and what one can do with it.

Every deed is noted as the truth at the moment it was done and seen to succeed; a deed that goes
otherwise than meant ends the house with HostError.
"""

import json
import os
import re
import shutil
import subprocess
import time

import network
from host import Host, HostError, wait_until

LEASE_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lease.sh")


class Client(Host):
    """`who` is an entry of day.CLIENTS."""

    def __init__(self, house, name, who):
        super().__init__(name, house.work, nameserver=who.get("nameserver", network.GATEWAY_IP))
        self.house = house
        self.who = who
        self.plugged_at = None
        self.truth = {
            "id": name, "mac": who["mac"], "random": bool(int(who["mac"][:2], 16) & 2),
            "dhcp_client": who.get("dhcp"), "name": who.get("name"), "fqdn": who.get("fqdn"),
            "vendor_class": who.get("vendor_class"), "mdns_name": None,
            "vendor": house.vendors.get(who["mac"][:8]),
            "router": who.get("router", False), "behind": None, "seen": who.get("seen", True),
            "addresses": [], "lookups": [], "visits": [], "transfers": [], "failed_lookups": [],
            "refused": [], "pings": [],
        }
        self.sysctl("net.ipv6.conf.all.disable_ipv6", 0 if who.get("ipv6") else 1)
        self.sysctl("net.ipv6.conf.default.disable_ipv6", 0 if who.get("ipv6") else 1)

    # The link and the address

    def plug_in(self, port):
        self.plugged_at = time.time()
        self.house.gateway.run("ip", "link", "set", port, "up")
        self.run("ip", "link", "set", "eth0", "up")

    def get_address(self):
        """By the client's own DHCP program or by hand; IPv6 from the router advertisement."""
        asked = self.plugged_at
        how = self.who.get("dhcp")
        if how:
            getattr(self, "_" + how)()
            self.note_address("dhcp", asked)
        elif "static" in self.who:
            self.run("ip", "addr", "add", self.who["static"] + "/24", "dev", "eth0")
            self.run("busybox", "arping", "-U", "-c", "2", "-I", "eth0", self.who["static"])
            self.note_address("static", asked)
        if self.who.get("ipv6"):
            self.note_address("slaac", asked)
        if "mdns" in self.who:
            self._avahi(self.who["mdns"])
        self.house.is_up[self.name].set()

    def note_address(self, how, asked):
        family, scope = (4, "global") if how in ("dhcp", "static") else (6, "global")
        for ip in wait_until(f"{self.name}'s {how} address", 10,
                             lambda: self._addresses(family, scope)):
            self._note(ip, how, asked)
        if how == "slaac":
            for ip in self._addresses(6, "link"):
                self._note(ip, "link_local", asked)

    def _note(self, ip, how, asked):
        self.truth["addresses"].append({"ip": ip, "how": how, "asked": asked,
                                        "from": time.time(), "to": None})

    def _addresses(self, family, scope):
        shown = json.loads(self.run("ip", "-j", f"-{family}", "addr", "show", "dev", "eth0",
                                    "scope", scope))
        return [a["local"] for link in shown for a in link.get("addr_info", [])
                if "local" in a and not a.get("tentative")]

    def _program(self, name):
        """A copy of our own: AppArmor profiles go by path and forbid another script or file."""
        copy = self.path(name)
        if not os.path.exists(copy):
            path = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
            if path is None:
                raise HostError(f"'{name}' is not installed")
            shutil.copy(path, copy)
        return copy

    def _dhclient(self):
        lines = ["initial-interval 1; backoff-cutoff 2; timeout 15; retry 5;",
                 f'send host-name "{self.who["name"]}";',
                 "request subnet-mask, broadcast-address, routers, domain-name, "
                 "domain-name-servers, host-name, interface-mtu, ntp-servers;"]
        if "vendor_class" in self.who:
            lines.append(f'send vendor-class-identifier "{self.who["vendor_class"]}";')
        if "fqdn" in self.who:
            lines.append(f'send fqdn.fqdn "{self.who["fqdn"]}"; send fqdn.encoded on; '
                         "send fqdn.server-update off;")
        with open(self.path("dhclient.conf"), "w") as f:
            f.write("\n".join(lines) + "\n")
        self._must([self._program("dhclient"), "-4", "-1", *self._dhclient_files(), "eth0"])

    def _dhclient_files(self):
        return ["-cf", self.path("dhclient.conf"), "-sf", LEASE_SCRIPT,
                "-lf", self.path("dhclient.leases"), "-pf", self.path("dhclient.pid")]

    def _udhcpc(self, ask_for=None):
        words = ["busybox", "udhcpc", "-i", "eth0", "-t", "6", "-T", "1", "-n",
                 "-s", LEASE_SCRIPT, "-p", self.path("udhcpc.pid"), "-x",
                 "hostname:" + self.who["name"], "-V", self.who["vendor_class"]]
        if "fqdn" in self.who:
            words += ["-F", self.who["fqdn"]]
        if ask_for:
            words += ["-r", ask_for]
        self._must(words)

    def _dhcpcd(self):
        lines = [f"hostname {self.who['name']}", "noipv4ll", "noipv6", "nodelay",
                 "option domain_name_servers, domain_name, interface_mtu", "clientid",
                 "nohook resolv.conf, hostname"]
        lines.append(f"vendorclassid {self.who.get('vendor_class', '')}")
        if self.who.get("noarp"):
            lines.append("noarp")
        with open(self.path("dhcpcd.conf"), "w") as f:
            f.write("\n".join(lines) + "\n")
        self._must([self._program("dhcpcd"), "-4", "-w", "-f", self.path("dhcpcd.conf"),
                    "-c", "/bin/true", "eth0"])

    def _must(self, words):
        status = self.status(*words)
        if status != 0:
            raise HostError(f"{self.name}: {os.path.basename(words[0])} ended with {status}: "
                            f"{self.log_text()}")

    def _avahi(self, services):
        """Multicast DNS: the host's name and its services, {type: (port, [text])}."""
        name = self.who.get("mdns_name", self.who["name"])
        with open(self.path("avahi.conf"), "w") as f:
            f.write(f"[server]\nhost-name={name}\nallow-interfaces=eth0\nenable-dbus=no\n"
                    "[wide-area]\nenable-wide-area=no\n"
                    "[publish]\npublish-hinfo=no\npublish-workstation=no\n"
                    "[rlimits]\n")
        for kind, (port, texts) in services.items():
            records = "".join(f"<txt-record>{text}</txt-record>" for text in texts)
            with open(os.path.join(self.path("services"), kind[1:5] + ".service"), "w") as f:
                f.write("<?xml version='1.0'?><!DOCTYPE service-group SYSTEM 'avahi-service.dtd'>"
                        f"<service-group><name>{name}</name><service><type>{kind}</type>"
                        f"<port>{port}</port>{records}</service></service-group>\n")
        self.start(self._program("avahi-daemon"), "--no-drop-root", "--no-chroot",
                   "--no-proc-title", "-f", self.path("avahi.conf"))
        wait_until("avahi-daemon", 8, lambda: "Server startup complete" in self.log_text())
        self.truth["mdns_name"] = name

    def change_address(self, ask_for):
        """Gives its lease back and asks for another address."""
        self.run("sh", "-c", f"kill -USR2 $(cat {self.path('udhcpc.pid')})")
        wait_until("release", 5, lambda: not self._addresses(4, "global"))
        self.truth["addresses"][0]["to"] = time.time()
        self.run("sh", "-c", f"kill $(cat {self.path('udhcpc.pid')})")
        asked = time.time()
        self._udhcpc(ask_for)
        self.note_address("dhcp", asked)
        if self.truth["addresses"][-1]["ip"] != ask_for:
            raise HostError(f"{self.name} asked for {ask_for} and got "
                            f"{self.truth['addresses'][-1]['ip']}")

    def release(self):
        """dhclient gives its lease back."""
        self._must([self._program("dhclient"), "-4", "-r", *self._dhclient_files(), "eth0"])
        for address in self.truth["addresses"]:
            if address["how"] == "dhcp" and address["to"] is None:
                address["to"] = time.time()

    # What it does

    def wait(self, seconds):
        time.sleep(seconds)

    def wait_for(self, other):
        if not self.house.is_up[other].wait(timeout=25):
            raise HostError(f"{self.name} waited in vain for '{other}'")

    def get(self, name, size, **how):
        """Downloads `size` bytes."""
        path = network.page(self.house.server_of(name), size)
        said = self._curl(name, path, [], 200, **how)
        self._transfer(name, said, "down", size, said["size_download"])

    def put(self, name, size, **how):
        """Uploads `size` bytes."""
        body = self.path(f"upload-{size}")
        with open(body, "wb") as f:
            f.write(os.urandom(size))
        said = self._curl(name, "/in", ["--data-binary", "@" + body, "-H",
                                        "Content-Type: application/octet-stream"], 200, **how)
        self._transfer(name, said, "up", size, said["size_upload"])

    def ask(self, name, path, status, **how):
        """A request of no size worth noting, answered with this status."""
        self._curl(name, path, [], status, **how)

    def _transfer(self, name, said, direction, size, moved):
        if moved != size:
            raise HostError(f"{self.name} and {name}: {moved} of {size} bytes {direction}")
        self.truth["transfers"].append({
            "name": name, "ip": said["remote_ip"], "port": said["remote_port"],
            "client_ip": said["local_ip"], "client_port": said["local_port"],
            "direction": direction, "bytes": size, "how": said["scheme"].lower(),
            "version": said["http_version"]})

    def _curl(self, name, path, words, status, how="tls", port=None, http="2", tls=None, ip=None,
              agent=None):
        port = port or (443 if how == "tls" else 80)
        words = [*words, "--http2" if http == "2" and how == "tls" else "--http1.1"]
        words += ["--cacert", self.house.internet.authorities] if how == "tls" else []
        words += [f"--tlsv{tls}", "--tls-max", tls] if tls else []
        words += [f"-{ip}"] if ip else []
        words += ["-A", agent or self.who["agent"]] if agent or "agent" in self.who else []
        scheme = "https" if how == "tls" else "http"
        default = port == (443 if how == "tls" else 80)
        url = f"{scheme}://{name}{'' if default else f':{port}'}{path}"
        said = json.loads(self.run("curl", "-sS", "--max-time", "20", "-o", "/dev/null",
                                   "-w", "%{json}", *words, url))
        if said["http_code"] != status or (how == "tls" and said["http_version"] != http):
            raise HostError(f"{self.name}: {url}: status {said['http_code']}, "
                            f"HTTP/{said['http_version']}")
        self._looked_up(name)
        visit = {"name": name, "how": how, "port": port, "ip": said["remote_ip"]}
        if visit not in self.truth["visits"]:
            self.truth["visits"].append(visit)
        return said

    def _looked_up(self, name):
        if name not in self.truth["lookups"]:
            self.truth["lookups"].append(name)

    def fail_lookup(self, name):
        """Asks for a name that does not exist."""
        if self.status("curl", "-s", f"http://{name}/") != 6:
            raise HostError(f"{self.name}: '{name}' should not have been found")
        self.truth["failed_lookups"].append({"name": name, "rcode": 3})

    def be_refused(self, name, port, ip):
        """Connects to a port where nobody listens."""
        if self.status("curl", "-s", f"-{ip}", f"http://{name}:{port}/") != 7:
            raise HostError(f"{self.name}: {name}:{port} should have been refused")
        self._looked_up(name)
        address = network.site_ip(name) if ip == 4 else network.site_ip6(name)
        self.truth["refused"].append({"name": name, "ip": address, "port": port})

    def ping(self, target, count, size=56, name=None):
        """Pings an address; `name`, when given, is looked up for it."""
        family = "-6" if ":" in target else "-4"
        out = self.run("busybox", "ping", family, "-c", str(count), "-i", "0.3", "-s", str(size),
                       name or target)
        sent, received = re.search(r"(\d+) packets transmitted, (\d+) packets received",
                                   out).groups()
        if name:
            self._looked_up(name)
        self.truth["pings"].append({"ip": target, "name": name, "size": size, "sent": int(sent),
                                    "received": int(received)})
