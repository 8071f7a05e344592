"""Who lives in the house, and what they do on this day. What is here is the script of the play;
how it is done is in client.py and network.py, and what was done stands in truth.json."""

import network
from client import Client
from host import cable
from network import nginx

IPHONE = ("Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 "
          "(KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1")
ANDROID = ("Mozilla/5.0 (Linux; Android 13; SM-G991B) AppleWebKit/537.36 (KHTML, like Gecko) "
           "Chrome/116.0.0.0 Mobile Safari/537.36")
WINDOWS = ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:109.0) Gecko/20100101 Firefox/117.0")
TV = "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/79.0.3945.79"

NAS = f"nas.{network.DOMAIN}"
PRINTER = f"hp-officejet-8020.{network.DOMAIN}"


def laptop(c):
    c.get("www.wikipedia.org", 210_000)
    c.get("github.com", 90_000, ip=4)
    c.get("news.example.org", 60_000, how="http")
    c.wait_for("nas")
    c.get(NAS, 400_000, how="http", port=5000)
    c.be_refused("www.example.com", 81, ip=4)
    c.ping(network.GATEWAY_IP, 3)
    c.wait_for("printer")
    c.put(PRINTER, 150_000, how="http", port=631)
    c.get("mail.example.net", 45_000, port=8443)
    c.release()


def desktop(c):
    c.fail_lookup("wpad.example.org")
    c.get("updates.example.net", 600_000, how="http", http="1.1", ip=4)
    c.get("shop.example.co.uk", 80_000, http="1.1")
    c.ping(network.site_ip("www.example.com"), 2, name="www.example.com")
    c.ask("www.example.com", "/old", 301, how="http")
    c.get("www.example.com", 30_000, tls="1.3")
    c.get("updates.example.net", 50_000, how="http", port=8080, ip=4)


def iphone(c):
    c.get("www.wikipedia.org", 160_000)
    c.get("api.spotify.com", 250_000, tls="1.3")
    c.get("shop.example.co.uk", 41_000, tls="1.2")
    c.put("mail.example.net", 70_000, port=8443)


def android(c):
    c.get("api.spotify.com", 120_000, ip=6)
    c.get("www.example.com", 20_000, how="http", ip=6)
    c.be_refused("updates.example.net", 8443, ip=6)
    c.ping(network.GATEWAY_IP6, 2)
    c.ask("news.example.org", "/nothing-here", 404, how="http", ip=6)


def tv(c):
    c.fail_lookup("ads.tracker.example.net")
    c.get("www.netflix.com", 900_000, http="1.1", ip=4)
    c.get("www.netflix.com", 300_000, http="2", tls="1.2", ip=4)
    c.get("updates.example.net", 40_000, how="http")


def printer(c):
    c.get("updates.example.net", 15_000, how="http", ip=4)


def nas(c):
    c.ping(network.GATEWAY_IP, 2, size=3000)
    c.put("github.com", 130_000, tls="1.3")


def camera(c):
    for size in (110_000, 120_000, 130_000):
        c.put("cam.example.com", size, http="1.1", tls="1.2")
        c.wait(2)


def thermostat(c):
    c.get("www.example.com", 2_000, http="1.1")
    c.wait(4)
    c.change_address("192.168.77.177")
    c.get("www.example.com", 3_000, http="1.1")


def router(c):
    c.get("updates.example.net", 9_000, how="http")


def bench_pi(c):
    c.wait_for("workshop-router")
    c.get("github.com", 200_000, ip=4)
    c.get("news.example.org", 35_000, how="http")
    c.ping(network.site_ip("news.example.org"), 2)


def nothing(_c):
    pass


# In the order of their arrival. `dhcp`: the program that asks for the address. The vendors of
# the MAC addresses are those of the IEEE registry; the phone's is a random one.
CLIENTS = {
    "nas": {"mac": network.NAS_MAC, "dhcp": "dhcpcd", "name": "nas", "noarp": True,
            "vendor_class": "dhcpcd-9.4.1:Linux:x86_64", "ipv6": True, "day": nas,
            "serves": (NAS, 5000), "mdns": {"_smb._tcp": (445, []),
                                            "_http._tcp": (5000, ["vendor=Synology"])}},
    "printer": {"mac": "04:0e:3c:5d:91:e2", "dhcp": "udhcpc", "name": "HP-OfficeJet-8020",
                "vendor_class": "Hewlett-Packard OfficeJet", "day": printer,
                "serves": (PRINTER, 631),
                "mdns": {"_ipp._tcp": (631, ["ty=HP OfficeJet Pro 8020", "rp=ipp/print"])}},
    "laptop": {"mac": "ac:ed:5c:38:0b:71", "dhcp": "dhclient", "name": "annas-laptop",
               "ipv6": True, "mdns": {}, "day": laptop},
    "desktop": {"mac": "c8:f7:50:9a:66:14", "dhcp": "dhclient", "name": "DESKTOP-4F2K7QX",
                "fqdn": "DESKTOP-4F2K7QX.home.arpa", "vendor_class": "MSFT 5.0", "ipv6": True,
                "agent": WINDOWS, "day": desktop},
    "tv": {"mac": "20:17:42:e0:3c:58", "dhcp": "udhcpc", "name": "LGwebOSTV", "ipv6": True,
           "vendor_class": "udhcp 1.35.0", "agent": TV, "day": tv,
           "mdns": {"_airplay._tcp": (7000, ["model=OLED55C1", "manufacturer=LG"])}},
    "iphone": {"mac": "3e:8b:5f:21:c4:07", "dhcp": "dhcpcd", "name": "Annas-iPhone",
               "ipv6": True, "agent": IPHONE, "mdns": {}, "day": iphone},
    "android": {"mac": "d0:d0:03:4b:77:29", "dhcp": "dhcpcd", "name": "Galaxy-S21",
                "vendor_class": "android-dhcp-13", "ipv6": True, "agent": ANDROID,
                "nameserver": network.GATEWAY_IP6, "day": android},
    "camera": {"mac": "44:47:cc:90:1d:33", "dhcp": "udhcpc", "name": "garden-cam",
               "fqdn": "garden-cam.home.arpa", "vendor_class": "hikvision", "day": camera},
    "thermostat": {"mac": "ec:e5:12:0c:aa:4f", "dhcp": "udhcpc", "name": "tado-bridge",
                   "vendor_class": "udhcp 1.31.1", "day": thermostat},
    "workshop-router": {"mac": network.ROUTER_MAC, "dhcp": "dhclient", "name": "workshop-router",
                        "vendor_class": "TP-LINK", "ipv6": True, "router": True, "day": router},
    # Asks for its address and is never heard of again.
    "plug": {"mac": "80:7d:3a:2a:91:f0", "dhcp": "udhcpc", "name": "ESP_2A91F0",
             "vendor_class": "lwip", "day": nothing},
    # Silent but for the ARP with which it takes its address.
    "display": {"mac": "58:cb:52:71:0e:d5", "static": "192.168.77.60", "day": nothing},
    # A cable and nothing else: not one frame, so nobody can know of it.
    "dark": {"mac": "60:8b:0e:44:f2:18", "day": nothing, "seen": False},
}


def new_clients(house):
    """Every client, plugged into the gateway but without a link; and the one behind a router."""
    clients = {}
    for name, who in CLIENTS.items():
        c = Client(house, name, who)
        clients[name] = c
        c.port = house.gateway.plug(c, who["mac"])
        if "serves" in who:
            nginx(c, [f"listen {who['serves'][1]}; server_name {who['serves'][0]};"])
    pi = Client(house, "bench-pi", {"mac": "dc:a6:32:0f:5e:88", "day": bench_pi, "seen": False})
    put_behind(clients["workshop-router"], pi)
    clients["bench-pi"] = pi
    return clients


def put_behind(router_client, c):
    """The client stands in a network of its own, which the router joins to the house."""
    cable(router_client, "eth1", c, "eth0", c.who["mac"])
    router_client.run("ip", "addr", "add", "10.88.0.1/24", "dev", "eth1")
    router_client.run("ip", "link", "set", "eth1", "up")
    router_client.sysctl("net.ipv4.ip_forward", 1)
    c.run("ip", "addr", "add", "10.88.0.10/24", "dev", "eth0")
    c.run("ip", "link", "set", "eth0", "up")
    c.run("ip", "route", "add", "default", "via", "10.88.0.1")
    c.truth["behind"] = router_client.who["mac"]
    c.truth["mac_of_its_own"] = c.truth["mac"]
    c.truth["mac"] = router_client.who["mac"]
    c.note_address("static", 0)
