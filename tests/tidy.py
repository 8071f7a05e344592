#!/usr/bin/env python3
"""The rules that hold the tree together (DESIGN.md, section 3), checked on every test run.

1. Includes run one way: a file includes its own folder and earlier ones only.
2. One outside library, one place.
3. One door out: only core/record fills batches; only those who may log do.
Then the five longest functions and files, as a hint to the reader: no limit, a judgement.
"""
import collections
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The order of DESIGN.md, section 3; a folder may include itself and what stands before it.
ORDER = [f"collector/core/{name}" for name in (
    "base", "settings", "packet", "flow", "event", "classify", "client", "schema", "privacy", "record",
    "ledger", "export", "shard")]
PROGRAMS = ("collector", "dpdk-app")

# What may be seen of the core from the three folders of modules: a folder, or single headers.
MODULES = {
    "collector/capture": ("core/base/", "core/packet/"),
    "classifiers": ("core/base/", "core/packet/packet.h", "core/event/findings.h",
                    "core/classify/classifier.h", "core/classify/taxonomy.h"),
    "exporters": ("core/base/", "core/record/batch.h", "core/export/exporter.h", "core/export/segment.h"),
}

# Header of an outside library -> the only places that may include it.
LIBRARIES = {
    r"pcap(/.*)?\.h": ("collector/capture/pcap_", "collector/capture/frame_filter.c"),
    r"rte_.*\.h": ("dpdk-app/",),
    r"(libndpi/|ndpi/)?ndpi_.*\.h": ("classifiers/ndpi_", "classifiers/ndpi.c"),  # its inside; all else
    r"(librdkafka/)?rdkafka.*\.h": ("exporters/kafka_", "exporters/kafka.c"),
    r"zstd.*\.h": ("collector/core/export/packing.c", "collector/capture/unpack.c"),
    r"zlib\.h": ("collector/capture/unpack.c",),
    r"yaml\.h": ("collector/core/settings/",),
    r"libpsl\.h": ("collector/core/privacy/domain.c",),
    r"openssl/.*\.h": ("collector/core/privacy/", ),
}

# Words that only these places may use.
WORDS = {
    r"\bbatch_pool_(take|seal)\b": ("collector/core/record/",),
    r"\blog_(line|error|warning|info)\b": (
        "collector/core/base/log", "collector/core/shard/run", "collector/core/export/export",
        "collector/collect.c", "collector/main.c", "collector/read.c", "dpdk-app/main.c", "dpdk-app/place.c",
        "dpdk-app/port.c"),
    r"\b(syslog|openlog)\b": (),
    r"#\s*(el)?if(n?def)?\b.*DPDK": (),
    # Who prints might print what the policy withholds.
    r"(?<![.>\w])(v?f?printf|v?dprintf|puts|fputs|putc|putchar|fputc|perror|fwrite|p?writev?|send(to|msg)?)"
    r"\s*\(": (
        "collector/core/base/log.c", "collector/core/base/compiler.h", "collector/core/settings/", "collector/core/schema/schema_print.c",
        "collector/core/privacy/explain.c", "collector/core/privacy/policy", "collector/core/shard/identity.c",
        "collector/core/shard/run", "collector/core/shard/summary", "collector/core/export/",
        "exporters/", "collector/main.c", "collector/options.c", "collector/read.c", "dpdk-app/main.c"),
}

# What is made after the door sees nothing that stands before it.
AFTER_THE_DOOR = {
    "collector/core/shard/summary": ("core/client/", "core/ledger/", "core/event/", "core/classify/"),
    "collector/core/record/read": ("core/client/", "core/flow/", "core/event/", "core/packet/"),
    "collector/core/export/": ("core/client/", "core/flow/", "core/event/", "core/ledger/"),
    "collector/read": ("core/client/", "core/flow/", "core/event/", "core/ledger/", "core/packet/"),
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]', re.M)
faults = []


def sources():
    for folder in ("collector", "classifiers", "exporters", "dpdk-app"):
        yield from sorted((ROOT / folder).rglob("*.[ch]"))


def folder_of(path):
    return path.parent.relative_to(ROOT).as_posix()


def line_of(text, match):
    return text.count("\n", 0, match.start()) + 1


def resolve(path, name):
    """The file of ours that an include means, or None."""
    for base in (path.parent, ROOT / "collector", ROOT):
        if (base / name).is_file():
            return (base / name).resolve()
    return None


def rank(folder):
    return ORDER.index(folder) if folder in ORDER else None


def check_ours(path, line, included):
    here, there = folder_of(path), folder_of(included)
    where = f"{path.relative_to(ROOT)}:{line}"
    name = included.relative_to(ROOT).as_posix().removeprefix("collector/")
    rel = path.relative_to(ROOT).as_posix()
    for prefix, unseen in AFTER_THE_DOOR.items():
        if rel.startswith(prefix) and name.startswith(unseen):
            faults.append(f"{where}: {rel} is made of records after the door and may not see {name}")
    if here == there or here in PROGRAMS:
        return
    if here in MODULES:
        if not name.startswith(MODULES[here]):
            faults.append(f"{where}: {here}/ may not see {name}")
    elif rank(here) is None:
        faults.append(f"{where}: {here}/ has no place in the order of folders")
    elif rank(there) is None or rank(there) > rank(here):
        faults.append(f"{where}: {here}/ includes {name}, which comes later")


def check_library(path, line, name):
    rel = path.relative_to(ROOT).as_posix()
    for pattern, places in LIBRARIES.items():
        if re.fullmatch(pattern, name) and not rel.startswith(places):
            faults.append(f"{rel}:{line}: <{name}> belongs to {' or '.join(places)} alone")


def check_words(path, text):
    rel = path.relative_to(ROOT).as_posix()
    for pattern, places in WORDS.items():
        for match in re.finditer(pattern, text):
            if not (places and rel.startswith(places)) and not rel.endswith(("log.h", "batch.h")):
                faults.append(f"{rel}:{line_of(text, match)}: {match.group(0)} is not for this place")


def functions(path, text):
    """(lines, name) of each function: an opening brace in column 0, up to the closing one."""
    lines = text.split("\n")
    start = None
    for number, line in enumerate(lines):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = " ".join(lines[max(0, start - 4):start])
            names = re.findall(r"(\w+)\s*\(", head)
            yield number - start - 1, f"{path.relative_to(ROOT)}: {names[-1] if names else '?'}"
            start = None


def main():
    longest, sizes, count = [], [], 0
    for path in sources():
        text = path.read_text()
        count += 1
        for match in INCLUDE.finditer(text):
            included = resolve(path, match.group(2)) if match.group(1) == '"' else None
            line = line_of(text, match)
            if included is not None:
                check_ours(path, line, included)
            elif match.group(1) == '"' and not match.group(2).endswith((".inc", "config.h")):
                faults.append(f"{path.relative_to(ROOT)}:{line}: \"{match.group(2)}\" is not there")
            else:
                check_library(path, line, match.group(2))
        check_words(path, text)
        if path.suffix == ".h" and "#pragma once" not in text:
            faults.append(f"{path.relative_to(ROOT)}:1: no #pragma once")
        if not text.startswith(("// ", "/* ")):
            faults.append(f"{path.relative_to(ROOT)}:1: a file begins with what it is for")
        longest.extend(functions(path, text))
        sizes.append((text.count("\n"), str(path.relative_to(ROOT))))

    for fault in faults:
        print(fault)
    print(f"{count} files; longest functions:",
          ", ".join(f"{name} {lines}" for lines, name in sorted(longest, reverse=True)[:5]))
    print("longest files:", ", ".join(f"{name} {lines}" for lines, name in sorted(sizes, reverse=True)[:5]))
    return 1 if faults or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
