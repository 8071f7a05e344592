"""A computer made of namespaces.

Each one has a network, a mount table, a host name and a process tree of its own. They have no
names in the system: a `cat` on a pipe from us is process 1 inside, so that when we end, however
we end, the pipe closes, the kernel kills whatever ran there, and its interfaces are gone.
"""

import os
import subprocess
import time

# What a program inside may write to without touching the machine, and its own resolver.
SETUP = """
set -e
mount --make-rprivate /
resolv=$(readlink -m /etc/resolv.conf)
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mkdir -p "${resolv%/*}"
[ -e "$resolv" ] || : > "$resolv"
mount --bind "$1/resolv.conf" "$resolv"
mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
mount --bind "$1/hosts" /etc/hosts
mkdir -p /var/lib/dhcpcd /var/lib/dhcp /run/avahi-daemon
if [ -d /etc/avahi/services ]; then mount --bind "$1/services" /etc/avahi/services; fi
hostname "$2"
ip link set lo up
echo ready
exec cat
"""


class HostError(Exception):
    """A command inside a host failed, or the host could not be made."""


class Host:
    def __init__(self, name, work, nameserver="127.0.0.1"):
        self.name = name
        self.dir = os.path.join(work, name)
        os.makedirs(os.path.join(self.dir, "services"))
        with open(self.path("resolv.conf"), "w") as f:
            f.write(f"nameserver {nameserver}\noptions timeout:2 attempts:2\n")
        with open(self.path("nsswitch.conf"), "w") as f:
            f.write("passwd: files\ngroup: files\nhosts: files dns\n")
        with open(self.path("hosts"), "w") as f:
            f.write(f"127.0.0.1 localhost {name}\n")
        self.log = open(self.path("log"), "w+")
        self.holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--mount-proc",
             "--kill-child", "sh", "-c", SETUP, "sh", self.dir, name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)
        if self.holder.stdout.readline() != "ready\n":
            self.stop()
            raise HostError(f"no namespaces for '{name}': {self.log_text()}")

    def path(self, name):
        return os.path.join(self.dir, name)

    def log_text(self):
        with open(self.path("log")) as f:
            return f.read().strip()

    @property
    def pid(self):
        """The process whose namespaces these are (as the machine counts processes)."""
        return self.holder.pid

    def enter(self, net_only=False):
        """The words that, put before a command, run it here. With `net_only` the command keeps
        the machine's files and process tree, and signals reach it directly."""
        ns = f"/proc/{self.pid}/ns"
        if net_only:
            return ["nsenter", f"--net={ns}/net", "setpriv", "--pdeathsig", "KILL"]
        return ["nsenter", f"--net={ns}/net", f"--mount={ns}/mnt", f"--uts={ns}/uts",
                f"--pid={ns}/pid_for_children", "--"]

    def run(self, *argv, check=True, timeout=30):
        """Runs a command to its end; its output, or HostError with what it said."""
        done = subprocess.run([*self.enter(), *argv], stdin=subprocess.DEVNULL, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)
        if check and done.returncode != 0:
            raise HostError(f"{self.name}: '{' '.join(argv)}' ended with {done.returncode}: "
                            f"{(done.stderr + done.stdout).strip()}")
        return done.stdout

    def status(self, *argv, timeout=30):
        """Runs a command that may fail; its exit status."""
        return subprocess.run([*self.enter(), *argv], stdin=subprocess.DEVNULL,
                              stdout=self.log, stderr=self.log, timeout=timeout).returncode

    def start(self, *argv):
        """Starts a daemon, which ends with the host."""
        return subprocess.Popen([*self.enter(), *argv], stdin=subprocess.DEVNULL,
                                stdout=self.log, stderr=self.log)

    def sysctl(self, key, value):
        self.run("sh", "-c", 'echo "$2" > "/proc/sys/$1"', "sh", key.replace(".", "/"), str(value))

    def stop(self):
        """Ends everything inside."""
        if not self.holder.stdin.closed:
            self.holder.stdin.close()
        try:
            self.holder.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.holder.kill()
            self.holder.wait()
        self.holder.stdout.close()
        self.log.close()


def wait_until(what, seconds, condition):
    """Asks `condition` until it gives something true; HostError when it never does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise HostError(f"waited {seconds} s in vain: {what}")


def cable(a, a_name, b, b_name, b_mac=None):
    """A veth pair between two hosts, both ends down, no offloads: frames have their real size."""
    a.run("true")
    subprocess.run([*a.enter(net_only=True), "ip", "link", "add", a_name, "type", "veth", "peer",
                    "name", b_name, "netns", str(b.pid)], check=True)
    if b_mac:
        b.run("ip", "link", "set", b_name, "address", b_mac)
    for host, name in ((a, a_name), (b, b_name)):
        no_offloads(host, name)


def no_offloads(host, name):
    host.run("ethtool", "-K", name, "tx", "off", "rx", "off", "sg", "off", "tso", "off",
             "gso", "off", "gro", "off")
