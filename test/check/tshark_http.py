"""What tshark makes of a capture, for test/check/zmq: bodies of HTTP/1, messages of HTTP/2, TCP streams. By reassembly and decoding of
its own, which knows nothing of ours."""
import glob
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections import Counter, defaultdict

STREAMS_MAX = 40  # of a capture: tshark goes through all packets for each
OPTIONS = ["-o", "tcp.reassemble_out_of_order:TRUE"]


def _output(*arguments, timeout=300):
    return subprocess.run(["tshark", "-n", *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=timeout).stdout


def digest(body):
    return hashlib.sha1(body).hexdigest()[:16]


def http1_bodies(pcap):
    """Counter of digests of the bodies that it exports: without chunks, with content codings undone. Without empty ones."""
    folder = tempfile.mkdtemp(prefix="shrike-objects-")
    try:
        _output(*OPTIONS, "-q", "-r", pcap, "--export-objects", f"http,{folder}")
        out = Counter()
        for path in glob.glob(os.path.join(folder, "*")):
            with open(path, "rb") as f:
                body = f.read()
            if body:
                out[digest(body)] += 1
        return out
    finally:
        shutil.rmtree(folder)


# ---- HTTP/2


def _list(value):
    return value if isinstance(value, list) else [] if value is None else [value]


def _frames(packet):
    for layer in _list(packet["_source"]["layers"].get("http2")):
        if isinstance(layer, dict):
            yield from (f for f in _list(layer.get("http2.stream")) if isinstance(f, dict))


def _headers(frame):
    return tuple((h["http2.header.name"], h.get("http2.header.value", "")) for h in _list(frame.get("http2.header")))


def http2_messages(pcap, *ports):
    """Counter of (stream, headers, digest of the body, whether it has ended). On 'ports' it would not expect HTTP/2."""
    text = _output(*OPTIONS, *(f"-dtcp.port=={port},http2" for port in ports), "-r", pcap, "-Y", "http2", "-T", "json", "--no-duplicate-keys", "-J", "tcp http2")
    begun, out = {}, Counter()

    def end(who, is_whole):
        stream, headers, body = begun.pop(who)
        out[(stream, headers, digest(bytes(body)), is_whole)] += 1

    for packet in json.loads(text or b"[]"):
        tcp = packet["_source"]["layers"]["tcp"]
        for frame in _frames(packet):
            kind, stream, flags = int(frame.get("http2.type", -1)), int(frame.get("http2.streamid", 0)), int(frame.get("http2.flags", "0"), 0)
            who = (tcp["tcp.stream"], stream, tcp["tcp.srcport"])
            headers = _headers(frame)
            if kind == 5 and headers:
                out[(int(frame["http2.push_promise.promised_stream_id"]), headers, digest(b""), True)] += 1
                continue
            if kind in (1, 9) and headers:
                if who in begun:  # trailers
                    begun[who] = (stream, begun[who][1] + headers, begun[who][2])
                else:
                    begun[who] = (stream, headers, bytearray())
                    status = dict(headers).get(":status", "")
                    if status.startswith("1"):
                        end(who, True)
                        continue
            if kind == 0 and who in begun:
                if "http2.body.fragments" in frame:  # the last one has all of them
                    begun[who][2].clear()
                begun[who][2].extend(bytes.fromhex("".join(_list(frame.get("http2.data.data"))).replace(":", "")))
            if kind in (0, 1) and flags & 1 and who in begun:
                end(who, True)
            if kind == 3:
                for direction in [w for w in begun if w[:2] == who[:2]]:
                    end(direction, False)
    for who in list(begun):
        end(who, False)
    return out


# ---- TCP

_MISSING = re.compile(rb"\[(\d+) bytes missing in capture file\]\0*")


def missing(n):
    """As it tells of a gap."""
    return b"[%d bytes missing in capture file]" % n


def tcp_streams(pcap):
    """{(from, to): bytes} with from and to like "10.0.0.1:80"; None: none, or more than STREAMS_MAX."""
    numbers = sorted({int(n) for n in _output("-r", pcap, "-Y", "tcp", "-T", "fields", "-e", "tcp.stream").replace(b",", b" ").split()})
    if not numbers or len(numbers) > STREAMS_MAX:
        return None
    text = _output("-q", "-r", pcap, *(word for n in numbers for word in ("-z", f"follow,tcp,raw,{n}"))).decode()
    out = defaultdict(bytes)
    for block in reversed(re.split(r"^=+\nFollow: tcp,raw\n", text, flags=re.M)[1:]):  # the last one comes first
        nodes = re.findall(r"^Node [01]: (.*)$", block, re.M)
        for line in block.split("\n")[3:]:
            if line.startswith("="):
                break
            side = 1 if line.startswith("\t") else 0
            out[(nodes[side], nodes[1 - side])] += bytes.fromhex(line.strip())
    return {who: _MISSING.sub(lambda m: missing(int(m[1])), said) for who, said in out.items() if said}
