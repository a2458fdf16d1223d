"""IP datagrams of Ethernet frames, cut into fragments (RFC 791 section 3.2, RFC 8200 section 4.5)."""
import random
import struct

VLAN_TYPES = (0x8100, 0x88A8)
IPV6_FIRST_HEADERS = (0, 43)  # hop-by-hop options and routing stay before the fragment header
FRAGMENT_HEADER = 44


def write_pcap(path, packets):
    """Ethernet frames with their times (in ns)."""
    with open(path, "wb") as f:
        f.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1))
        for time_ns, frame in packets:
            f.write(struct.pack("<IIII", *divmod(time_ns, 10**9), len(frame), len(frame)) + frame)


def network_offset(frame):
    """(where the IP header begins, 4 or 6), or None when there is none."""
    at = 12
    while at + 2 <= len(frame) and struct.unpack_from(">H", frame, at)[0] in VLAN_TYPES:
        at += 4
    kind = frame[at : at + 2]
    if kind == b"\x08\x00" and len(frame) >= at + 22 and frame[at + 2] >> 4 == 4:
        return at + 2, 4
    if kind == b"\x86\xdd" and len(frame) >= at + 42 and frame[at + 2] >> 4 == 6:
        return at + 2, 6
    return None


def whole_datagram(frame):
    """(IP header's offset, version, where what may be cut begins) of a frame with a whole datagram that is no fragment, and
    its length without padding; or None."""
    found = network_offset(frame)
    if found is None:
        return None
    at, version = found
    if version == 4:
        size, = struct.unpack_from(">H", frame, at + 2)
        header, field = (frame[at] & 15) * 4, struct.unpack_from(">H", frame, at + 6)[0]
        if header < 20 or field & 0x3FFF or size <= header or at + size > len(frame):
            return None
        return at, version, at + header, at + size
    size, begin, following = struct.unpack_from(">H", frame, at + 4)[0] + 40, at + 40, frame[at + 6]
    while following in IPV6_FIRST_HEADERS and begin + 8 <= len(frame):
        following, begin = frame[begin], begin + (frame[begin + 1] + 1) * 8
    if following == FRAGMENT_HEADER or at + size > len(frame) or begin >= at + size:
        return None
    return at, version, begin, at + size


def checksum(header):
    total = sum(struct.unpack(f">{len(header) // 2}H", header))
    total = (total & 0xFFFF) + (total >> 16)
    return ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF


def fragment4(frame, at, begin, piece, offset, last, number):
    header = bytearray(frame[at:begin])
    struct.pack_into(">HHH", header, 2, len(header) + len(piece), number & 0xFFFF, offset // 8 | (0 if last else 0x2000))
    header[10:12] = b"\0\0"
    struct.pack_into(">H", header, 10, checksum(bytes(header)))
    return frame[:at] + bytes(header) + piece


def fragment6(frame, at, begin, piece, offset, last, number):
    header, field = bytearray(frame[at:begin]), 6
    extension = 40
    while extension < len(header):
        field, extension = extension, extension + (header[extension + 1] + 1) * 8
    following, header[field] = header[field], FRAGMENT_HEADER
    struct.pack_into(">H", header, 4, len(header) - 40 + 8 + len(piece))
    return frame[:at] + bytes(header) + struct.pack(">BBHI", following, 0, offset | (0 if last else 1), number) + piece


def cut(frame, size, number):
    """The fragments of a frame, 'size' bytes of payload each (a multiple of 8); the frame itself when it is too short or has
    no datagram that could be cut."""
    found = whole_datagram(frame)
    if found is None:
        return [frame]
    at, version, begin, end = found
    if end - begin <= size:
        return [frame]
    make = fragment4 if version == 4 else fragment6
    return [make(frame, at, begin, frame[i : min(i + size, end)], i - begin, i + size >= end, number) for i in range(begin, end, size)]


def cut_all(packets, size, order="", repeat=False, seed=1):
    """Packets (time, frame) with their datagrams cut. 'order' is "", "reverse" or "random"; with 'repeat' some come twice,
    never the one that makes the datagram whole: what follows that one would begin another."""
    dice = random.Random(seed)
    for number, (time_ns, frame) in enumerate(packets, 1):
        pieces = cut(frame, size, number)
        if order == "reverse":
            pieces.reverse()
        elif order == "random":
            dice.shuffle(pieces)
        for i, piece in enumerate(pieces):
            yield time_ns, piece
            if repeat and i + 1 < len(pieces) and dice.random() < 0.3:
                yield time_ns, piece
