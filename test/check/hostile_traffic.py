"""Traffic that somebody made to cost much: each maker returns the conversation of one size, as (direction, bytes) in order.

A conversation becomes a pcap: a handshake, then segments of up to 1400 bytes, of which none holds two parts."""
import struct
import zlib

SEGMENT_BYTES = 1400
CLIENT, SERVER = 0, 1


class Conversation:
    def __init__(self, port, parts, udp=False, client_port=40000):
        self.port, self.parts, self.udp, self.client_port = port, parts, udp, client_port


def write_pcap(path, conversation):
    ends = ((b"\x0a\x00\x00\x01", conversation.client_port), (b"\x0a\x00\x00\x02", conversation.port))
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        frames = udp_frames if conversation.udp else tcp_frames
        for number, (direction, transport) in enumerate(frames(conversation, ends)):
            source, destination = ends[direction], ends[1 - direction]
            ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(transport), 1, 0, 64, 17 if conversation.udp else 6, 0,
                             source[0], destination[0])
            size = 34 + len(transport)
            f.write(struct.pack("<IIII", 1700000000 + number // 1000000, number % 1000000, size, size))
            f.write(b"\x02\0\0\0\0\x02\x02\0\0\0\0\x01\x08\0" + ip + transport)


def udp_frames(conversation, ends):
    for direction, data in conversation.parts:
        yield direction, struct.pack(">HHHH", ends[direction][1], ends[1 - direction][1], 8 + len(data), 0) + data


def tcp_frames(conversation, ends):
    def segment(direction, flags, data=b""):
        return direction, struct.pack(">HHIIBBHHH", ends[direction][1], ends[1 - direction][1], seq[direction] & 0xFFFFFFFF,
                                      seq[1 - direction] & 0xFFFFFFFF, 0x50, flags, 65535, 0, 0) + data

    seq = [1000, 2000]
    yield segment(CLIENT, 0x02)
    seq[CLIENT] += 1
    yield segment(SERVER, 0x12)
    seq[SERVER] += 1
    yield segment(CLIENT, 0x10)
    for direction, data in conversation.parts:
        for at in range(0, len(data), SEGMENT_BYTES):
            piece = data[at : at + SEGMENT_BYTES]
            yield segment(direction, 0x18, piece)
            seq[direction] += len(piece)
    yield segment(CLIENT, 0x11)


# ---- HTTP


def http_folded_headers(n):
    return Conversation(80, [(CLIENT, b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Long: begin\r\n" + b" a\r\n" * n + b"\r\n"),
                             (SERVER, b"HTTP/1.1 200 OK\r\nX-Long: begin\r\n" + b"\tb\r\n" * n + b"Content-Length: 0\r\n\r\n")])


def http_distinct_headers(n):
    lines = b"".join(b"X-%d: %d\r\n" % (i, i) for i in range(n))
    return Conversation(80, [(CLIENT, b"GET / HTTP/1.1\r\nHost: a.example\r\n" + lines + b"\r\n")])


def http_requests(n):
    """Pipelined, each with another path, key and value."""
    return Conversation(80, [(CLIENT, b"".join(b"GET /%d?k%d=v%d HTTP/1.1\r\nHost: h%d.example\r\n\r\n" % (i, i, i, i) for i in range(n)))])


def http_gzip_zeroes(n):
    """n megabytes of zeroes, as gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    head = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers back: the same megabyte again and again.
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = head + megabyte * n + packer.flush()
    return Conversation(80, [(CLIENT, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
                             (SERVER, b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)])


def http_chunks_of_one_byte(n):
    return Conversation(80, [(CLIENT, b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"),
                             (SERVER, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * n + b"0\r\n\r\n")])


def http_bytes_alone(n):
    """A header of n bytes, each in a segment of its own."""
    return Conversation(80, [(CLIENT, b"GET / HTTP/1.1\r\nX-Long: "), *[(CLIENT, b"a")] * n])


# ---- HTTP/2

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def h2_frame(kind, flags, stream, data):
    return struct.pack(">I", len(data))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + data


def h2_blocks(fields):
    """One header block over HEADERS and CONTINUATION frames."""
    block = b"".join(fields)
    pieces = [block[i : i + 16000] for i in range(0, len(block), 16000)]
    return b"".join(h2_frame(1 if i == 0 else 9, (1 if i == 0 else 0) | (4 if i == len(pieces) - 1 else 0), 1, piece)
                    for i, piece in enumerate(pieces))


def h2_headers(n):
    """Literals that are not indexed, RFC 7541 6.2.2."""
    fields = [b"\x82\x84\x87"] + [b"\x00" + bytes((6,)) + b"%06d" % (i % 1000000) + b"\x01v" for i in range(n)]
    return Conversation(80, [(CLIENT, PREFACE + h2_frame(4, 0, 0, b"") + h2_blocks(fields))])


def h2_indexed(n):
    """A long entry of the table, named by one byte again and again, in blocks of 1000."""
    first = b"\x82\x84\x87\x40\x01x" + b"\x7f\x81\x1d" + b"a" * 3840
    frames = [h2_frame(1, 5, 1, first)] + [h2_frame(1, 5, 3 + 2 * i, b"\x82\x84\x87" + b"\xbe" * 1000) for i in range(n // 1000)]
    return Conversation(80, [(CLIENT, PREFACE + h2_frame(4, 0, 0, b"") + b"".join(frames))])


def h2_streams(n):
    return Conversation(80, [(CLIENT, PREFACE + h2_frame(4, 0, 0, b"") +
                              b"".join(h2_frame(1, 5, 1 + 2 * i, b"\x82\x84\x87") for i in range(n)))])


# ---- DNS


def dns_name(i):
    return b"\x08%08d\x07example\x00" % i


def dns_message(i, answers=()):
    return (struct.pack(">HHHHHH", i & 0xFFFF, 0x8180 if answers else 0x0100, 1, len(answers), 0, 0) + dns_name(i) + b"\0\1\0\1" +
            b"".join(answers))


def framed(message):
    return struct.pack(">H", len(message)) + message


def dns_names(n):
    """One connection, a question for each name."""
    return Conversation(53, [(CLIENT, b"".join(framed(dns_message(i)) for i in range(n)))])


def dns_names_udp(n):
    return Conversation(53, [(CLIENT, dns_message(i)) for i in range(n)], udp=True)


def dns_answers(n):
    """Every message holds 100 names behind compression pointers to long ones."""
    rows = [b"\xc0\x0c\0\5\0\1\0\0\0\0" + framed(b"\x08%08d\xc0\x0c" % i) for i in range(100)]
    return Conversation(53, [(CLIENT, framed(dns_message(0))),
                             (SERVER, b"".join(framed(dns_message(i, rows)) for i in range(n // 100)))])


# ---- mail


def smtp_commands(n):
    commands = b"".join(b"RCPT TO:<user%d@a.example>\r\n" % i for i in range(n))
    return Conversation(25, [(SERVER, b"220 mail.example ESMTP\r\n"), (CLIENT, b"EHLO me\r\nMAIL FROM:<a@b.example>\r\n" + commands)])


def smtp_headers_folded(n):
    return Conversation(25, [(SERVER, b"220 mail.example ESMTP\r\n"),
                             (CLIENT, b"EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n" + b" y\r\n" * n + b"\r\nbody\r\n.\r\n")])


def smtp_parts(n):
    """Parts within one mail, each a boundary line and a file name."""
    part = b"--b\r\nContent-Type: text/plain; name=f%d\r\n\r\nx\r\n"
    return Conversation(25, [(SERVER, b"220 mail.example ESMTP\r\n"),
                             (CLIENT, b"EHLO me\r\nMAIL FROM:<a@b>\r\nDATA\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
                              b"".join(part % i for i in range(n)) + b"--b--\r\n.\r\n")])


def smtp_bytes_alone(n):
    return Conversation(25, [(SERVER, b"220 mail.example ESMTP\r\n"), (CLIENT, b"EHLO me\r\n"), *[(CLIENT, b"a")] * n])


def irc_nicks(n):
    return Conversation(6667, [(CLIENT, b"NICK a\r\n" + b"".join(b"NICK n%d\r\nJOIN #c%d\r\n" % (i, i) for i in range(n)))])


def ftp_commands(n):
    return Conversation(21, [(SERVER, b"220 ftp.example\r\n"), (CLIENT, b"".join(b"RETR f%d\r\n" % i for i in range(n)))])


# ---- TLS and others


def tls_records(n):
    """A ClientHello in handshake records of one byte."""
    hello = bytes.fromhex("0303") + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    extensions = b"".join(struct.pack(">HH", 0x1000 + i % 0x1000, 0) for i in range(min(n, 16000)))
    hello += struct.pack(">H", len(extensions)) + extensions
    message = b"\1" + struct.pack(">I", len(hello))[1:] + hello
    first = b"\x16\x03\x01" + struct.pack(">H", 16) + message[:16]
    return Conversation(443, [(CLIENT, first + b"".join(b"\x16\x03\x01\0\1" + bytes((b,)) for b in message[16 : 16 + n]))])


def tls_handshakes(n):
    """Empty handshake messages (HelloRequest) behind a small ClientHello."""
    hello = bytes.fromhex("0303") + bytes(32) + b"\0" + b"\0\2\x13\x01" + b"\1\0"
    message = b"\1" + struct.pack(">I", len(hello))[1:] + hello
    return Conversation(443, [(CLIENT, b"\x16\x03\x01" + struct.pack(">H", len(message)) + message),
                              (SERVER, b"\x16\x03\x03\0\4\0\0\0\0" * n)])


def websocket_frames(n):
    return Conversation(80, [
        (CLIENT, b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"),
        (SERVER, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\n"),
        (CLIENT, b"\x81\x81\0\0\0\0a" * n)])


def dhcp_message(i):
    return (struct.pack(">BBBBIHH", 1, 1, 6, 0, i, 0, 0) + bytes(16) + struct.pack(">HI", 2, 1) + bytes(10 + 192) +
            b"\x63\x82\x53\x63\x35\1\1\x0c\x06%06d\xff" % (i % 1000000) + bytes(48))


def dhcp_requests(n):
    return Conversation(67, [(CLIENT, dhcp_message(i)) for i in range(n)], udp=True, client_port=68)


# "protocol: what", maker, n.
CASES = (
    ("http: folded headers", http_folded_headers, 1000000),
    ("http: distinct headers", http_distinct_headers, 100000),
    ("http: pipelined requests", http_requests, 100000),
    ("http: megabytes of zeroes as gzip", http_gzip_zeroes, 1000),
    ("http: chunks of one byte", http_chunks_of_one_byte, 1000000),
    ("http: one byte a segment", http_bytes_alone, 100000),
    ("http2: headers in one block", h2_headers, 64000),
    ("http2: a long header named by one byte", h2_indexed, 64000),
    ("http2: streams", h2_streams, 100000),
    ("dns: names over TCP", dns_names, 100000),
    ("dns: names over UDP", dns_names_udp, 100000),
    ("dns: names in answers", dns_answers, 100000),
    ("smtp: commands", smtp_commands, 1000000),
    ("smtp: folded headers", smtp_headers_folded, 1000000),
    ("smtp: parts of a mail", smtp_parts, 100000),
    ("smtp: one byte a segment", smtp_bytes_alone, 100000),
    ("irc: nicks and channels", irc_nicks, 200000),
    ("ftp: commands", ftp_commands, 500000),
    ("tls: records of one byte", tls_records, 30000),
    ("tls: empty handshake messages", tls_handshakes, 500000),
    ("websocket: frames of one byte", websocket_frames, 500000),
    ("dhcp: requests", dhcp_requests, 100000),
)
