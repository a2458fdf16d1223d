#!/usr/bin/env python3
"""The peers of the test captures that no common program is: servers, and clients that open and end connections in a given way.

  peers.py KIND [HOST] PORT...    see KINDS below; servers run until they are killed
"""
import socket
import struct
import sys
import threading
import time

LISTEN = "::"


def family(host):
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def server_socket(kind, port):
    s = socket.socket(socket.AF_INET6, kind)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    s.bind((LISTEN, port))
    return s


def serve(port, talk):
    s = server_socket(socket.SOCK_STREAM, port)
    s.listen(16)
    while True:
        peer, _ = s.accept()
        threading.Thread(target=talk, args=(peer,), daemon=True).start()


def echo(peer):
    with peer:
        try:
            while data := peer.recv(4096):
                peer.sendall(data)
        except OSError:
            pass


def hello(peer):
    """Says hello and closes first, so that the client's port is free at once."""
    peer.sendall(b"hello\r\n")
    peer.shutdown(socket.SHUT_WR)
    while peer.recv(4096):
        pass
    peer.close()


def udp_echo(port):
    s = server_socket(socket.SOCK_DGRAM, port)
    while True:
        data, peer = s.recvfrom(65535)
        s.sendto(data, peer)


def connect(host, port, source_port=0):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.settimeout(10)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if source_port:
        s.bind(("", source_port))
    s.connect((host, port))
    return s


def exchange(s, data):
    s.sendall(data)
    got = b""
    while len(got) < len(data):
        got += s.recv(4096)


def end(s):
    """FIN, and waits for the other side's."""
    s.shutdown(socket.SHUT_WR)
    while s.recv(4096):
        pass
    s.close()


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def tcp_close(host, port):
    s = connect(host, port)
    exchange(s, b"one\r\n")
    exchange(s, b"two\r\n" * 700)
    end(s)


def tcp_reset(host, port):
    s = connect(host, port)
    exchange(s, b"then a reset\r\n")
    reset(s)


def tcp_refused(host, port):
    try:
        connect(host, port)
    except ConnectionRefusedError:
        return
    sys.exit("somebody listens")


def tcp_urgent(host, port):
    s = connect(host, port)
    exchange(s, b"before ")
    s.send(b"!", socket.MSG_OOB)
    time.sleep(0.1)
    s.sendall(b"after")
    time.sleep(0.1)
    end(s)


def tcp_half_closed(host, port):
    """One side has ended, and never hears the other's end: no answer is read, the process goes."""
    s = connect(host, port)
    s.sendall(b"last words\r\n")
    s.shutdown(socket.SHUT_WR)
    time.sleep(0.2)
    reset(s)


def tcp_unanswered(host, port):
    s = socket.socket(family(host), socket.SOCK_STREAM)
    s.settimeout(3.5)
    try:
        s.connect((host, port))
    except TimeoutError:
        return
    sys.exit("somebody answers")


def tcp_port_reuse(host, port, closing_port):
    s = connect(host, port, 40001)
    exchange(s, b"first\r\n")
    reset(s)
    s = connect(host, port, 40001)
    exchange(s, b"second\r\n")
    reset(s)
    for _ in range(2):
        s = connect(host, closing_port, 40002)
        while s.recv(4096):
            pass
        s.close()
        time.sleep(0.2)


def tcp_rest(host, port):
    s = connect(host, port)
    exchange(s, b"before the rest\r\n")
    time.sleep(1)
    exchange(s, b"after the rest\r\n")
    end(s)


def udp_exchange(s, where, data):
    s.sendto(data, where)
    s.recvfrom(65535)


def udp_rest(host, port):
    s = socket.socket(family(host), socket.SOCK_DGRAM)
    s.settimeout(5)
    udp_exchange(s, (host, port), b"before the rest")
    time.sleep(1)
    udp_exchange(s, (host, port), b"after the rest")


def udp_many(host, port, flows):
    for i in range(flows):
        s = socket.socket(family(host), socket.SOCK_DGRAM)
        s.settimeout(5)
        s.bind(("", 20000 + i))
        udp_exchange(s, (host, port), b"flow %d" % i)
        s.close()


KINDS = {
    "tcp-echo": lambda port: serve(port, echo),
    "tcp-hello": lambda port: serve(port, hello),
    "udp-echo": udp_echo,
    "tcp-close": tcp_close,
    "tcp-reset": tcp_reset,
    "tcp-refused": tcp_refused,
    "tcp-urgent": tcp_urgent,
    "tcp-half-closed": tcp_half_closed,
    "tcp-unanswered": tcp_unanswered,
    "tcp-port-reuse": tcp_port_reuse,
    "tcp-rest": tcp_rest,
    "udp-rest": udp_rest,
    "udp-many": udp_many,
}


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in KINDS:
        sys.exit(__doc__ + "\nKINDS: " + " ".join(KINDS))
    words = sys.argv[2:]
    KINDS[sys.argv[1]](*[int(w) if w.isdigit() else w for w in words])


if __name__ == "__main__":
    main()
