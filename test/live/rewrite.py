#!/usr/bin/env python3
"""Writes a capture in another form.

  rewrite.py big-endian IN OUT                  classic pcap in the other byte order
  rewrite.py pcapng-big-endian IN OUT           pcapng in the other byte order
  rewrite.py stretch IN OUT --rest S --seconds N   every pause longer than S seconds becomes N seconds longer

IN is a classic little-endian pcap with microseconds.
"""
import argparse
import struct


def read(path):
    with open(path, "rb") as f:
        data = f.read()
    magic, _, _, _, _, snap, link = struct.unpack_from("<IHHiIII", data)
    if magic != 0xA1B2C3D4:
        raise SystemExit(f"{path}: no little-endian pcap with microseconds")
    packets, at = [], 24
    while at + 16 <= len(data):
        sec, usec, captured, wire = struct.unpack_from("<IIII", data, at)
        packets.append((sec, usec, wire, data[at + 16 : at + 16 + captured]))
        at += 16 + captured
    return snap, link, packets


def write_pcap(path, order, snap, link, packets):
    with open(path, "wb") as f:
        f.write(struct.pack(order + "IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, snap, link))
        for sec, usec, wire, frame in packets:
            f.write(struct.pack(order + "IIII", sec, usec, len(frame), wire) + frame)


def block(kind, body):
    body += bytes(-len(body) % 4)
    size = struct.pack(">I", len(body) + 12)
    return struct.pack(">I", kind) + size + body + size


def write_pcapng_big_endian(path, snap, link, packets):
    with open(path, "wb") as f:
        f.write(block(0x0A0D0D0A, struct.pack(">IHHq", 0x1A2B3C4D, 1, 0, -1)))
        f.write(block(1, struct.pack(">HHI", link, 0, snap)))
        for sec, usec, wire, frame in packets:
            us = sec * 1000000 + usec
            f.write(block(6, struct.pack(">IIIII", 0, us >> 32, us & 0xFFFFFFFF, len(frame), wire) + frame))


def stretch(packets, rest, seconds):
    out, added, before = [], 0, None
    for sec, usec, wire, frame in packets:
        now = sec + usec / 1e6
        if before is not None and now - before > rest:
            added += seconds
        before = now
        out.append((sec + added, usec, wire, frame))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("kind", choices=["big-endian", "pcapng-big-endian", "stretch"])
    ap.add_argument("input")
    ap.add_argument("output")
    ap.add_argument("--rest", type=float, default=1.0)
    ap.add_argument("--seconds", type=int, default=600)
    args = ap.parse_args()
    snap, link, packets = read(args.input)
    if args.kind == "big-endian":
        write_pcap(args.output, ">", snap, link, packets)
    elif args.kind == "pcapng-big-endian":
        write_pcapng_big_endian(args.output, snap, link, packets)
    else:
        write_pcap(args.output, "<", snap, link, stretch(packets, args.rest, args.seconds))


if __name__ == "__main__":
    main()
