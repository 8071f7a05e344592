"""The captures that are measured: made by the real corpora's tool where those are, else by bench/corpora."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
LETTERS = ("B", "C", "D", "E")
PACKETS = {"B": 10_430_000, "C": 2_000_000, "D": 900_000, "E": 4_130_000}
SCALED = ("B", "E")  # those that --percent makes smaller: C and D are what they are by their size
MARK = "made-by"


def ours():
    """Captures of our own to make corpora of."""
    golden = sorted((ROOT / "tests/golden").glob("*.pcap"))
    return [ROOT / "tests/lan/house.pcap", *(p for p in golden if p.name != "house_begin.pcap")]


def make_own(program, letter, path, packets):
    """By bench/corpora: the same bytes each time. Left out of the name until it is whole."""
    half = path.with_suffix(".half")
    done = subprocess.run([program, letter, half, str(packets), *ours()], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"bench: {program} failed:\n{done.stderr}")
    half.rename(path)


def made_by(folder):
    """Which corpora are in the folder."""
    mark = folder / MARK
    return mark.read_text().strip() if mark.exists() else "given"


def make_all(folder, letters, percent, program, own=False):
    """Those of the letters that are not there. own: not the real ones even where they could be had."""
    if all((folder / f"{c}.pcap").exists() for c in letters):
        return
    folder.mkdir(parents=True, exist_ok=True)
    tool = SHARED / "tools/corpora.sh"
    real = not own and tool.exists() and (SHARED / "corpus").exists()
    kind = f"{'the real corpora' if real else 'made of our own captures'}, B and E at {percent} %"
    if (folder / MARK).exists() and made_by(folder) != kind:
        sys.exit(f"bench: {folder} has other corpora ({made_by(folder)}), not {kind}")
    (folder / MARK).write_text(kind + "\n")
    if real:
        subprocess.run([tool, folder, str(percent)], check=True, stdout=sys.stderr)
        return
    for letter in letters:
        path = folder / f"{letter}.pcap"
        if not path.exists():
            make_own(program, letter, path, PACKETS[letter] * (percent if letter in SCALED else 100) // 100)


def packets_of(path):
    """Packets of a classic little-endian capture."""
    count = 0
    with open(path, "rb", buffering=1 << 20) as f:
        f.seek(24)
        while head := f.read(16):
            f.seek(struct.unpack_from("<I", head, 8)[0], os.SEEK_CUR)
            count += 1
    return count


def head_of(path, out, packets):
    """The first packets of a capture; 0: a capture of none."""
    with open(path, "rb") as f, open(out, "wb") as o:
        o.write(f.read(24))
        for _ in range(packets):
            head = f.read(16)
            if not head:
                break
            o.write(head + f.read(struct.unpack_from("<I", head, 8)[0]))
    return out


def warm(path):
    """Into the page cache, where a large peer may have taken its place; anew, and in one go: what came back page by
    page while memory was short is mapped page by page as well, which was seen to cost thirty times as much."""
    with open(path, "rb", buffering=0) as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while f.read(1 << 20):
            pass


def empty_folder(path):
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path
