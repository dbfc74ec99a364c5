"""CBOR (RFC 8949) as far as SEAL documents need it, read with bounds and written in its core form.

Integers of 64 bits, floats, text, octets, arrays, maps, true, false and null; no tags.
"""

import struct

from msgin5g.errors import CallerError
from msgin5g.limits import MAX_JSON_DEPTH
from msgin5g.payload_errors import BadMessage

_NOT_CBOR = "not CBOR"
_SIMPLE = {20: False, 21: True, 22: None, 23: None}


def loads(data, depth=MAX_JSON_DEPTH):
    """Return the value of a CBOR item nested at most `depth` levels. Raises BadMessage."""
    data = bytes(data)
    if not data:
        raise BadMessage("", "the payload is empty")
    try:
        value, end = _read(data, 0, depth)
    except IndexError:
        raise BadMessage("", _NOT_CBOR)
    except UnicodeError:
        raise BadMessage("", "not UTF-8")
    if end != len(data):
        raise BadMessage("", _NOT_CBOR)
    return value


def dumps(value):
    """Return a value as CBOR: shortest heads, maps in their own order. Raises CallerError."""
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _read(data, at, depth):
    """Return (value, where it ends)."""
    major, info = data[at] >> 5, data[at] & 31
    if major == 7:
        return _read_simple(data, at + 1, info)
    number, at = _read_number(data, at + 1, info)
    if major == 0:
        return number, at
    if major == 1:
        return -1 - number, at
    if major == 2 or major == 3:
        end = at + number
        if end > len(data):
            raise IndexError
        return data[at:end] if major == 2 else data[at:end].decode(), end
    # Each element takes a byte at least: no more are promised than there can be.
    if major == 6 or number > len(data) - at:
        raise BadMessage("", _NOT_CBOR)
    if not depth:
        raise BadMessage("", "nested too deep")
    if major == 4:
        items = []
        for _ in range(number):
            item, at = _read(data, at, depth - 1)
            items.append(item)
        return items, at
    found = {}
    for _ in range(number):
        key, at = _read(data, at, depth - 1)
        if key.__class__ not in (int, str) or key in found:
            raise BadMessage("", _NOT_CBOR)
        found[key], at = _read(data, at, depth - 1)
    return found, at


def _read_number(data, at, info):
    if info < 24:
        return info, at
    if info > 27:
        raise BadMessage("", _NOT_CBOR)
    size = 1 << info - 24
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big"), at + size


def _read_simple(data, at, info):
    if info in _SIMPLE:
        return _SIMPLE[info], at
    if info != 26 and info != 27:
        raise BadMessage("", _NOT_CBOR)
    end = at + (4 if info == 26 else 8)
    if end > len(data):
        raise IndexError
    value = struct.unpack(">f" if info == 26 else ">d", data[at:end])[0]
    if value - value != 0:
        raise BadMessage("", "a number without an end")
    return value, end


def _write(out, value):
    kind = value.__class__
    if value is None:
        out.append(0xF6)
    elif kind is bool:
        out.append(0xF5 if value else 0xF4)
    elif kind is int:
        _write_head(out, *((0, value) if value >= 0 else (1, -1 - value)))
    elif kind is float:
        out.extend(struct.pack(">Bd", 0xFB, value))
    elif kind is bytes or kind is str:
        data = value if kind is bytes else value.encode()
        _write_head(out, 2 if kind is bytes else 3, len(data))
        out.extend(data)
    elif kind is list or kind is tuple:
        _write_head(out, 4, len(value))
        for one in value:
            _write(out, one)
    elif kind is dict:
        _write_head(out, 5, len(value))
        for key, one in value.items():
            _write(out, key)
            _write(out, one)
    else:
        raise CallerError("CBOR has no place for %r" % (value,))


def _write_head(out, major, number):
    if number < 24:
        out.append(major << 5 | number)
        return
    for info in range(4):
        size = 1 << info
        if number >> 8 * size == 0:
            out.append(major << 5 | 24 + info)
            out.extend(number.to_bytes(size, "big"))
            return
    raise CallerError("an integer of 64 bits is wanted")
