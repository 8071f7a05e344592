"""Looks for secrets in what a program left, as text and as octets, in every form that we know.

Text: MACs with any separator or none, and their last three octets; IPv4 dotted, dashed, reversed,
as hex and as a number; IPv6 in any spelling, by its interface identifier, and as a reverse name;
names in any case, also behind JSON's and Weir's escapes.
Octets: MACs and addresses in both orders, interface identifiers, names as they are, in UTF-16 and
as DNS writes them; in segments also field by field of each protobuf row.

Short things would match by chance, so they are held to more:
- Four octets of IPv4 are no proof among thousands of numbers. In rows they count when a field's
  whole value is they (bytes, fixed or varint, either order), or when they stand anywhere in a field
  that is neither text nor a message; outside of rows (a segment's head, footer) anywhere.
- Interface identifiers count when they have five different octets: `::1` has none.
- A MAC's last three octets count as aa:bb:cc, or as six hex digits between other characters; only
  as aa-bb-cc when all digits are decimal: 10:00:01 is a time.
- A name of fewer than six characters counts between other characters than letters and digits.
- A name that is part of what everybody may say (a vendor's or a protocol's name), or made of digits
  and dots, counts when it is the whole of a value, or stands in a log line; one that is just such a
  name cannot be told from it.
- Mostly zeros are no proof: MACs with four, IPv4 with two of them count as the whole of a field, and
  as text; a number below 2^24 is no address (3.0.0.0, turned round, is 3).
Runs are seeded, so that keyed octets are the same each time: what a test found once, it finds again.
"""

import csv
import ctypes
import ctypes.util
import ipaddress
import json
import re
import subprocess

ZSTD = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
for call in ("ZSTD_compressBound", "ZSTD_compress", "ZSTD_decompress", "ZSTD_findFrameCompressedSize"):
    getattr(ZSTD, call).restype = ctypes.c_size_t
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FRAME_MAX = 32 << 20
ROOM = ctypes.create_string_buffer(FRAME_MAX)

V4 = re.compile(r"(?<![\d.])(\d{1,3})([.-])(\d{1,3})\2(\d{1,3})\2(\d{1,3})(?!\d|\.\d)")
V6 = re.compile(r"[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?:\.\d+\.\d+\.\d+|)")
HEX8 = re.compile(r"(?<![0-9a-f])(?:0x)?([0-9a-f]{8})(?![0-9a-f])")
NUMBER = re.compile(r"(?<![\w.])\d{7,15}(?![\w.])")
WORD = re.compile(r"[a-z0-9._-]+")


def vocabulary():
    """Words that everybody may say, in lower case: vendors, and nDPI's protocols."""
    with open("/usr/share/ieee-data/oui.csv", encoding="utf-8", errors="replace", newline="") as file:
        words = {row[2].strip().lower() for row in csv.reader(file)}
    known = subprocess.run(["ndpiReader", "-h"], capture_output=True, text=True, check=True)
    words |= {"local", "remote"}  # the two kinds of ends, in the names of rules
    return words | {line.lower().split()[1] for line in known.stdout.splitlines()
                    if re.match(r" *\d+ \S+ +(TCP|UDP) ", line)}


def unpack(packed):
    """The zstd frames in `packed`, unpacked, and what stands around them."""
    frames, around, at = [], b"", 0
    while True:
        begin = packed.find(ZSTD_MAGIC, at)
        if begin < 0:
            return frames, around + packed[at:]
        around += packed[at:begin]
        rest = packed[begin:]
        size = ZSTD.ZSTD_findFrameCompressedSize(rest, ctypes.c_size_t(len(rest)))
        got = ZSTD.ZSTD_decompress(ROOM, ctypes.c_size_t(FRAME_MAX), rest, ctypes.c_size_t(size)) \
            if size <= len(rest) else FRAME_MAX + 1
        if got > FRAME_MAX:  # no frame, or one that is not whole
            around, at = around + rest[:4], begin + 4
            continue
        frames.append(ctypes.string_at(ROOM, got))
        at = begin + size


def pack(raw):
    size = ZSTD.ZSTD_compressBound(ctypes.c_size_t(len(raw)))
    room = ctypes.create_string_buffer(size)
    got = ZSTD.ZSTD_compress(room, ctypes.c_size_t(size), raw, ctypes.c_size_t(len(raw)), 1)
    return ctypes.string_at(room, got)


def varint(data, at):
    value = shift = 0
    while at < len(data) and shift < 64:
        value |= (data[at] & 127) << shift
        at += 1
        if not data[at - 1] & 128:
            return value, at
        shift += 7
    raise ValueError("no varint")


def fields(data):
    """(number, wire type, value) of a protobuf message; ValueError when it is none."""
    at, out = 0, []
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        if key >> 3 == 0:
            raise ValueError("field 0")
        if wire == 0:
            value, at = varint(data, at)
        else:
            size = {1: 8, 5: 4}.get(wire)
            if wire == 2:
                size, at = varint(data, at)
            if size is None or at + size > len(data):
                raise ValueError("no field")
            value, at = data[at:at + size], at + size
        out.append((key >> 3, wire, value))
    return out


def messages(raw):
    """The delimited messages of a block, or nothing when it is none."""
    at, out = 0, []
    try:
        while at < len(raw):
            size, at = varint(raw, at)
            out.append(fields(raw[at:at + size]))
            at += size
    except ValueError:
        return []
    return out


class Finder:
    """macs, ips: octets; names: octets, too. allowed: words (registrable domains, say) in which a
    name may stand."""

    def __init__(self, macs, ips, names, allowed=(), public=frozenset()):
        self.macs = set(macs)
        self.ips = set(ips)
        phrases = "\n".join(public)
        self.allowed = {word.lower() for word in allowed}
        self.tails = {ip[8:] for ip in self.ips if len(ip) == 16 and len(set(ip[8:])) >= 5}
        self.tails |= {bytes([m[0] ^ 2]) + m[1:3] + b"\xff\xfe" + m[3:] for m in self.macs
                       if len(set(m)) >= 3}
        self.v4 = {ip for ip in self.ips if len(ip) == 4}
        numbers = {int.from_bytes(ip, order) for ip in self.v4 for order in ("big", "little")}
        self.v4_numbers = {number for number in numbers if number >= 1 << 24}
        self.names, self.wholes = {}, set()
        for octets in names:
            text = octets.decode("utf-8", "surrogateescape").lower()
            if len(text) < 3 or text in self.allowed or text in public:
                continue
            if text in phrases or not re.search("[^0-9.]", text):
                self.wholes.add(text)
            else:
                self.names[text] = octets
        self.mac_texts = [(m, re.compile("[:.-]?".join(m.hex(" ").split()))) for m in self.macs]
        self.mac_tails = [(m, self.tail_text(m[3:].hex())) for m in self.macs]

    @staticmethod
    def tail_text(tail):
        pairs = tail[:2], tail[2:4], tail[4:]
        if tail.isdigit():
            return re.compile("(?<![0-9a-f-])" + "-".join(pairs) + "(?![0-9a-f-])")
        return re.compile("(?<![0-9a-f])(?:" + "[:-]".join(pairs) + "|" + tail + ")(?![0-9a-f])")

    # ---- text

    def in_text(self, text):
        lower = text.lower()
        found = [f"MAC {m.hex(':')}" for m, form in self.mac_texts if form.search(lower)]
        found += [f"end of MAC {m.hex(':')}" for m, form in self.mac_tails if form.search(lower)]
        found += self.addresses(lower)
        found += [f"name {name!r}" for name in self.names if self.has_name(lower, name)]
        return found

    def in_log(self, text):
        """Lines to the operator: there every word counts, also those that everybody may say."""
        lines = "\n".join(x for x in text.lower().splitlines() if x.startswith("weir: "))
        return self.in_text(text) + [
            f"name {name!r}" for name in self.wholes
            if re.search("(?<![a-z0-9])" + re.escape(name) + "(?![a-z0-9])", lines)]

    def addresses(self, lower):
        found = []
        for a, _, b, c, d in V4.findall(lower):
            octets = [int(x) for x in (a, b, c, d)]
            if max(octets) < 256 and {bytes(octets), bytes(reversed(octets))} & self.v4:
                found.append(f"IPv4 {'.'.join(map(str, octets))}")
        for digits in HEX8.findall(lower):
            octets = bytes.fromhex(digits)
            if not digits.isdigit() and {octets, octets[::-1]} & self.v4:
                found.append(f"IPv4 as hex {digits}")
        found += [f"IPv4 as number {n}" for n in NUMBER.findall(lower) if int(n) in self.v4_numbers]
        for token in V6.findall(lower):
            octets = self.parse6(token)
            if octets in self.ips or octets[8:] in self.tails or octets[12:] in self.v4 and \
                    octets[:12] == bytes(10) + b"\xff\xff":
                found.append(f"IPv6 {token}")
        for ip in self.ips:
            if len(ip) == 16 and (ip.hex() in lower or ".".join(reversed(ip.hex())) in lower):
                found.append(f"IPv6 as hex {ip.hex()}")
        return found

    @staticmethod
    def parse6(token):
        try:
            return ipaddress.IPv6Address(token).packed
        except ValueError:
            return b""

    def has_name(self, lower, name):
        at = lower.find(name)
        while at >= 0:
            end = at + len(name)
            around = lower[at - 1:at] + lower[end:end + 1]
            word = WORD.match(lower, self.word_begin(lower, at))
            if not (word and word.end() >= end and word[0].strip(".-_") in self.allowed) and (
                    len(name) >= 6 or not re.search("[a-z0-9]", around)):
                return True
            at = lower.find(name, at + 1)
        return False

    @staticmethod
    def word_begin(lower, at):
        while at > 0 and WORD.match(lower[at - 1]):
            at -= 1
        return at

    def in_whole(self, value):
        return [f"name {value!r}, whole"] if value.lower() in self.wholes else []

    def in_json(self, text):
        """Rows as JSON lines: the text, and each value behind its escapes."""
        found = self.in_text(text)
        for line in text.splitlines():
            strings = []
            collect(json.loads(line), strings)
            plain = "\n".join(strings)
            found += self.in_text(plain) if plain not in text else []
            found += self.in_text(unescape(plain)) if "\\" in plain else []
            for value in strings:
                found += self.in_whole(value)
        return found

    # ---- octets

    def in_octets(self, data, v4=False):
        """Anywhere in octets; IPv4 only when asked."""
        found = [f"MAC {m.hex(':')} as octets" for m in self.macs
                 if m.count(0) < 4 and (m in data or m[::-1] in data)]
        for ip in self.ips:
            if (v4 and ip.count(0) < 2 or len(ip) == 16) and (ip in data or ip[::-1] in data):
                found.append(f"address {ipaddress.ip_address(ip)} as octets")
        found += [f"interface identifier {t.hex()} as octets" for t in self.tails if t in data]
        for name, octets in self.names.items():
            forms = [octets, wire(octets), name.encode("utf-16-le", "surrogatepass")]
            if len(octets) >= 6 and any(form in data for form in forms):
                found.append(f"name {name!r} as octets")
        return found

    def in_message(self, message):
        found = []
        for number, kind, value in message:
            if kind == 0:
                hit = value in self.v4_numbers
            elif kind == 2:
                hit = False
                found += self.in_value(value)
            else:
                parts = [value[i:i + 4] for i in range(0, len(value), 4)]
                hit = any({part, part[::-1]} & self.v4 for part in parts)
            if hit:
                found.append(f"IPv4 as the number of field {number}")
        return found

    def in_value(self, value):
        found = []
        if {value, value[::-1]} & (self.v4 | self.macs):
            found.append(f"address {value.hex()} as a whole field")
        text = printable(value)
        if text is not None:
            return found + self.in_text(text) + self.in_text(unescape(text)) + self.in_whole(text)
        try:
            return found + self.in_message(fields(value))
        except ValueError:
            return found + self.in_octets(value, v4=True)

    def in_segment(self, packed):
        """A segment file: its head and footer, its blocks, each row of them, each field."""
        blocks, around = unpack(packed)
        found = self.in_octets(around, v4=True)
        found += self.in_text(around.decode("latin-1"))
        for block in blocks:
            found += self.in_octets(block)
            rows = messages(block)
            for row in rows:
                found += self.in_message(row)
            if not rows:
                found += self.in_text(block.decode("utf-8", "replace"))
        return found


def collect(value, strings):
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, str):
        strings.append(value)
    elif not isinstance(value, (int, float)) and value is not None:
        for inner in value:
            collect(inner, strings)


def unescape(text):
    """Weir's escapes: \\xHH for an octet, \\\\ for a backslash."""
    octets = re.sub(rb"\\(x([0-9a-fA-F]{2})|\\)", lambda m: bytes.fromhex(m[2].decode()) if m[2]
                    else b"\\", text.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "surrogateescape")


def printable(value):
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def wire(name):
    return b"".join(bytes([len(label) & 255]) + label for label in name.split(b"."))
