"""Captures as `msgin5g_host.pcapng` writes them, read piece by piece, and said in words."""

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgin5g import coap, jsontext
from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage
from msgin5g_host.clock import iso

MAX_BLOCK_BYTES = 1 << 20
_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6
_MAGIC = b"\x4d\x3c\x2b\x1a"
_LINKTYPE = 252
_COMMENT, _NAME, _DESCRIPTION = 1, 2, 3
_FLAGS, _OUT = 2, 2
_DISSECTOR, _V4_SOURCE, _V4_TARGET, _V6_SOURCE, _V6_TARGET = 12, 20, 21, 22, 23
_SOURCE_PORT, _TARGET_PORT, _PROTOCOL = 25, 26, 33
_TYPES = ("CON", "NON", "ACK", "RST")


class ReadError(Exception):
    """What was read is not such a capture."""


class Frame(NamedTuple):
    """A frame of a capture. source, target: "host:port", or "" where the link has none."""

    t_ms: int
    link: str
    about: str
    is_out: bool
    dissector: str
    protocol: str
    source: str
    target: str
    comment: str
    data: bytes


class Blocks:
    """Give bytes to `feed` as they come; it returns the blocks that are whole."""

    def __init__(self) -> None:
        self._buffer = b""
        self._has_begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes. Raises ReadError."""
        self._buffer += data
        at = 0
        if not self._has_begun and len(self._buffer) >= 4:
            if self._buffer[:4] != _SECTION.to_bytes(4):
                raise ReadError("this is not a capture of MSGin5G links")
            self._has_begun = True
        try:
            while len(self._buffer) - at >= 12:
                (length,) = struct.unpack_from("<I", self._buffer, at + 4)
                if length % 4 or not 12 <= length <= MAX_BLOCK_BYTES:
                    raise ReadError("this is not a capture of MSGin5G links")
                if len(self._buffer) - at < length:
                    break
                at += length
                yield self._buffer[at - length : at]
        finally:
            self._buffer = self._buffer[at:]

    def end(self) -> bool:
        """Nothing more comes; returns whether it was whole. Raises ReadError if nothing came."""
        if not self._has_begun:
            raise ReadError("this is not a capture of MSGin5G links")
        return not self._buffer


class CaptureReader:
    """Give bytes to `feed` as they come; it returns the frames that are whole."""

    def __init__(self) -> None:
        self._blocks = Blocks()
        self._interfaces: list[tuple[str, str]] = []

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes. Raises ReadError."""
        for block in self._blocks.feed(data):
            try:
                (kind,) = struct.unpack_from("<I", block)
                yield from self._block(kind, block[8:-4])
            except (struct.error, IndexError, ValueError) as problem:
                raise ReadError(f"the capture is damaged: {problem}") from None

    def end(self) -> bool:
        """Nothing more comes; returns whether it was whole. Raises ReadError if nothing came."""
        return self._blocks.end()

    def _block(self, kind: int, body: bytes) -> Iterator[Frame]:
        if kind == _SECTION:
            if body[:4] != _MAGIC:
                raise ReadError("a capture of another machine's byte order")
            self._interfaces.clear()
        elif kind == _INTERFACE:
            if struct.unpack_from("<H", body)[0] != _LINKTYPE:
                raise ReadError("a capture of another kind of link")
            options = _options(body[8:])
            names = options.get(_NAME, b""), options.get(_DESCRIPTION, b"")
            self._interfaces.append((names[0].decode(), names[1].decode()))
        elif kind == _PACKET:
            number, high, low, size, _ = struct.unpack_from("<IIIII", body)
            options = _options(body[20 + size + -size % 4 :])
            yield self._frame(number, high << 32 | low, body[20 : 20 + size], options)

    def _frame(self, number: int, t_ms: int, pdu: bytes, options: dict[int, bytes]) -> Frame:
        tags: dict[int, bytes] = {}
        at = 0
        while True:
            tag, length = struct.unpack_from(">HH", pdu, at)
            at += 4
            if not tag:
                break
            tags[tag] = pdu[at : at + length]
            at += length
        flags = struct.unpack("<I", options.get(_FLAGS, bytes(4)))[0]
        link, about = self._interfaces[number]
        return Frame(
            t_ms,
            link,
            about,
            flags == _OUT,
            _string(tags, _DISSECTOR),
            _string(tags, _PROTOCOL),
            _address(tags, _V4_SOURCE, _V6_SOURCE, _SOURCE_PORT),
            _address(tags, _V4_TARGET, _V6_TARGET, _TARGET_PORT),
            options.get(_COMMENT, b"").decode(),
            pdu[at:],
        )


def fields(frame: Frame) -> dict[str, Any]:
    """Return a frame as an object for JSON; what it does not have is left out."""
    found: dict[str, Any] = {
        "t": iso(frame.t_ms),
        "direction": "tx" if frame.is_out else "rx",
        "link": frame.link,
        "about": frame.about,
        "from": frame.source,
        "to": frame.target,
        "comment": frame.comment,
    }
    if frame.dissector == "coap":
        found.update(_coap(frame.data))
    else:
        found.update({"what": frame.protocol, "bytes": frame.data.hex()})
    return {name: value for name, value in found.items() if value not in ("", None)}


def line(frame: Frame) -> str:
    """Return a frame as a line for a person."""
    said = fields(frame)
    ends = f"{frame.source} > {frame.target}" if frame.source else ""
    words = [said["t"][11:23], said["direction"], frame.link, ends]
    if "code" in said:
        words += [said.get("type", ""), said.get("code", ""), said.get("path", "")]
        words += [f"{name}={said[name]}" for name in ("mid", "token", "observe") if name in said]
        payload = said.get("payload", "")
        words.append(payload if isinstance(payload, str) else jsontext.dumps(payload))
    else:
        words.append(said["what"])
    words.append(frame.comment)
    text = " ".join(word for word in words if word)
    return text if text.isprintable() else json.dumps(text)[1:-1]


def _coap(data: bytes) -> dict[str, Any]:
    try:
        message = coap.decode(data)
    except coap.FormatError as problem:
        return {"what": f"malformed CoAP: {problem}", "bytes": data.hex()}
    payload: Any = bytes(message.payload)
    if payload:
        try:
            payload = jsontext.loads(payload)
        except BadMessage:
            payload = payload.decode(errors="backslashreplace")
    return {
        "what": "CoAP",
        "type": _TYPES[message.type],
        "code": code_text(message.code),
        "mid": message.mid,
        "token": bytes(message.token).hex(),
        "path": "/" + path if (path := message.uri_path()) else None,
        "observe": message.uint(coap.OBSERVE),
        "payload": payload or None,
    }


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(data):
        code, length = struct.unpack_from("<HH", data, at)
        if not code:
            break
        found.setdefault(code, data[at + 4 : at + 4 + length])
        at += 4 + length + -length % 4
    return found


def _string(tags: dict[int, bytes], tag: int) -> str:
    return tags.get(tag, b"").rstrip(b"\0").decode()


def _address(tags: dict[int, bytes], v4: int, v6: int, port: int) -> str:
    if port not in tags:
        return ""
    number = struct.unpack(">I", tags[port])[0]
    if v4 in tags:
        return f"{socket.inet_ntop(socket.AF_INET, tags[v4])}:{number}"
    return f"[{socket.inet_ntop(socket.AF_INET6, tags[v6])}]:{number}"
