#!/usr/bin/env python3
"""Holds our session records of a capture against tshark, which knows nothing of us: packets and captured bytes of every TCP, UDP
and SCTP conversation.

  check-with-tshark.py CAPTURE...

Prints one line a capture. Exit status 1 when a conversation differs.
"""
import collections
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "check"))
import harness  # noqa: E402

FIELDS = ["frame.cap_len", "frame.len", "ip.proto", "ipv6.nxt", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport",
          "udp.srcport", "udp.dstport", "sctp.srcport", "sctp.dstport"]
PORTS = {"6": "tcp", "17": "udp", "132": "sctp"}


def conversation(protocol, a, b):
    return (int(protocol), *sorted((a, b)))


def of_tshark(path):
    """{conversation: [packets, bytes]}; of the outermost layer, so an ICMP error is not the datagram that it quotes."""
    if path.endswith(".zst"):
        handle, plain = tempfile.mkstemp(suffix=".pcap")
        os.close(handle)
        subprocess.run(["zstd", "-qdf", path, "-o", plain], check=True)
        try:
            return of_tshark(plain)
        finally:
            os.unlink(plain)
    command = ["tshark", "-n", "-r", path, "-T", "fields", "-E", "occurrence=f", "-E", "separator=|"]
    for field in FIELDS:
        command += ["-e", field]
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
    found = collections.defaultdict(lambda: [0, 0])
    for line in out.splitlines():
        row = dict(zip(FIELDS, line.split("|")))
        protocol = row["ip.proto"] or row["ipv6.nxt"]
        # Packets cut by a snap length are refused as the reference does (readTruncatedPackets=false).
        if protocol not in PORTS or row["frame.cap_len"] != row["frame.len"]:
            continue
        kind = PORTS[protocol]
        source, destination = row["ip.src"] or row["ipv6.src"], row["ip.dst"] or row["ipv6.dst"]
        if not row[kind + ".srcport"]:
            continue
        key = conversation(protocol, (source, int(row[kind + ".srcport"])), (destination, int(row[kind + ".dstport"])))
        found[key][0] += 1
        found[key][1] += int(row["frame.cap_len"])
    return dict(found)


def of_ours(path):
    result = harness.replay(path)
    problem = result.problem((0, 4))
    if problem:
        sys.exit(f"{path}: {problem}")
    found = collections.defaultdict(lambda: [0, 0])
    for r in result.records():
        if str(r.get("ipProtocol")) not in PORTS:
            continue
        ends = [(r[side]["ip"], r[side]["port"]) for side in ("source", "destination")]
        entry = found[conversation(r["ipProtocol"], *ends)]
        entry[0] += r["network"]["packets"]
        entry[1] += r["network"]["bytes"]
    return dict(found)


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    wrong = 0
    for path in sys.argv[1:]:
        theirs, ours = of_tshark(path), of_ours(path)
        for key in sorted(theirs.keys() | ours.keys(), key=str):
            if theirs.get(key) != ours.get(key):
                print(f"{path}: {key}: tshark [packets, bytes] {theirs.get(key)}, ours {ours.get(key)}")
                wrong += 1
        print(f"tshark agrees on {len(theirs)} conversations" if not wrong else f"{path}: {wrong} conversations differ")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
