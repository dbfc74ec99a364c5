"""JSON as it stands on the wire: read with bounds, written with the same bytes everywhere."""

import json

from msgin5g.errors import BadMessage
from msgin5g.limits import MAX_JSON_DEPTH

try:
    _encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
except AttributeError:  # MicroPython: no encoder class, never escapes non-ASCII

    def _encode(value):
        return json.dumps(value, separators=(",", ":"))


def loads(payload):
    """Return the value of a JSON payload. Raises BadMessage for anything else."""
    if payload.__class__ is not bytes:
        payload = bytes(payload)
    if not payload:
        raise BadMessage("", "the payload is empty")
    if payload.count(b"[") + payload.count(b"{") > MAX_JSON_DEPTH and _too_deep(payload):
        raise BadMessage("", "nested more than %d levels" % MAX_JSON_DEPTH)
    try:
        return json.loads(payload.decode())
    except UnicodeError:
        raise BadMessage("", "not UTF-8")
    except (ValueError, MemoryError, RuntimeError):
        raise BadMessage("", "not JSON")


def dumps(value):
    """Return a JSON text without spaces; non-ASCII characters stand as they are."""
    return _encode(value)


def obj(pairs):
    """Return a JSON object as bytes, its keys in the order of `pairs`; values None are left out.

    A value that is bytes is JSON already and goes in as it is.
    """
    parts = []
    for key, value in pairs:
        if value is None:
            continue
        if value.__class__ is bytes:
            parts.append('"%s":%s' % (key, value.decode()))
        else:
            parts.append('"%s":%s' % (key, _encode(value)))
    return ("{" + ",".join(parts) + "}").encode()


def array(texts):
    """Return a JSON array as bytes from its elements, which are JSON already."""
    return b"[" + b",".join(texts) + b"]"


def _too_deep(payload):
    """Tell whether arrays and objects outside of strings nest over the limit."""
    depth = 0
    in_string = False
    escaped = False
    for byte in payload:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte == 0x5B or byte == 0x7B:
            depth += 1
            if depth > MAX_JSON_DEPTH:
                return True
        elif byte == 0x5D or byte == 0x7D:
            depth -= 1
    return False
