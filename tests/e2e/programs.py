"""Running weir, and a network of its own to run it in."""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
HOUSE = os.path.join(HERE, "../lan/house.pcap")
NOBODY = 65534

# What two runs with one seed may differ in.
CLOCK_FIELDS = {
    "": ("expires_at", "time", "uptime_s", "version", "cpu", "memory"),
    "policy": ("loaded_at",),
}


class Done:
    """What a run left: status, standard output and error as bytes, seconds."""

    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err, self.seconds = status, out, err, seconds
        self.said = err.decode(errors="replace")

    def rows(self, record=None):
        rows = [json.loads(line) for line in self.out.splitlines()]
        return [row for row in rows if record in (None, row["record"])]

    def health(self):
        return self.rows("health")[-1]


def run(weir, *words, stdin=subprocess.DEVNULL, cwd=None, timeout=60):
    began = time.monotonic()
    given = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run([weir, *map(str, words)], capture_output=True, cwd=cwd, timeout=timeout,
                          check=False, **given)
    return Done(done.returncode, done.stdout, done.stderr, time.monotonic() - began)


def masked(out):
    """JSON lines without what the clock, the version and the machine say."""
    lines = []
    for line in out.splitlines():
        row = json.loads(line)
        for parent, names in CLOCK_FIELDS.items():
            if row["record"] != "health":
                names = ("expires_at",) if parent == "" else ()
            for name in names:
                inner = row.get(parent, {}) if parent else row
                if name in inner:
                    inner[name] = "masked"
        lines.append(json.dumps(row, separators=(",", ":"), ensure_ascii=False))
    return lines


def unaccounted(health):
    """Packets seen less those in flows, consumed, and dropped by a name: always 0."""
    return (health["packets"] - health["packets_in_flows"] - health.get("packets_consumed", 0)
            - sum(d["packets"] for d in health.get("drops", [])))


class Network:
    """A network namespace with two interfaces, `near` and `far`, wired to one another. Nothing is
    sent there but what a test sends: no ARP, no IPv6."""

    def __init__(self):
        self.holder = subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE,
                                       stdout=subprocess.DEVNULL)
        self._wait_apart()
        for which in ("all", "default"):
            self.call("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{which}/disable_ipv6")
        for words in ("ip link add near arp off type veth peer name far arp off",
                      "ip link set lo up", "ip link set near up", "ip link set far up"):
            self.call(*words.split())

    def _wait_apart(self):
        own = os.readlink("/proc/self/ns/net")
        while os.readlink(f"/proc/{self.holder.pid}/ns/net") == own:
            time.sleep(0.01)

    def enter(self):
        return ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net", "--"]

    def call(self, *words):
        subprocess.run([*self.enter(), *words], check=True)

    def start(self, *words, **pipes):
        return subprocess.Popen([*self.enter(), *map(str, words)], stdin=subprocess.DEVNULL,
                                **pipes)

    def send(self, frames, times=1, source="far"):
        """Sends frames from `far`; `near` receives them."""
        data = b"".join(len(f).to_bytes(2, "big") + f for f in frames)
        subprocess.run([*self.enter(), sys.executable, os.path.join(HERE, "send.py"), source,
                        str(times)], input=data, check=True)

    def close(self):
        self.holder.stdin.close()
        self.holder.wait()


class MemoryGroup:
    """A control group that may take so many MiB; None of its files where none can be made."""

    def __init__(self, mib):
        for mount, name in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                            ("/sys/fs/cgroup", "memory.max")):
            self.path = os.path.join(mount, f"weir-test-{os.getpid()}")
            self.limit = os.path.join(self.path, name)
            try:
                os.mkdir(self.path)
                pathlib.Path(self.limit).write_text(str(mib << 20))
                return
            except OSError:
                self.close()
        self.path = None

    def enter(self):
        """Words before a command that is to run in it."""
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs; exec "$@"', "sh"]

    def close(self):
        if self.path is not None and os.path.isdir(self.path):
            os.rmdir(self.path)


def namespaces():
    """Whether this machine gives us network namespaces with veth pairs."""
    return subprocess.run(["unshare", "--net", "ip", "link", "add", "type", "veth"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def main_thread(pid):
    """State and CPU ticks of a process's main thread."""
    fields = pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text().rpartition(")")[2].split()
    return fields[0], fields[11], fields[12]


def wait_until_asleep(pid, seconds=20):
    """Until the main thread sleeps, and has done nothing else for a while: it waits for input."""
    last, since, end = None, time.monotonic(), time.monotonic() + seconds
    while last is None or last[0] != "S" or time.monotonic() - since < 0.4:
        now = main_thread(pid)
        if now != last:
            last, since = now, time.monotonic()
        if time.monotonic() > end:
            raise TimeoutError(f"process {pid} did not come to rest in {seconds} s")
        time.sleep(0.02)


def wait_until(what, seconds, true):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.02)
