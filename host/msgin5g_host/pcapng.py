"""Blocks of a pcapng file (draft-ietf-opsawg-pcapng) that Wireshark decodes without settings.

The link type is 252, "exported PDU": a few tags say which dissector reads what follows and, for
UDP, from which address and port to which it went. So CoAP is decoded on any link. Everything is
little-endian, except the tags, which are big-endian. Times are milliseconds of Unix time.
"""

import socket
import struct
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple

LINKTYPE = 252
COAP, DATA = "coap", "data"

_SECTION, _INTERFACE, _STATISTICS, _PACKET = 0x0A0D0D0A, 1, 5, 6
_BYTE_ORDER_MAGIC = 0x1A2B3C4D
_COMMENT, _FLAGS = 1, 2
_IF_NAME, _IF_DESCRIPTION, _IF_TSRESOL = 2, 3, 9
_IF_DROPPED = 5
_USER_APPLICATION = 4
_INBOUND, _OUTBOUND = 1, 2
_MILLISECONDS = 3  # 10^-3 s
_MAX_OPTION_BYTES = 65_532
_MAX_INFO_BYTES = 400

# Tags of the exported PDU: epan/exported_pdu.h of Wireshark.
_DISSECTOR, _PORT_TYPE, _SOURCE_PORT, _TARGET_PORT = 12, 24, 25, 26
_V4 = 20, 21
_V6 = 22, 23
_PROTOCOL_TEXT, _INFO_TEXT = 33, 36
_UDP = 3

Address = tuple[str, int]


class Frame(NamedTuple):
    """A frame on a link. interface: its number in the section; source, target: IP address and
    port, if it has them; protocol: what the column says instead of the dissector's name, the
    column behind it has the comment then."""

    interface: int
    t_ms: int
    is_out: bool
    dissector: str
    data: bytes
    comment: str = ""
    source: Address | None = None
    target: Address | None = None
    protocol: str = ""


def section() -> bytes:
    """Return the Section Header Block that begins a file."""
    try:
        program = "msgin5g " + version("msgin5g")
    except PackageNotFoundError:
        program = "msgin5g"
    head = struct.pack("<IHHq", _BYTE_ORDER_MAGIC, 1, 0, -1)
    return _block(_SECTION, head + _options((_USER_APPLICATION, program.encode())))


def interface(name: str, description: str) -> bytes:
    """Return the Interface Description Block of a link; the first of a section is number 0."""
    listed = (
        (_IF_NAME, _text(name)),
        (_IF_DESCRIPTION, _text(description)),
        (_IF_TSRESOL, bytes((_MILLISECONDS,))),
    )
    return _block(_INTERFACE, struct.pack("<HHI", LINKTYPE, 0, 0) + _options(*listed))


def packet(frame: Frame) -> bytes:
    """Return the Enhanced Packet Block of a frame."""
    pdu = _tags(frame) + frame.data
    head = struct.pack(
        *("<IIIII", frame.interface, frame.t_ms >> 32, frame.t_ms & 0xFFFFFFFF),
        *(len(pdu), len(pdu)),
    )
    flags = struct.pack("<I", _OUTBOUND if frame.is_out else _INBOUND)
    listed = [(_FLAGS, flags)]
    if frame.comment:
        listed.insert(0, (_COMMENT, _text(frame.comment)))
    return _block(_PACKET, head + _padded(pdu) + _options(*listed))


def statistics(interface: int, t_ms: int, missed: int) -> bytes:
    """Return an Interface Statistics Block. missed: how many frames are not here."""
    head = struct.pack("<III", interface, t_ms >> 32, t_ms & 0xFFFFFFFF)
    return _block(_STATISTICS, head + _options((_IF_DROPPED, struct.pack("<Q", missed))))


def _tags(frame: Frame) -> bytes:
    out = _tag(_DISSECTOR, frame.dissector.encode())
    if frame.source is not None and frame.target is not None:
        is_v6 = ":" in frame.source[0]
        family = socket.AF_INET6 if is_v6 else socket.AF_INET
        for tag, (host, _) in zip(
            _V6 if is_v6 else _V4, (frame.source, frame.target), strict=True
        ):
            out += _tag(tag, socket.inet_pton(family, host.partition("%")[0]))
        out += _tag(_PORT_TYPE, struct.pack(">I", _UDP))
        out += _tag(_SOURCE_PORT, struct.pack(">I", frame.source[1]))
        out += _tag(_TARGET_PORT, struct.pack(">I", frame.target[1]))
    if frame.protocol:
        out += _tag(_PROTOCOL_TEXT, frame.protocol.encode())
        out += _tag(_INFO_TEXT, _text(frame.comment, _MAX_INFO_BYTES))
    return out + struct.pack(">HH", 0, 0)


def _tag(number: int, value: bytes) -> bytes:
    # Wireshark's own tags of text are padded with zeros, which count as part of the value.
    value = _padded(value)
    return struct.pack(">HH", number, len(value)) + value


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(*listed: tuple[int, bytes]) -> bytes:
    out = b"".join(struct.pack("<HH", code, len(value)) + _padded(value) for code, value in listed)
    return out + struct.pack("<HH", 0, 0)


def _text(text: str, most: int = _MAX_OPTION_BYTES) -> bytes:
    """UTF-8, cut at a character if it is too long."""
    data = text.encode("utf-8", "replace")
    return data if len(data) <= most else data[:most].decode("utf-8", "ignore").encode()


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
