"""send.py INTERFACE TIMES: sends the frames on standard input, each behind two octets of length."""

import socket
import sys

data, frames = sys.stdin.buffer.read(), []
while data:
    length = int.from_bytes(data[:2], "big")
    frames.append(data[2:2 + length])
    data = data[2 + length:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
    wire.bind((sys.argv[1], 0))
    for _ in range(int(sys.argv[2])):
        for frame in frames:
            wire.send(frame)
