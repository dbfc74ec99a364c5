"""Octets and the text that carries them in JSON: payloads and UUIDs."""

from binascii import a2b_base64, b2a_base64, hexlify

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage


def to_text(data):
    """Return octets as the text of a JSON string (GAP 7.3.4.1)."""
    try:
        text = bytes(data).decode()
        if not text.startswith(gaps.BINARY_PREFIX) and "\x00" not in text:
            return text
    except UnicodeError:
        pass
    return _to_base64(data)


def from_text(text, key=n.PAYLOAD):
    """Return the octets of a JSON string. Raises BadMessage."""
    if not text.startswith(gaps.BINARY_PREFIX):
        return text.encode()
    try:
        data = a2b_base64(text[len(gaps.BINARY_PREFIX) :])
        # Readers differ in what they skip; one form is taken.
        if _to_base64(data) == text:
            return data
    except ValueError:
        pass
    raise BadMessage(key, "base64 is wanted after %s" % gaps.BINARY_PREFIX)


def uuid_text(data):
    """Return the text form of a UUID of 16 bytes."""
    if len(data) != 16:
        raise CallerError("a Message ID has 16 bytes")
    text = hexlify(data).decode()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _to_base64(data):
    return gaps.BINARY_PREFIX + b2a_base64(data).decode().replace("\n", "")
