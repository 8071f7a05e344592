#!/usr/bin/env python3
"""Makes the table of MAC address vendors from the IEEE's registries.

usage: make_vendors.py OUT.c FILE.csv...

The files are Debian's (package ieee-data): oui.csv (MA-L, 24 bits), mam.csv (MA-M, 28 bits),
oui36.csv (MA-S, 36 bits) and iab.csv (individual address blocks, 36 bits, of before 2014). The same
files give the same table, octet by octet.
"""
import csv
import sys

SPLIT = "IEEE Registration Authority"  # holds blocks that are given out in smaller ones


def read(paths):
    blocks = {24: {}, 28: {}, 36: {}}
    for path in paths:
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            for row in csv.DictReader(file):
                prefix = row["Assignment"].strip()
                name = " ".join(row["Organization Name"].split())
                # The first entry of a prefix stands: the registry holds a few twice.
                blocks[4 * len(prefix)].setdefault(int(prefix, 16), name)
    return blocks


def quoted(name):
    # Octal escapes are three digits and cannot run into what follows.
    return "".join(
        chr(byte) if 32 <= byte < 127 and byte not in b'"\\?' else "\\%03o" % byte
        for byte in name.encode("utf-8")
    )


def main():
    out, paths = sys.argv[1], sys.argv[2:]
    blocks = read(paths)
    names = sorted({name for block in blocks.values() for name in block.values() if name != SPLIT})
    offsets = {SPLIT: 0}
    at = 1
    for name in names:
        offsets[name] = at
        at += len(name.encode("utf-8")) + 1
    with open(out, "w", encoding="ascii", newline="\n") as file:
        write = file.write
        write("// Made by make_vendors.py. Vendors of MAC addresses.\n")
        write('#include "core/client/vendor.h"\n\n')
        write('const char vendor_names[] = "\\0"\n')
        for name in names:
            write('\t"%s\\0"\n' % quoted(name))
        write(";\n\n")
        for bits in (36, 28, 24):
            write("static const struct vendor_block blocks_%d[] = {\n" % bits)
            for prefix in sorted(blocks[bits]):
                write("\t{0x%xu, %du},\n" % (prefix, offsets[blocks[bits][prefix]]))
            write("};\n\n")
        write("const struct vendor_registry vendor_registries[3] = {\n")
        for bits in (36, 28, 24):
            write("\t{blocks_%d, sizeof(blocks_%d) / sizeof(blocks_%d[0]), %d},\n" % ((bits,) * 4))
        write("};\n")


main()
