#!/usr/bin/env python3
"""weir-dpdk on real drivers: the same records as weir from the same packets, counts equal to a
sender's, messages. Called with the paths of weir, weir-dpdk and replay. Nothing here is a NIC: net_pcap reads
a file, net_af_packet and net_tap are the kernel's interfaces, net_null and net_ring are memory."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../e2e"), os.path.join(HERE, "../property")]
import packets as f
import shards
from programs import HOUSE, NOBODY, Network, namespaces, run, unaccounted, wait_until

WEIR = WEIR_DPDK = REPLAY = None
FULL = ("--profile", "full", "--format", "json", "-o", "-")
NEAR, FAR = "02:00:5e:10:00:01", "02:00:5e:10:00:02"
SMALL_PAGES = ("--no-huge", "--no-shconf")
HUGE_PAGES = 48  # of 2 MiB


def eal(*words, memory=SMALL_PAGES, cores=1):
    """EAL's options: one core, no NIC of the machine touched, no files shared with another run."""
    lcores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    return (*memory, "--no-pci", "--no-telemetry", "-l", lcores, "--file-prefix",
            f"weir-test-{os.getpid()}", *words, "--")


def works():
    """Whether DPDK starts here at all: with no port named, that is what weir-dpdk complains of."""
    done = run(WEIR_DPDK, *eal())
    print(done.said, file=sys.stderr)
    return "nothing to read" in done.said


def datagram(size=20, vlan=None, port=40000):
    packet = f.ipv4("192.168.1.10", "198.51.100.7", f.UDP,
                    f.udp("192.168.1.10", port, "198.51.100.7", 9999, b"x" * size))
    if vlan is None:
        return f.ethernet(NEAR, FAR, 0x0800, packet)
    return f.ethernet(NEAR, FAR, 0x8100, f.tag(vlan, 0x0800, packet))


def answer(port=40000):
    """The other direction."""
    return f.ethernet(FAR, NEAR, 0x0800, f.ipv4(
        "198.51.100.7", "192.168.1.10", f.UDP,
        f.udp("198.51.100.7", 9999, "192.168.1.10", port, b"y" * 20)))


def capture_of(frames):
    """A capture file: a microsecond's resolution, a millisecond apart, nothing cut off."""
    return f.pcap([(1_700_000_000_000_000_000 + i * 1_000_000, x) for i, x in enumerate(frames)])


def bytes_seen(health):
    return health["interfaces"][0]["bytes"]


def without_health(out):
    return [line for line in out.splitlines() if json.loads(line)["record"] != "health"]


class Scratch(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="weir-dpdk-")
        self.addCleanup(shutil.rmtree, self.dir, True)
        os.chmod(self.dir, 0o755)
        self.state = ("--set", "state_dir=" + self.path("state"))

    def path(self, name, content=None):
        path = os.path.join(self.dir, name)
        if content is not None:
            pathlib.Path(path).write_bytes(content)
        return path

    def dpdk(self, *words, device=None, memory=SMALL_PAGES):
        vdev = ("--vdev", device) if device else ()
        return run(WEIR_DPDK, *eal(*vdev, memory=memory), *self.state, *words, cwd=self.dir)


class SameRecords(Scratch):
    """net_pcap: what weir makes of a capture file weir-dpdk makes of it, to the last octet."""

    SEEDED = (*FULL, "--seed", "1", "--set", "capture.name=port")
    LIVE = ("--clock", "packet", "--exit-idle", "300ms", "--set", "capture.overload=wait")

    def read(self, capture, *words, memory=SMALL_PAGES):
        return self.dpdk("-i", "net_pcap0", *self.SEEDED, *self.LIVE, *words, memory=memory,
                         device=f"net_pcap0,rx_pcap={capture}")

    def same(self, capture, *words, memory=SMALL_PAGES):
        ours = self.read(capture, *words, memory=memory)
        theirs = run(WEIR, "run", "-r", capture, *self.SEEDED, *words, cwd=self.dir)
        self.assertEqual((ours.status, theirs.status), (0, 0), ours.said + theirs.said)
        self.assertGreater(len(without_health(theirs.out)), 0)
        self.assertEqual(without_health(ours.out), without_health(theirs.out))
        self.assertEqual(ours.health()["packets"], theirs.health()["packets"])
        self.assertEqual(unaccounted(ours.health()), 0)
        return ours

    def test_the_house(self):
        self.assertEqual(self.same(HOUSE).health()["packets"], 4972)

    def test_the_house_from_huge_pages(self):
        with huge_pages(self.path("huge")) as directory:
            self.same(HOUSE, memory=("--huge-dir", directory, "--huge-unlink", "-m", "64"))

    def test_two_shards(self):
        """A port with one queue: one thread receives, the shards get what is theirs."""
        self.same_as_one_shard()

    def test_two_shards_from_huge_pages(self):
        with huge_pages(self.path("huge")) as directory:
            self.same_as_one_shard(("--huge-dir", directory, "--huge-unlink", "-m", "64"))

    def same_as_one_shard(self, memory=SMALL_PAGES):
        many = self.read(HOUSE, "--shards", "2", memory=memory)
        one = run(WEIR, "run", "-r", HOUSE, *self.SEEDED, cwd=self.dir)
        self.assertEqual(len(many.health()["interfaces"]), 1)
        flows, cached, wrong = shards.compare(shards.Run(one), shards.Run(many))
        self.assertEqual((cached, wrong), ([], []))
        self.assertGreater(flows, 100)

    def test_files_as_queues(self):
        """Of a port whose queues are there from the start, one thread polls all."""
        two = [self.path(f"{i}.pcap", capture_of([datagram(port=40000 + i)] * 10)) for i in range(2)]
        done = self.dpdk("-i", "net_pcap0", *self.SEEDED, *self.LIVE,
                         device=f"net_pcap0,rx_pcap={two[0]},rx_pcap={two[1]}")
        self.assertEqual([(row["client_port"], row["packets_up"]) for row in done.rows("flow")],
                         [(40000, 10), (40001, 10)], done.said)

    def test_two_ports(self):
        """Each under its own name, whether one thread polls them or two shards are dealt theirs."""
        files = [self.path(f"{i}.pcap", capture_of([datagram(port=40000 + 10 * i + n)
                                                    for n in range(10)])) for i in range(2)]
        devices = [w for i in range(2) for w in ("--vdev", f"net_pcap{i},rx_pcap={files[i]}")]
        for count in ("1", "2"):
            done = run(WEIR_DPDK, *eal(*devices), *self.state, *FULL, *self.LIVE, "-i", "net_pcap0",
                       "-i", "net_pcap1", "--shards", count, cwd=self.dir)
            self.assertEqual(done.status, 0, done.said)
            self.assertEqual([(entry["name"], entry["packets"])
                              for entry in done.health()["interfaces"]],
                             [("net_pcap0", 10), ("net_pcap1", 10)])
            self.assertEqual(sorted((row["interface"], row["client_port"])
                                    for row in done.rows("flow")),
                             [(f"net_pcap{i}", 40000 + 10 * i + n) for i in range(2)
                              for n in range(10)])

    def test_filter(self):
        done = self.same(HOUSE, "--filter", "udp port 53")
        self.assertLess(done.health()["packets"], 4972)

    def test_frames_in_several_buffers(self):
        frames = [datagram(size) for size in (100, 2048 - 42, 2049 - 42, 4000, 9000, 60000)]
        whole = ("--set", "capture.snaplen=65535")
        self.assertEqual(bytes_seen(self.same(self.path("large", capture_of(frames)), *whole).health()),
                         sum(map(len, frames)))

    def test_snaplen(self):
        # What is cut off a frame counts all the same.
        frames = [datagram(9000), datagram(100, port=40001)]
        done = self.read(self.path("cut", capture_of(frames)), "--set", "capture.snaplen=100")
        self.assertEqual(done.status, 0, done.said)
        self.assertEqual(sum(row["bytes_up"] for row in done.rows("flow")),
                         sum(len(frame) - 14 for frame in frames))

    def test_a_stamp_that_leaps_at_the_end_of_a_batch(self):
        day, at = 86_400_000_000_000, 1_700_000_000_000_000_000
        packets = [(at + i * 1_000_000 + (9 * day if i == 63 else 0), datagram())
                   for i in range(130)]
        self.same(self.path("leap", f.pcap(packets)))

    def test_what_was_lost_on_a_terminal(self):
        frames = self.path("large", capture_of([datagram(60000)] * 200))
        terminal, side = os.openpty()
        self.addCleanup(os.close, terminal)
        subprocess.run([WEIR_DPDK, *eal("--vdev", f"net_pcap0,rx_pcap={frames}"), *self.state, "-i",
                        "net_pcap0", *self.LIVE, "--set", "capture.buffer=1MiB", "-o",
                        self.path("out")], stdin=subprocess.DEVNULL, stdout=side,
                       stderr=subprocess.DEVNULL, check=True, timeout=60)
        os.close(side)
        said = os.read(terminal, 65536).decode()
        self.assertIn("lost before us: 0 in the kernel, ", said)
        # What this driver makes of a frame for which it has too few of several buffers.
        self.assertIn("in the NIC, errors by its driver's count: ", said)

    def test_too_few_buffers(self):
        """What finds no room is counted: nothing is lost in silence."""
        frames = [datagram(60000)] * 200 + [datagram(100)] * 10
        done = self.read(self.path("large", capture_of(frames)), "--set", "capture.buffer=1MiB")
        self.assertEqual(done.status, 0, done.said)
        health = done.health()
        lost = health["interfaces"][0]["dropped_nic"]
        self.assertGreater(lost, 0)
        self.assertGreater(health["packets"], 0)
        self.assertEqual(health["packets"] + lost, len(frames))
        self.assertEqual(sum(health["interfaces"][0].get(f"nic_{cause}", 0)
                             for cause in ("missed", "errors", "no_buffer")), lost)
        self.assertIn('port "net_pcap0": rx', done.said)


@contextlib.contextmanager
def huge_pages(directory):
    """A file system of reserved 2 MiB pages; both are given back."""
    count = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    if os.geteuid() != 0 or not count.exists():
        raise unittest.SkipTest("2 MiB pages need root and a kernel that has them")
    before = int(count.read_text())
    mounted = False
    try:
        count.write_text(str(before + HUGE_PAGES))
        if int(count.read_text()) < before + HUGE_PAGES:
            raise unittest.SkipTest(f"{HUGE_PAGES} pages of 2 MiB cannot be reserved")
        os.mkdir(directory)
        mounted = subprocess.run(["mount", "-t", "hugetlbfs", "-o", "pagesize=2M", "none",
                                  directory], check=False).returncode == 0
        if not mounted:
            raise unittest.SkipTest("hugetlbfs cannot be mounted")
        yield directory
    finally:
        if mounted:
            subprocess.run(["umount", directory], check=True)
        count.write_text(str(before))


class Running(Scratch):
    """What runs that a signal ends have in common."""

    def begin(self, device, *words, net=None, cores=1):
        return self.launch((WEIR_DPDK, *eal("--vdev", device, cores=cores), "-i",
                            device.split(",")[0], *self.state, *words), net)

    def launch(self, words, net):
        with open(self.path("said"), "wb") as said:
            pipes = {"cwd": self.dir, "stdout": subprocess.PIPE, "stderr": said}
            process = net.start(*words, **pipes) if net else subprocess.Popen(
                words, stdin=subprocess.DEVNULL, **pipes)
        self.addCleanup(self.end, process)
        self.says(process, "memory reserved")
        return process

    def said(self):
        return pathlib.Path(self.path("said")).read_text(encoding="utf-8", errors="replace")

    def says(self, process, text):
        wait_until(f'"{text}"', 20, lambda: process.poll() is not None or text in self.said())
        self.assertIn(text, self.said())

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def health(self, process):
        """After a signal: the rows, and what the last of them says."""
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0, self.said())
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(unaccounted(rows[-1]), 0)
        return rows, rows[-1]


class InMemory(Running):
    def test_null(self):
        """As fast as it goes: frames of zeros without end."""
        _, health = self.health(self.begin("net_null0", *FULL))
        self.assertGreater(health["packets"], 0)

    def test_null_by_two(self):
        """Two queues, each polled by its own thread on its own core."""
        process = self.begin("net_null0", *FULL, "--shards", "2", cores=2)
        cores = set()
        for shard in range(2):
            cores.add(self.core_of(process, f"weir-shard-{shard}"))
        self.assertEqual(cores, {str(core) for core in sorted(os.sched_getaffinity(0))[:2]})
        _, health = self.health(process)
        self.assertNotIn("a key of its own", self.said())
        self.assertEqual([entry["queue"] for entry in health["interfaces"]], [0, 1])
        for entry in health["interfaces"]:
            self.assertGreater(entry["packets"], 0)
        self.assertEqual(sum(entry["packets"] for entry in health["interfaces"]),
                         health["packets"])

    def test_two_ports_by_two(self):
        """A shard has a queue of each; of a silent one nobody waits."""
        process = self.launch((WEIR_DPDK, *eal("--vdev", "net_null0", "--vdev", "net_null1", cores=2),
                               "-i", "net_null0", "-i", "net_null1", *self.state, *FULL, "--shards",
                               "2"), None)
        _, health = self.health(process)
        self.assertEqual(sorted((entry["name"], entry["queue"]) for entry in health["interfaces"]),
                         [(f"net_null{port}", queue) for port in range(2) for queue in range(2)])
        for entry in health["interfaces"]:
            self.assertGreater(entry["packets"], 0)

    def test_two_ports_of_which_one_cannot_share_out(self):
        frames = self.path("frames.pcap", capture_of([datagram()] * 20))
        process = self.launch((WEIR_DPDK, *eal("--vdev", "net_null0", "--vdev",
                                               f"net_pcap0,rx_pcap={frames}"),
                               "-i", "net_null0", "-i", "net_pcap0", *self.state, *FULL, "--shards",
                               "2"), None)
        self.says(process, 'port "net_pcap0" cannot share packets out')
        rows, health = self.health(process)
        self.assertEqual([entry["name"] for entry in health["interfaces"]],
                         ["net_null0", "net_pcap0"])
        self.assertGreater(health["interfaces"][0]["packets"], 0)
        self.assertEqual([row["packets_up"] for row in rows if row["record"] == "flow"], [20])

    @staticmethod
    def core_of(process, name):
        """Of a thread, which takes its place when it begins to run."""
        def status():
            for task in pathlib.Path(f"/proc/{process.pid}/task").iterdir():
                if (task / "comm").read_text().strip() == name:
                    return dict(line.split(":\t", 1) for line in
                                (task / "status").read_text().splitlines())["Cpus_allowed_list"]
            return ""
        wait_until(f"{name} on a core of its own", 20, lambda: status().isdigit())
        return status()

    def test_a_port_that_cannot_share_out(self):
        frames = self.path("frames.pcap", capture_of([datagram(port=40000 + i) for i in range(50)]))
        process = self.begin(f"net_pcap0,rx_pcap={frames},infinite_rx=1", *FULL, "--shards", "2")
        self.says(process, "one thread receives and deals them out")
        rows, health = self.health(process)
        self.assertEqual(len(health["interfaces"]), 1)
        self.assertGreater(health["packets"], 0)
        self.assertEqual(len({row["flow_id"] for row in rows if row["record"] == "flow"}), 50)

    def test_too_few_cores(self):
        process = self.begin("net_null0", *FULL, "--shards", "2")
        self.says(process, "more threads that poll than EAL has cores")
        self.health(process)

    def test_rings_by_two(self):
        """The queues of a port that has sixteen, on which nothing comes."""
        _, health = self.health(self.begin("net_ring0", *FULL, "--shards", "2", cores=2))
        self.assertEqual([(entry["queue"], entry["packets"]) for entry in health["interfaces"]],
                         [(0, 0), (1, 0)])

    def test_ring(self):
        """A port on which nothing comes."""
        done = self.dpdk("-i", "net_ring0", *FULL, "--exit-idle", "100ms", device="net_ring0")
        self.assertEqual((done.status, done.health()["packets"]), (0, 0), done.said)


class OnInterfaces(Running):
    """In a network namespace of our own."""

    @classmethod
    def setUpClass(cls):
        if os.geteuid() != 0 or not namespaces():
            raise unittest.SkipTest("needs root and network namespaces")

    def setUp(self):
        super().setUp()
        self.net = Network()
        self.addCleanup(self.net.close)

    def test_counts_are_the_senders(self):
        # The kernel's ring holds all that is sent: not one may be missing.
        times, frames = 1500, [datagram(), datagram(400, port=40001), datagram(1000, vlan=7)]
        process = self.begin("net_af_packet0,iface=near,framecnt=8192", *FULL, net=self.net)
        with open(f"/proc/{process.pid}/status", encoding="ascii") as file:
            self.assertIn(f"Uid:\t{NOBODY}\t{NOBODY}\t{NOBODY}\t{NOBODY}", file.read())
        self.assertIn("what its driver loses is not counted", self.said())
        self.net.send(frames, times)
        rows, health = self.health(process)
        self.assertEqual(health["packets"], times * len(frames))
        self.assertEqual(bytes_seen(health), times * sum(map(len, frames)))
        flows = {row["client_port"]: row for row in rows
                 if row["record"] == "flow" and "vlan" not in row}
        tagged = [row for row in rows if row["record"] == "flow" and row.get("vlan") == 7]
        self.assertEqual({port: row["packets_up"] for port, row in flows.items()},
                         {40000: times, 40001: times})
        self.assertEqual([row["packets_up"] for row in tagged], [times])
        # Nothing of ours went out.
        with open(f"/proc/{self.net.holder.pid}/net/dev", encoding="ascii") as file:
            near = next(line.split() for line in file if line.lstrip().startswith("near:"))
        self.assertEqual(int(near[10]), 0)

    def test_two_queues(self):
        """The kernel shares packets out to two queues, both directions of a flow to one."""
        times, ports = 50, range(40000, 40064)
        process = self.begin("net_af_packet0,iface=near,qpairs=2,framecnt=8192", *FULL, "--shards",
                             "2", net=self.net, cores=2)
        self.net.send([frame for port in ports for frame in (datagram(port=port), answer(port))],
                      times)
        rows, health = self.health(process)
        self.assertEqual(health["packets"], 2 * times * len(ports))
        self.assertEqual(sum(entry["packets"] for entry in health["interfaces"]),
                         health["packets"])
        for entry in health["interfaces"]:
            self.assertGreater(entry["packets"], 0)
        self.assertEqual(sorted((row["client_port"], row["packets_up"], row["packets_down"])
                                for row in rows if row["record"] == "flow"),
                         [(port, times, times) for port in ports])

    def test_frames_longer_than_the_driver_takes(self):
        """It says of a frame only how long it may be: 1518 octets."""
        process = self.net.start(
            WEIR_DPDK, *eal("--vdev", "net_af_packet0,iface=near"), "-i", "net_af_packet0", *self.state,
            "--set", "capture.mtu=1501", cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 2, said)
        self.assertIn(b"takes capture.mtu from 46 to 1500", said)

    def test_link_down_and_up(self):
        if not os.path.exists("/dev/net/tun"):
            self.skipTest("needs /dev/net/tun")
        process = self.begin("net_tap0,iface=tapped", *FULL, net=self.net)
        self.net.call("ip", "link", "set", "tapped", "down")
        self.says(process, 'port "net_tap0": the link is down')
        self.net.call("ip", "link", "set", "tapped", "up")
        self.says(process, 'port "net_tap0": the link is up again')
        self.assertIsNone(process.poll())
        _, health = self.health(process)
        self.assertEqual([entry["times_down"] for entry in health["interfaces"]], [1])

    def test_live_weir_with_a_files_clock(self):
        """--clock packet and --exit-idle on an interface: nothing is stamped later than the last
        packet, and silence ends the run."""
        process = self.launch((WEIR, "run", "-i", "near", *self.state, *FULL, "--clock", "packet",
                               "--exit-idle", "5s"), self.net)
        self.net.send([datagram()], 10)
        out, _ = process.communicate(timeout=30)
        rows = [json.loads(line) for line in out.splitlines()]
        self.assertEqual(process.returncode, 0, self.said())
        self.assertEqual([(row["packets_up"], row["end_reason"]) for row in rows
                          if row["record"] == "flow"], [(10, "forced")])


class Hashed(Scratch):
    """A NIC in memory (replay.c): packets on its queues by RSS under the port's key."""

    def replay(self, queues):
        cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:queues]))
        done = run(REPLAY, HOUSE, queues, cores, *FULL, *self.state, "--seed", "1", "--shards",
                   queues, cwd=self.dir)
        self.assertEqual(done.status, 0, done.said)
        told = json.loads(done.said.splitlines()[-1])
        self.assertEqual((told["packets"], told["left"], told["sent"]), (4972, 0, 0))
        self.assertEqual(done.health()["packets"], 4972)
        return done

    @staticmethod
    def flows(done):
        # Not the names that come of other flows' answers: all is there at once.
        fields = ("client_ip", "client_port", "server_ip", "server_port", "ip_protocol",
                  "packets_up", "packets_down", "bytes_up", "bytes_down", "protocol", "application")
        return sorted([str(row.get(field)) for field in fields] for row in done.rows("flow"))

    def test_two_queues_make_the_same_flows(self):
        one, two = self.replay(1), self.replay(2)
        for entry in two.health()["interfaces"]:
            self.assertGreater(entry["packets"], 1000)
        self.assertEqual(self.flows(one), self.flows(two))
        self.assertGreater(len(self.flows(one)), 100)


class Messages(Scratch):
    def refused(self, done, *sentences):
        self.assertEqual(done.status, 2, done.said)
        self.assertEqual(done.out, b"")
        for sentence in sentences:
            self.assertIn(sentence, done.said)

    def test_wrong_eal_arguments(self):
        self.refused(run(WEIR_DPDK, "--no-such-option", *eal(), "-i", "net_null0"),
                     "DPDK does not start", "no-such-option")
        self.refused(run(WEIR_DPDK, *eal("--vdev", "net_nothing0"), "-i", "net_nothing0"),
                     "DPDK does not start", "net_nothing0")

    def test_no_huge_pages(self):
        empty = self.path("empty")
        os.mkdir(empty)
        self.refused(run(WEIR_DPDK, *eal(memory=("--no-shconf", "--huge-dir", empty)), "-i", "x"),
                     "DPDK does not start", "--no-huge")

    def test_nothing_given(self):
        self.refused(run(WEIR_DPDK), "usage: weir-dpdk [EAL OPTIONS] -- -i PORT")
        self.refused(self.dpdk(device="net_null0"), "nothing to read", "net_null0")
        done = run(WEIR_DPDK, "--help")
        self.assertEqual((done.status, done.said), (0, ""))
        self.assertIn(b"--exit-idle", done.out)

    def test_no_such_port(self):
        self.refused(self.dpdk("-i", "0000:3b:00.0", device="net_null0"), '"0000:3b:00.0"',
                     "there is: net_null0", "vfio-pci")
        # EAL goes on without a device that its driver refuses, and says why.
        self.refused(self.dpdk("-i", "net_pcap0", device="net_pcap0,rx_pcap=" + self.path("absent")),
                     "No such file", 'no port "net_pcap0"', "stands above")

    def test_a_file(self):
        self.refused(self.dpdk("-r", HOUSE, device="net_null0"), "weir run -r")

    def test_wrong_settings(self):
        self.refused(self.dpdk("-i", "net_null0", "--set", "capture.mtu=40", device="net_null0"),
                     "capture.mtu", "68")
        self.refused(self.dpdk("-i", "net_null0", "--filter", "from mars", device="net_null0"),
                     "pcap-filter(7)")
        self.refused(self.dpdk("-i", "net_null0", "--clock", "wall", device="net_null0"), "--clock")
        self.refused(self.dpdk("-i", "net_null0", "--exit-idle", "0s", device="net_null0"),
                     "--exit-idle")

    def test_too_little_memory(self):
        self.refused(self.dpdk("-i", "net_null0", device="net_null0",
                               memory=(*SMALL_PAGES, "-m", "8")),
                     "packet buffers", "capture.buffer")


if __name__ == "__main__":
    WEIR, WEIR_DPDK, REPLAY = (os.path.abspath(sys.argv.pop(1)) for _ in range(3))
    if not works():
        print("SKIPPED: DPDK does not start on this machine, not even with --no-huge")
        sys.exit(77)
    result = unittest.main(exit=False).result
    for test, why in result.skipped:
        print(f"SKIPPED: {test}: {why}")
    sys.exit(1 if not result.wasSuccessful() else 77 if result.skipped else 0)
