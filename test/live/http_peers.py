#!/usr/bin/env python3
"""The peers of test/pcap/http-messages.pcap: HTTP messages of every shape (RFC 9112), and a list of what was said.

  http_peers.py server PORT FILE    until it is killed; FILE gets a line of JSON for each message that it read or sent: whether it
                                    is a request, its start line, length and SHA-1 of its body as it was before any coding
                                    of transfer was put on, and whether it is whole
  http_peers.py client HOST PORT    what curl does not do: pipelining, both directions at once, WebSocket, messages cut short
"""
import gzip
import hashlib
import json
import socket
import sys
import threading
import time

LOCK = threading.Lock()


# ---- what was said


def tell(path, kind, line, body, whole=True):
    with LOCK, open(path, "a") as f:
        f.write(json.dumps({"type": kind, "startLine": line, "bytes": len(body), "sha1": hashlib.sha1(body).hexdigest(), "complete": whole}) + "\n")


def text(n):
    return b"".join(b"line %d\n" % i for i in range(n))


def chunks(body, *sizes):
    """With extensions of every other chunk (RFC 9112 7.1.1)."""
    out, at, i = b"", 0, 0
    while at < len(body):
        size = min(sizes[i % len(sizes)], len(body) - at)
        out += b"%x%s\r\n%s\r\n" % (size, b";ext=\"a;b\"" if i % 2 else b"", body[at : at + size])
        at += size
        i += 1
    return out


# ---- the server


class Reader:
    def __init__(self, peer):
        self.peer, self.left = peer, b""

    def more(self):
        data = self.peer.recv(4096)
        if not data:
            raise EOFError
        self.left += data

    def until(self, mark):
        while mark not in self.left:
            self.more()
        out, _, self.left = self.left.partition(mark)
        return out

    def take(self, n):
        while len(self.left) < n:
            self.more()
        out, self.left = self.left[:n], self.left[n:]
        return out

    def chunked(self):
        body = b""
        while size := int(self.until(b"\r\n").split(b";")[0], 16):
            body += self.take(size)
            self.take(2)
        while self.until(b"\r\n"):  # trailers
            pass
        return body


def relay(a, b):
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def connect_to(peer, target):
    host, _, port = target.rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=10) as there:
        back = threading.Thread(target=relay, args=(there, peer))
        back.start()
        relay(peer, there)
        back.join()


def websocket(peer, reader):
    """One frame of each direction, of which the text looks like HTTP (RFC 6455 5.2)."""
    reader.take(2 + 4 + 35)
    said = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nno!"
    peer.sendall(bytes([0x81, len(said)]) + said)
    reader.take(2 + 4)  # close
    peer.sendall(b"\x88\x00")


def talk(peer, log):
    reader = Reader(peer)

    def answer(line, headers, body=b"", sent=None, whole=True):
        """'sent' is the body as it goes out, for those of which that is not the body."""
        peer.sendall((line + "\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n").encode() + (body if sent is None else sent))
        tell(log, "response", line, body, whole)

    while True:
        head = reader.until(b"\r\n\r\n").decode().split("\r\n")
        line, headers = head[0], {k.lower(): v.strip() for k, v in (h.split(":", 1) for h in head[1:])}
        method, target, _ = line.split(" ")
        if headers.get("expect") == "100-continue":
            answer("HTTP/1.1 100 Continue", [])
        body = b""
        if "chunked" in headers.get("transfer-encoding", ""):
            body = reader.chunked()
        elif "content-length" in headers:
            body = reader.take(int(headers["content-length"]))
        tell(log, "request", line, body)
        path = "/" + target.split("//")[-1].partition("/")[2].split("?")[0]
        ok = "HTTP/1.1 200 OK"
        if method == "CONNECT" and "proxy-authorization" not in headers:
            answer("HTTP/1.1 407 Who are you", ['Proxy-Authenticate: Basic realm="x"', "Content-Length: 5"], b"name?")
        elif method == "CONNECT":
            answer("HTTP/1.1 200 Connected", ["Content-Length: 7"])  # that says nothing (RFC 9110 9.3.6)
            connect_to(peer, target)
            return
        elif method == "HEAD":
            answer(ok, ["Content-Length: 1000"])
        elif path == "/chunked":
            said = text(40)
            answer(ok, ["Transfer-Encoding: chunked", "Trailer: X-Sum"], said, chunks(said, 7, 100, 1, 64) + b"0;last\r\nX-Sum: 1\r\nX-More: 2\r\n\r\n")
        elif path == "/gzip":
            said = gzip.compress(text(500), mtime=0)
            answer(ok, ["Content-Encoding: gzip", "Transfer-Encoding: chunked"], said, chunks(said, 100, 333) + b"0\r\n\r\n")
        elif path == "/slow":
            said = text(30)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said))
            for at in range(0, len(said), 40):
                peer.sendall(said[at : at + 40])
                time.sleep(0.02)
            tell(log, "response", ok, said)
        elif path == "/hints":
            answer("HTTP/1.1 103 Early Hints", ["Link: </a>; rel=preload"])
            answer(ok, ["Content-Length: 5"], b"hints")
        elif path == "/not-modified":
            answer("HTTP/1.1 304 Not Modified", ["ETag: x", "Content-Length: 33"])
        elif path == "/none":
            answer("HTTP/1.1 204 No Content", [])
        elif path == "/echo":
            answer(ok, [f"Content-Length: {len(body)}"], body)
        elif path == "/websocket":
            answer("HTTP/1.1 101 Switching Protocols", ["Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Accept: x"])
            websocket(peer, reader)
            return
        elif path == "/close":
            answer("HTTP/1.0 200 OK", ["Connection: close"], text(20))
            return
        elif path == "/cut":
            said = text(3)
            answer(ok, ["Content-Length: 1000"], said, whole=False)
            return
        elif path == "/cut-chunk":
            said = text(4)
            answer(ok, ["Transfer-Encoding: chunked"], said[:25], chunks(said[:20], 10) + b"a\r\n" + said[20:25], whole=False)
            return
        else:
            answer("HTTP/1.1 404 Not Found", ["Content-Length: 4"], b"what")


def serve(port, log):
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind(("::", port))
    s.listen(16)

    def one(peer):
        with peer:
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                talk(peer, log)
            except (EOFError, OSError):
                pass

    while True:
        threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()


# ---- the client


def connect(host, port):
    s = socket.create_connection((host, port), timeout=10)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return s


def drain(s):
    while s.recv(65536):
        pass
    s.close()


def pipelined(host, port):
    """Eight requests in four segments that end anywhere; all answers come behind them."""
    body = text(9)
    said = b"GET /chunked HTTP/1.1\r\nHost: a\r\n\r\nHEAD /chunked HTTP/1.1\r\nHost: a\r\n\r\n"
    said += b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    said += b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks(body, 5, 30) + b"0\r\nX-Trailer: t\r\n\r\n"
    said += b"GET /not-modified HTTP/1.1\r\nHost: a\r\nIf-None-Match: x\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n"
    said += b"GET /hints HTTP/1.1\r\nHost: a\r\n\r\nGET /close HTTP/1.1\r\nHost: a\r\n\r\n"
    s = connect(host, port)
    for at in range(0, len(said), len(said) // 4 + 1):
        s.sendall(said[at : at + len(said) // 4 + 1])
        time.sleep(0.02)
    drain(s)


def at_once(host, port):
    """The second request's body while the first one's answer comes."""
    body = text(25)
    s = connect(host, port)
    s.sendall(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body))
    for at in range(0, len(body), 30):
        s.sendall(body[at : at + 30])
        time.sleep(0.02)
    s.sendall(b"GET /close HTTP/1.1\r\nHost: a\r\n\r\n")
    drain(s)


def websocket_client(host, port):
    s = connect(host, port)
    s.sendall(b"GET /websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
              b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    s.recv(4096)
    said = b"GET /inside HTTP/1.1\r\nHost: inside\r\n\r\n"[:35]
    s.sendall(bytes([0x81, 0x80 | len(said)]) + bytes(4) + said)  # the mask is zero: the bytes look as they are
    s.recv(4096)
    s.sendall(b"\x88\x80" + bytes(4))
    drain(s)


def cut(host, port):
    for path in (b"/cut", b"/cut-chunk"):
        s = connect(host, port)
        s.sendall(b"GET %s HTTP/1.1\r\nHost: a\r\n\r\n" % path)
        drain(s)


def main():
    if sys.argv[1:2] == ["server"] and len(sys.argv) == 4:
        serve(int(sys.argv[2]), sys.argv[3])
    elif sys.argv[1:2] == ["client"] and len(sys.argv) == 4:
        for act in (pipelined, at_once, websocket_client, cut):
            act(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
