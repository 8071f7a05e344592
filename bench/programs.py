"""The programs that are measured over a capture: Weir in several settings, and the peers that Debian has. Each does
its full work, writes its results to a folder of its own, and says how many records it made and what it left out.
"""
import collections
import ctypes
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

import captures

# A run: CPU of the program and all it started, peak RSS of its largest process; records and loss may be None: unknown.
Run = collections.namedtuple("Run", "cpu_ns wall_ns kib records loss")
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
TOO_LONG_S = 1800
WEIR = {  # name: (its settings, the corpora it is for)
    "weir": ((), "BCDE"),
    "weir, admission limited": (("--set", "dpi.admission=on"), "C"),
    "weir, nDPI off": (("--set", "dpi.enabled=no"), "BCDE"),
    "weir, two shards": (("--shards", "2"), "BCDE"),
}
PACKAGES = {"ndpiReader": "libndpi-bin", "pmacctd": "pmacct", "softflowd": "softflowd", "argus": "argus-server",
            "nfpcapd": "nfdump", "tcpdump": "tcpdump"}
PEERS = tuple(PACKAGES)


def number(pattern, text):
    """Of the last match; None where there is none."""
    found = re.findall(pattern, text)
    return int(found[-1]) if found else None


def weir_said(out, _):
    rows = re.search(r"^records:((?: \w+ \d+)+)", out, re.M)
    return sum(map(int, re.findall(r"\d+", rows[1]))) if rows else None, number(r"consumed, (\d+) dropped", out)


def softflowd_said(out, _):
    return number(r"Flows exported: \d+ \((\d+) records\)", out), number(r"Ignored packets: (\d+)", out)


def argus_records(data):
    """Flow records in what argus wrote: type, cause, length in words of four bytes."""
    at = count = 0
    while at + 4 <= len(data):
        kind, words = struct.unpack_from("!BxH", data, at)
        if words == 0:
            break
        count += kind & 0xF0 == 0x10
        at += words * 4
    return count


def argus_said(_, folder):
    return argus_records((folder / "argus").read_bytes()), None


def nfpcapd_said(out, folder):
    done = subprocess.run(["nfdump", "-I", "-R", folder], capture_output=True, text=True)
    left = re.findall(r"Total: Processed: \d+, skipped: (\d+), short caplen: (\d+), unknown: (\d+)", out)
    return number(r"Flows: (\d+)", done.stdout), sum(map(int, left[-1])) if left else None


def pmacctd_said(_, folder):
    """Rows; what they lack of the file's packets is asked by who knows those (see Programs.run)."""
    rows = (folder / "rows.csv").read_text().splitlines()[1:] if (folder / "rows.csv").exists() else []
    return len(rows), -sum(int(row.rsplit(",", 2)[1]) for row in rows)


def pmacctd_settings(capture, folder):
    path = folder / "pmacctd.conf"
    path.write_text(f"""pcap_savefile: {capture}
pcap_savefile_delay: 1
plugins: print
aggregate: src_mac,dst_mac,vlan,src_host,dst_host,src_port,dst_port,proto,tcpflags
print_output: csv
print_output_file: {folder}/rows.csv
print_cache_entries: 262147
plugin_buffer_size: 102400
plugin_pipe_size: 268435456
""")
    return path


def become_subreaper():
    """What a program leaves behind is ours to wait for, so that its CPU counts."""
    ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def reap_all():
    """{pid: (exit status, usage)} of all children, until there is none."""
    ends = {}
    try:
        while True:
            pid, status, usage = os.wait4(-1, 0)
            ends[pid] = os.waitstatus_to_exitcode(status), usage
    except ChildProcessError:
        return ends


class Programs:
    def __init__(self, build, scratch, without=()):
        self.scratch, self.without = scratch, without
        self.stages_path, self.weir_path = build / "bench/stages", build / "collector/weir"
        self.found = {name: shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
                      for name in PEERS if name not in without}
        # softflowd's records go where they are taken and forgotten.
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sink.bind(("127.0.0.1", 0))
        become_subreaper()

    def missing(self):
        """Peers that are not installed, with the packages to install."""
        return {name: PACKAGES[name] for name, path in self.found.items() if path is None}

    def weir_command(self, capture, folder, *options):
        return [self.weir_path, "run", "-r", capture, "-o", folder, "--set", "user=", *options]

    def peer(self, name, capture, folder):
        """Its command, and who reads what it says."""
        path = self.found[name]
        port = self.sink.getsockname()[1]
        return {
            "ndpiReader": lambda: ([path, "-q", "-i", capture], lambda *_: (None, None)),
            "pmacctd": lambda: ([path, "-f", pmacctd_settings(capture, folder)], pmacctd_said),
            "softflowd": lambda: ([path, "-r", capture, "-d", "-6", "-m", "262144", "-v", "9", "-n", f"127.0.0.1:{port}",
                                   "-c", "none", "-p", folder / "pid"], softflowd_said),
            "argus": lambda: ([path, "-X", "-r", capture, "-w", folder / "argus"], argus_said),
            "nfpcapd": lambda: ([path, "-r", capture, "-w", folder], nfpcapd_said),
            "tcpdump": lambda: ([path, "-r", capture, "-w", "/dev/null"], lambda *_: (None, None)),
        }[name]()

    def measure(self, command):
        """(CPU ns, wall ns, peak KiB, what it said) of a process and all it started, from fork to the last exit.

        By way of a program that is gone at once: a child of ours begins with our size, and its peak would be ours.
        """
        pid_path = self.scratch / "pid"
        with open(os.devnull, "rb") as null, open(self.scratch / "said", "w+b") as said:
            start = time.monotonic_ns()
            by_way = ["setsid", "-f", "sh", "-c", 'echo $$ >"$0"; exec "$@"', pid_path, *command]
            subprocess.run([str(word) for word in by_way], stdin=null, stdout=said, stderr=said, check=True)
            try:
                ends = reap_all()
            except KeyboardInterrupt:
                os.killpg(int(pid_path.read_text()), signal.SIGKILL)
                raise
            wall_ns = time.monotonic_ns() - start
            said.seek(0)
            text = said.read().decode(errors="replace")
        status = ends[int(pid_path.read_text())][0]
        if status != 0:
            sys.exit(f"bench/run: {' '.join(map(str, command))} failed ({status}):\n{text}")
        cpu_s = sum(usage.ru_utime + usage.ru_stime for _, usage in ends.values())
        return round(cpu_s * 1e9), wall_ns, max(usage.ru_maxrss for _, usage in ends.values()), text

    def run(self, command, said, folder, packets):
        cpu_ns, wall_ns, kib, text = self.measure(["timeout", "-k", "10", str(TOO_LONG_S), *command])
        records, loss = said(text, folder)
        if loss is not None and loss < 0:  # packets that its records have
            loss += packets
        return Run(cpu_ns, wall_ns, kib, records, loss)

    def stages(self, capture):
        command = [self.stages_path, "-o", captures.empty_folder(self.scratch / "out"), capture]
        out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows = (line.split("\t") for line in out.splitlines())
        return {name: Run(int(cpu), None, int(kib), None, None) for name, _, cpu, kib in rows}

    def round(self, letter, capture, packets):
        """{program: Run}, one after the other."""
        found = self.stages(capture) if "stages" not in self.without else {}
        for name, (options, letters) in WEIR.items():
            if "weir" not in self.without and letter in letters:
                folder = captures.empty_folder(self.scratch / "out")
                found[name] = self.run(self.weir_command(capture, folder, *options), weir_said, folder, packets)
        for name, path in self.found.items():
            if path is not None:
                folder = captures.empty_folder(self.scratch / "out")
                command, said = self.peer(name, capture, folder)
                found[name] = self.run(command, said, folder, packets)
        captures.empty_folder(self.scratch / "out")
        return found


def versions(found):
    """Of the peers that are there, by Debian's package."""
    out = []
    for name, path in found.items():
        if path is not None:
            done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", PACKAGES[name]], capture_output=True, text=True)
            out.append(f"{name} {done.stdout.split('-')[0].split(':')[-1] or '?'}")
    return ", ".join(out)
