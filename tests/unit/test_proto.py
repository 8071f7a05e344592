#!/usr/bin/python3
# Reads rows with the official protobuf library and the generated weir.proto, and compares every
# field with weir's own JSON of the same row: test_proto.py PRINT_ROWS WEIR_PROTO
import importlib
import json
import os
import ipaddress
import subprocess
import sys
import tempfile
from datetime import datetime, timezone


def time_text(ns):
    when = datetime.fromtimestamp(ns // 10**9, timezone.utc)
    return when.strftime("%Y-%m-%dT%H:%M:%S") + ".%09dZ" % (ns % 10**9)


def plain(value, field, descriptor):
    """A protobuf value as JSON should have it, by the field's type in the schema."""
    kind = field["type"]
    if kind == "time_ns":
        return time_text(value)
    if kind == "time_s":
        return time_text(value * 10**9)
    if kind == "id64":
        return "%016x" % value
    if kind == "enum":
        names = descriptor.enum_type
        prefix = names.values_by_number[0].name[: -len("UNSET")]
        return names.values_by_number[value].name[len(prefix):].lower()
    if kind == "bits":
        return [name for bit, name in enumerate(field["values"]) if value >> bit & 1]
    if kind == "mac":
        return ":".join("%02x" % octet for octet in value)
    if kind in ("address", "address_end"):
        return str(ipaddress.ip_address(value))
    if kind in ("key", "bytes"):
        return value.hex()
    return value


def as_json(message, fields):
    found = {}
    by_number = {field["number"]: field for field in fields}
    for descriptor, value in message.ListFields():
        field = by_number[descriptor.number]
        assert descriptor.name == field["name"], descriptor.name
        if field["type"] == "list":
            found[field["name"]] = [as_json(entry, field["fields"]) for entry in value]
        elif field["type"] == "message":
            found[field["name"]] = as_json(value, field["fields"])
        elif field["type"] == "strings":
            found[field["name"]] = list(value)
        else:
            found[field["name"]] = plain(value, field, descriptor)
    return found


def load(proto):
    out = tempfile.TemporaryDirectory()
    subprocess.run(
        ["protoc", "--proto_path=" + os.path.dirname(proto), "--python_out=" + out.name,
         os.path.basename(proto)], check=True)
    sys.path.insert(0, out.name)
    return importlib.import_module("weir_pb2"), out


def main():
    print_rows, proto = sys.argv[1:]
    weir, _directory = load(proto)
    lines = subprocess.run([print_rows], check=True, stdout=subprocess.PIPE).stdout
    schema, *rows = lines.decode().splitlines()
    records = {record["record"]: record for record in json.loads(schema)["records"]}
    uncovered = {}
    for name, record in records.items():
        uncovered[name] = {field["name"] for field in record["fields"] if field["collected"]}
    assert len(rows) == 5, rows
    for row in rows:
        name, octets, text = row.split("\t")
        message = getattr(weir, records[name]["message"])()
        message.ParseFromString(bytes.fromhex(octets))
        expected = {"record": name, **as_json(message, records[name]["fields"])}
        actual = json.loads(text)
        assert actual == expected, f"{name}: {actual} is not {expected}"
        assert list(actual)[0] == "record"
        assert message.SerializeToString() == bytes.fromhex(octets), name
        uncovered[name] -= set(actual)
    # Every field that this version fills was in one of the rows.
    del uncovered["erasure"]
    assert not any(uncovered.values()), uncovered
    print(len(rows), "rows read")


if __name__ == "__main__":
    main()
