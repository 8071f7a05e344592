"""send.py INTERFACE TIMES: sends the frames on standard input, each behind two octets of length."""

import socket
import sys

data, frames, at = sys.stdin.buffer.read(), [], 0
while at < len(data):
    length = int.from_bytes(data[at:at + 2], "big")
    frames.append(data[at + 2:at + 2 + length])
    at += 2 + length
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind((sys.argv[1], 0))
    for _ in range(int(sys.argv[2])):
        for frame in frames:
            wire.send(frame)
