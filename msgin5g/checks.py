"""Checks of single values of clause 7; each returns the value or raises BadMessage."""

from msgin5g.limits import MAX_CAUSE_BYTES, MAX_SECONDS, MAX_TEXT_BYTES, MAX_URI_BYTES
from msgin5g.payload_errors import BadMessage

_is_plain = getattr(str, "isprintable", None)


def has_controls(text):
    """Tell whether a string has a control character (C0, DEL or C1)."""
    if _is_plain is not None and _is_plain(text):
        return False
    for char in text:
        if char < " " or "\x7f" <= char <= "\x9f":
            return True
    return False


def text(value, key, limit=MAX_TEXT_BYTES):
    """A string of 1 to `limit` bytes without control characters."""
    if value.__class__ is not str:
        raise BadMessage(key, "missing" if value is None else "a string is wanted")
    size = len(value)
    if not size or size * 4 > limit and len(value.encode()) > limit:
        raise BadMessage(key, "1 to %d bytes are wanted" % limit)
    if has_controls(value):
        raise BadMessage(key, "control characters")
    return value


def uri(value, key):
    """A URI, looked at lightly: a scheme, a colon, something; no space."""
    text(value, key, MAX_URI_BYTES)
    colon = value.find(":")
    if not 0 < colon < len(value) - 1 or " " in value or not _is_letter(value[0]):
        raise BadMessage(key, "a URI is wanted")
    return value


def boolean(value, key):
    """True or False; neither a number nor a string."""
    if value.__class__ is not bool:
        raise BadMessage(key, "true or false is wanted")
    return value


def seconds(value, key):
    """A whole number of seconds; neither a boolean nor a fraction."""
    if value.__class__ is not int or not 0 <= value <= MAX_SECONDS:
        raise BadMessage(key, "seconds from 0 to %d are wanted" % MAX_SECONDS)
    return value


def cut_cause(value):
    """Return a cause cut to its limit, between two characters."""
    if len(value) * 4 <= MAX_CAUSE_BYTES:
        return value
    data = value.encode()[:MAX_CAUSE_BYTES]
    while True:
        try:
            return data.decode()
        except UnicodeError:
            data = data[:-1]


def _is_letter(char):
    return "a" <= char <= "z" or "A" <= char <= "Z"
