"""Capture files, read by two independent readers: one written here, which knows positions, and libpcap by ctypes."""
import ctypes
import ctypes.util
import gzip
import struct
import subprocess


class Damaged(Exception):
    pass


def whole(path):
    """The file's bytes, uncompressed."""
    with open(path, "rb") as f:
        data = f.read()
    if data[:2] == b"\x1f\x8b":
        return gzip.decompress(data)
    if data[:4] == b"\x28\xb5\x2f\xfd":
        return subprocess.run(["zstd", "-qdc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


class Packet:
    __slots__ = ("position", "time_ns", "wire", "frame", "link")

    def __init__(self, position, time_ns, wire, frame, link):
        self.position, self.time_ns, self.wire, self.frame, self.link = position, time_ns, wire, frame, link

    def content(self):
        return self.time_ns, self.wire, self.frame


PCAP_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000), b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1), b"\xa1\xb2\x3c\x4d": (">", 1),
}


def read(path):
    """Every packet that can be read, in file order; stops where the file is damaged."""
    data = whole(path)
    if data[:4] == b"\x0a\x0d\x0d\x0a":
        return list(read_pcapng(data))
    if data[:4] in PCAP_MAGIC:
        return list(read_pcap(data))
    raise Damaged(f"{path}: no capture")


def read_pcap(data):
    order, unit_ns = PCAP_MAGIC[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    while at + 16 <= len(data):
        sec, fraction, captured, wire = struct.unpack_from(order + "IIII", data, at)
        if at + 16 + captured > len(data) or captured > 1 << 20:
            return
        yield Packet(at, sec * 1000000000 + fraction * unit_ns, wire, data[at + 16 : at + 16 + captured], link)
        at += 16 + captured


def interface_resolution(order, body):
    """Nanoseconds per unit of an interface's time stamps, as a fraction (if_tsresol)."""
    at = 8
    while at + 4 <= len(body):
        code, size = struct.unpack_from(order + "HH", body, at)
        if code == 0:
            break
        if code == 9 and size >= 1:
            exponent = body[at + 4]
            base = 2 ** (exponent & 127) if exponent & 128 else 10**exponent
            return 1000000000, base
        at += 4 + (size + 3) // 4 * 4
    return 1000, 1


def read_pcapng(data):
    order, interfaces, at = "<", [], 0
    while at + 12 <= len(data):
        if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, size = struct.unpack_from(order + "II", data, at)
        if size < 12 or size % 4 or at + size > len(data):
            return
        body = data[at + 8 : at + size - 4]
        if kind == 1:
            link, _, snap = struct.unpack_from(order + "HHI", body)
            interfaces.append((link, snap, interface_resolution(order, body)))
        elif kind in (2, 6) and len(body) >= 20:
            if kind == 6:
                port, high, low, captured, wire = struct.unpack_from(order + "IIIII", body)
            else:
                port, _, high, low, captured, wire = struct.unpack_from(order + "HHIIII", body)
            if port < len(interfaces) and 20 + captured <= len(body):
                link, _, (up, down) = interfaces[port]
                yield Packet(at, (high << 32 | low) * up // down, wire, body[20 : 20 + captured], link)
        elif kind == 3 and interfaces:
            wire = struct.unpack_from(order + "I", body)[0]
            link, snap, _ = interfaces[0]
            captured = min(wire, snap or wire, len(body) - 4)
            yield Packet(at, 0, wire, body[4 : 4 + captured], link)
        at += size


class _Header(ctypes.Structure):
    _fields_ = [("sec", ctypes.c_long), ("fraction", ctypes.c_long), ("captured", ctypes.c_uint32), ("wire", ctypes.c_uint32)]


def libpcap_contents(path):
    """(time_ns, wire length, bytes) of every packet by libpcap; raises Damaged with its words when it refuses the file."""
    lib = ctypes.CDLL(ctypes.util.find_library("pcap") or "libpcap.so.0.8")
    lib.pcap_open_offline_with_tstamp_precision.restype = ctypes.c_void_p
    lib.pcap_next_ex.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.POINTER(_Header)), ctypes.POINTER(ctypes.c_void_p)]
    lib.pcap_close.argtypes = lib.pcap_geterr.argtypes = [ctypes.c_void_p]
    lib.pcap_geterr.restype = ctypes.c_char_p
    why = ctypes.create_string_buffer(256)
    handle = lib.pcap_open_offline_with_tstamp_precision(path.encode(), 1, why)
    if not handle:
        raise Damaged(why.value.decode())
    header, frame, out = ctypes.POINTER(_Header)(), ctypes.c_void_p(), []
    while (status := lib.pcap_next_ex(handle, ctypes.byref(header), ctypes.byref(frame))) == 1:
        h = header.contents
        out.append((h.sec * 1000000000 + h.fraction, h.wire, ctypes.string_at(frame, h.captured)))
    words = (lib.pcap_geterr(handle) or b"").decode(errors="replace")
    lib.pcap_close(handle)
    # A cut file ends with an error too, and was read as far as it goes; what libpcap only refuses is another matter.
    if status == -1 and "truncated" not in words:
        raise Damaged(words)
    return out


# ---- five-tuples, as far as they need no tunnels

VLAN_TAGS = (0x8100, 0x88A8)


def network_layer(frame, link):
    """(ethertype, bytes) of the network layer, or None."""
    if link == 1:
        at = 12
    elif link == 113:
        at = 14
    elif link == 276:
        return (struct.unpack_from(">H", frame)[0], frame[20:]) if len(frame) >= 20 else None
    elif link in (12, 101, 14, 228, 229):
        if not frame:
            return None
        return (0x0800 if frame[0] >> 4 == 4 else 0x86DD), frame
    else:
        return None
    while at + 2 <= len(frame):
        kind = struct.unpack_from(">H", frame, at)[0]
        if kind not in VLAN_TAGS:
            return kind, frame[at + 2 :]
        at += 4
    return None


def five_tuple(packet):
    """(protocol, {(address, port), (address, port)}) of plain TCP, UDP or SCTP over IPv4 or IPv6 without fragments and
    extension headers; None when it is something else, which is then not checked."""
    layer = network_layer(packet.frame, packet.link)
    if layer is None:
        return None
    kind, b = layer
    if kind == 0x0800 and len(b) >= 20 and b[0] >> 4 == 4:
        size, protocol, source, destination = (b[0] & 15) * 4, b[9], b[12:16], b[16:20]
        if struct.unpack_from(">H", b, 6)[0] & 0x3FFF:
            return None
    elif kind == 0x86DD and len(b) >= 40 and b[0] >> 4 == 6:
        size, protocol, source, destination = 40, b[6], b[8:24], b[24:40]
    else:
        return None
    if protocol not in (6, 17, 132) or len(b) < size + 4:
        return None
    ports = struct.unpack_from(">HH", b, size)
    return protocol, frozenset(((bytes(source), ports[0]), (bytes(destination), ports[1])))


TUNNEL_PORTS = {2152, 4789, 4790, 6081}


def may_be_fragment(packet):
    """An IP fragment, or something that may carry one: whatever is no plain TCP, UDP or SCTP."""
    tuple_ = five_tuple(packet)
    return tuple_ is None or any(port in TUNNEL_PORTS for _, port in tuple_[1])
