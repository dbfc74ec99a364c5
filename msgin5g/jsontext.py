"""JSON as it stands on the wire: read with bounds, written with the same bytes everywhere.

MicroPython's own reader is the more lenient one: it takes `{"a" 1,}`, for example. What CPython
takes, both read alike.
"""

import json

from msgin5g.errors import CallerError
from msgin5g.limits import MAX_JSON_DEPTH
from msgin5g.payload_errors import BadMessage

_HEX = b"0123456789abcdefABCDEF"


def _refuse_constant(name):
    raise ValueError(name)


def _finite(text):
    """Return the number of a text; one that no double holds could not be written again."""
    value = float(text)
    if value - value != 0:
        raise ValueError(text)
    return value


try:
    _decode = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant).decode
    _encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
    quote = json.encoder.encode_basestring
except AttributeError:  # MicroPython: functions only, NaN is refused, non-ASCII is never escaped
    _decode = json.loads

    def quote(text):
        """Return a JSON string; json.dumps would write \\b and \\f as \\u0008 and \\u000c."""
        if "\b" in text:
            return '"' + "\\b".join([quote(part)[1:-1] for part in text.split("\b")]) + '"'
        if "\f" in text:
            return '"' + "\\f".join([quote(part)[1:-1] for part in text.split("\f")]) + '"'
        return json.dumps(text)

    def _encode(value):
        if isinstance(value, str):
            return quote(value)
        if isinstance(value, dict):
            items = [quote(key) + ":" + _encode(item) for key, item in value.items()]
            return "{" + ",".join(items) + "}"
        if isinstance(value, (list, tuple)):
            return "[" + ",".join([_encode(item) for item in value]) + "]"
        return json.dumps(value)


def loads(payload, depth=MAX_JSON_DEPTH):
    """Return the value of a JSON payload nested at most `depth` levels. Raises BadMessage."""
    if payload.__class__ is not bytes:
        payload = bytes(payload)
    if not payload:
        raise BadMessage("", "the payload is empty")
    check_depth(payload, depth)
    try:
        if b"\\u" in payload:
            payload = _join_pairs(payload)
        return _decode(payload.decode())
    except UnicodeError:
        raise BadMessage("", "not UTF-8")
    except (ValueError, RuntimeError, MemoryError, TypeError):
        raise BadMessage("", "not JSON")


def check_depth(payload, depth):
    """Raise BadMessage when arrays and objects nest over `depth` levels."""
    if payload.count(b"{") + payload.count(b"[") > depth and _depth(payload, depth) > depth:
        raise BadMessage("", "nested more than %d levels" % depth)


def dumps(value):
    """Return a JSON text without spaces; non-ASCII characters stand as they are.

    A dict comes out in its own order, which MicroPython does not keep: `obj` has one order.
    """
    return _encode(value)


def obj(pairs):
    """Return a JSON object as bytes, its keys in the order of `pairs`; values None are left out.

    A value that is bytes is JSON already and goes in as it is.
    """
    parts = []
    for key, value in pairs:
        if value is None:
            continue
        kind = value.__class__
        if kind is bytes:
            value = value.decode()
        elif kind is str:
            value = quote(value)
        elif kind is bool:
            value = "true" if value else "false"
        elif kind is int:
            value = str(value)
        else:
            value = _encode(value)
        parts.append('"%s":%s' % (key, value))
    try:
        return ("{" + ",".join(parts) + "}").encode()
    except UnicodeError:
        raise CallerError("a string with half of a surrogate pair has no UTF-8")


def array(texts):
    """Return a JSON array as bytes from its elements, which are JSON already."""
    return b"[" + b",".join(texts) + b"]"


def _depth(payload, limit):
    """Return how deep arrays and objects outside of strings nest, at most limit + 1."""
    if b"\\" in payload:
        payload = payload.replace(b"\\\\", b"").replace(b'\\"', b"")
    level = deepest = 0
    for byte in b"".join(payload.split(b'"')[::2]):
        if byte == 0x7B or byte == 0x5B:
            level += 1
            if level > deepest:
                deepest = level
                if deepest > limit:
                    break
        elif byte == 0x7D or byte == 0x5D:
            level -= 1
    return deepest


def _join_pairs(payload):
    """Replace escaped UTF-16 pairs by their character; half a pair is no character at all."""
    parts = []
    start = at = 0
    while True:
        at = payload.find(b"\\", at)
        if at < 0:
            break
        if payload[at + 1 : at + 2] != b"u":
            at += 2
            continue
        unit = _code_unit(payload, at)
        if unit & 0xF800 != 0xD800:
            at += 6
            continue
        low = _code_unit(payload, at + 6) if payload[at + 6 : at + 8] == b"\\u" else 0
        if unit > 0xDBFF or low & 0xFC00 != 0xDC00:
            raise BadMessage("", "half of a surrogate pair")
        parts.append(payload[start:at])
        parts.append(chr(0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF)).encode())
        start = at = at + 12
    parts.append(payload[start:])
    return b"".join(parts)


def _code_unit(payload, at):
    digits = payload[at + 2 : at + 6]
    if len(digits) != 4:
        raise ValueError
    for digit in digits:
        if digit not in _HEX:
            raise ValueError
    return int(digits, 16)
