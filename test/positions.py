#!/usr/bin/env python3
"""Reads every position of every record back from the file that it names, and holds the packet against the record and the input.

  positions.py INPUT... --records FILE [--files FILE] [--raw]

INPUT     the captures that were replayed
--records session records, JSON lines
--files   the files documents, JSON lines with num and name; without it, positions are in the one INPUT (dry run)
--raw     positions are not gap coded (gapPacketPos=false)

For each record: every position is the start of a packet in the named file; that packet is one of the input's, byte for byte, with its
time and wire length, and no other record has it; its five-tuple is the record's; there are network.packets of them, with
network.bytes bytes; the last one's time is lastPacket. Fragments make exceptions: in place the position is that of the one that completed
the datagram, copied it is the whole datagram, with that one's time. Prints a line of counts; exit status 1 when something was wrong.
"""
import argparse
import collections
import ipaddress
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "check"))
import captures  # noqa: E402
import harness  # noqa: E402


def record_tuple(record):
    try:
        ends = [(ipaddress.ip_address(record[s]["ip"]).packed, record[s]["port"]) for s in ("source", "destination")]
    except KeyError:
        return None
    return record.get("ipProtocol"), frozenset(ends)


class Checker:
    def __init__(self, inputs, names, gap_coded=True):
        """names: {file number: path}; the number None is the one input of a dry run."""
        self.names, self.gap_coded = names, gap_coded
        self.index = {}
        self.problems, self.packets, self.tuples = [], 0, 0
        self.input = collections.Counter()
        for path in inputs:
            self.input.update(p.content() for p in captures.read(path))
        self.known = set(self.input)
        self.fragment_times = {p.time_ns for path in inputs for p in captures.read(path) if captures.may_be_fragment(p)}

    def packets_of(self, path):
        if path not in self.index:
            self.index[path] = {p.position: p for p in captures.read(path)}
        return self.index[path]

    def wrong(self, record, what):
        ends = [record.get(s, {}) for s in ("source", "destination")]
        self.problems.append(f"{ends[0].get('ip')}:{ends[0].get('port')} > {ends[1].get('ip')}:{ends[1].get('port')} at "
                             f"{record.get('firstPacket')}: {what}")

    def check(self, record):
        places = harness.positions(record) if self.gap_coded else harness.raw_positions(record)
        found = []
        for number, position in places:
            path = self.names.get(number)
            if path is None:
                return self.wrong(record, f"file {number} has no files document")
            packet = self.packets_of(path).get(position)
            if packet is None:
                return self.wrong(record, f"no packet begins at {position} of {path}")
            found.append(packet)
        self.check_packets(record, found)

    def check_packets(self, record, found):
        self.packets += len(found)
        for packet in found:
            if packet.content() not in self.known and packet.time_ns in self.fragment_times:
                self.fragment_times.remove(packet.time_ns)
                continue
            if self.input[packet.content()] <= 0:
                return self.wrong(record, f"the packet at {packet.position} is none of the input's, or another record has it too")
            self.input[packet.content()] -= 1
            ours, theirs = captures.five_tuple(packet), record_tuple(record)
            if plain(record) and ours is not None and theirs is not None:
                self.tuples += 1
                if ours != theirs:
                    return self.wrong(record, f"the packet at {packet.position} belongs to another session")
        if len(found) != record["network"]["packets"]:
            return self.wrong(record, f"{len(found)} positions for {record['network']['packets']} packets")
        size = sum(len(p.frame) for p in found)
        in_place = any(captures.may_be_fragment(p) and p.content() in self.known for p in found)
        if plain(record) and not in_place and size != record["network"]["bytes"]:
            return self.wrong(record, f"{size} bytes at the positions, {record['network']['bytes']} in the record")
        if found and milliseconds(found[-1]) != record["lastPacket"]:
            return self.wrong(record, f"the last position is from {milliseconds(found[-1])}, lastPacket {record['lastPacket']}")
        if found and record.get("segmentCnt", 1) == 1 and milliseconds(found[0]) != record["firstPacket"]:
            return self.wrong(record, f"the first position is from {milliseconds(found[0])}, firstPacket {record['firstPacket']}")

    def left(self):
        """Packets of the input that no record has."""
        return sum(self.input.values())


def milliseconds(packet):
    """As documents have it: the first ten seconds of 1970 are written ten seconds later, as by the reference."""
    ms = packet.time_ns // 1000000
    return ms + 10000 if ms < 10000 else ms


DHCP_PORTS = {67, 68, 546, 547}


def plain(record):
    """Its packets are as they were captured (no tunnel, no fragments put together), and a session is a five-tuple; DHCP's is a client
    and its server, whatever addresses they use."""
    ports = {record.get(side, {}).get("port") for side in ("source", "destination")}
    return (record.get("ipProtocol") in (6, 17, 132) and "srcOuterIp" not in record and "srcOuterMac" not in record
            and not (record["ipProtocol"] == 17 and ports & DHCP_PORTS))


def load_files(path):
    with open(path) as f:
        rows = [json.loads(line) for line in f if line.strip()]
    return {row["num"]: row["name"] for row in rows}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("input", nargs="+")
    ap.add_argument("--records", required=True)
    ap.add_argument("--files")
    ap.add_argument("--raw", action="store_true")
    args = ap.parse_args()
    names = load_files(args.files) if args.files else {None: args.input[0]}
    checker = Checker(args.input, names, gap_coded=not args.raw)
    with open(args.records) as f:
        records = [json.loads(line) for line in f if line.strip()]
    for record in records:
        checker.check(record)
    for problem in checker.problems[:20]:
        print(problem)
    print(f"{len(records)} records, {checker.packets} positions read back, {checker.tuples} five-tuples compared, "
          f"{checker.left()} packets of the input in no record, {len(checker.problems)} wrong")
    sys.exit(1 if checker.problems or not checker.packets else 0)


if __name__ == "__main__":
    main()
