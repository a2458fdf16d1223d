#!/usr/bin/env python3
"""Two switches joined by a trunk: frames from an access port cross the trunk with VLAN tags, and leave without.

  vlan_switch.py PORT0 TRUNK0 TRUNK1 PORT1 TPID:ID...     outer tag first, e.g. 88a8:500 8100:77

PORT0 <-> TRUNK0 == TRUNK1 <-> PORT1. Raw sockets, so the kernel needs no VLAN devices.
"""
import select
import socket
import struct
import sys

ETH_P_ALL = 3
SOL_PACKET, PACKET_AUXDATA, PACKET_OUTGOING = 263, 8, 4
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 0x10, 0x40


def raw(device):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    s.bind((device, 0))
    return s


def receive(s):
    """A frame with all its tags: the kernel hands the outer one over beside the frame."""
    frame, extra, _, where = s.recvmsg(65535, 256)
    if where[2] == PACKET_OUTGOING:
        return None
    for level, kind, data in extra:
        if level != SOL_PACKET or kind != PACKET_AUXDATA:
            continue
        status, _, _, _, _, tci, tpid = struct.unpack("=IIIHHHH", data[:20])
        if status & TP_STATUS_VLAN_VALID:
            tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
            frame = frame[:12] + struct.pack(">HH", tpid, tci) + frame[12:]
    return frame


def main():
    if len(sys.argv) < 6:
        sys.exit(__doc__)
    port0, trunk0, trunk1, port1 = (raw(d) for d in sys.argv[1:5])
    pairs = [w.split(":") for w in sys.argv[5:]]
    tags = b"".join(struct.pack(">HH", int(tpid, 16), int(vid)) for tpid, vid in pairs)
    tagged = {port0: trunk0, port1: trunk1}
    plain = {trunk0: port0, trunk1: port1}
    while True:
        for s in select.select([port0, trunk0, trunk1, port1], [], [])[0]:
            frame = receive(s)
            if frame is None:
                continue
            if s in tagged:
                tagged[s].send(frame[:12] + tags + frame[12:])
            elif frame[12 : 12 + len(tags)] == tags:
                plain[s].send(frame[:12] + frame[12 + len(tags) :])


if __name__ == "__main__":
    main()
