"""The CoAP message codec (RFC 7252 section 3), for board, gateway and server alike.

`decode` slices what it is given: bytes in, bytes out; a memoryview over a receive buffer yields
memoryviews, which are valid until that buffer is filled again and cost a board no copy.
"""

from msgin5g.errors import CallerError, PeerError
from msgin5g.limits import MAX_OPTIONS

try:
    from micropython import const
except ImportError:

    def const(value):
        return value


CON = const(0)
NON = const(1)
ACK = const(2)
RST = const(3)

EMPTY = const(0x00)
GET = const(0x01)
POST = const(0x02)
PUT = const(0x03)
DELETE = const(0x04)
CREATED = const(0x41)
DELETED = const(0x42)
VALID = const(0x43)
CHANGED = const(0x44)
CONTENT = const(0x45)
CONTINUE = const(0x5F)
BAD_REQUEST = const(0x80)
UNAUTHORIZED = const(0x81)
BAD_OPTION = const(0x82)
FORBIDDEN = const(0x83)
NOT_FOUND = const(0x84)
METHOD_NOT_ALLOWED = const(0x85)
NOT_ACCEPTABLE = const(0x86)
TOO_LARGE = const(0x8D)
UNSUPPORTED_FORMAT = const(0x8F)
INTERNAL_ERROR = const(0xA0)
NOT_IMPLEMENTED = const(0xA1)
BAD_GATEWAY = const(0xA2)
UNAVAILABLE = const(0xA3)
GATEWAY_TIMEOUT = const(0xA4)
PROXYING_NOT_SUPPORTED = const(0xA5)

IF_MATCH = const(1)
URI_HOST = const(3)
ETAG = const(4)
IF_NONE_MATCH = const(5)
OBSERVE = const(6)
URI_PORT = const(7)
LOCATION_PATH = const(8)
URI_PATH = const(11)
CONTENT_FORMAT = const(12)
MAX_AGE = const(14)
URI_QUERY = const(15)
ACCEPT = const(17)
LOCATION_QUERY = const(20)
BLOCK2 = const(23)
BLOCK1 = const(27)
SIZE2 = const(28)
PROXY_URI = const(35)
PROXY_SCHEME = const(39)
SIZE1 = const(60)

JSON_FORMAT = const(50)


class FormatError(PeerError):
    """A datagram that is not a CoAP message (RFC 7252 section 3); `str()` says what is wrong."""


class Message:
    """One decoded CoAP message.

    type: CON, NON, ACK or RST; code: int 0..255; mid: int 0..65535; token: 0..8 bytes;
    options: list of (number, value bytes) in order of number; payload: bytes, empty if none.
    """

    __slots__ = ("type", "code", "mid", "token", "options", "payload")

    def __init__(self):
        self.options = []

    def uri_path(self):
        """Return the Uri-Path segments joined by "/", or None if they are not UTF-8."""
        segments = [bytes(value) for number, value in self.options if number == URI_PATH]
        try:
            return b"/".join(segments).decode()
        except ValueError:
            return None

    def uint(self, number):
        """Return the first option of this number read as a uint, or None if there is none."""
        for found, value in self.options:
            if found == number:
                result = 0
                for byte in value:
                    result = result << 8 | byte
                return result
        return None


def decode(data, message=None):
    """Decode one datagram; with `message` given, that object is filled and returned.

    Raises FormatError. Whether the sender gets a Reset for it is the exchange layer's decision.
    """
    size = len(data)
    if size < 4:
        raise FormatError("shorter than the 4-byte header")
    first = data[0]
    if first >> 6 != 1:
        raise FormatError("version is not 1")
    i = 4 + (first & 15)
    if i > 12:
        raise FormatError("token length 9 to 15")
    if i > size:
        raise FormatError("token cut short")
    if message is None:
        message = Message()
    options = message.options
    if options:
        options.clear()
    code = data[1]
    if not code and size > 4:
        raise FormatError("empty message with bytes after the header")
    message.type = first >> 4 & 3
    message.code = code
    message.mid = data[2] << 8 | data[3]
    message.token = data[4:i]
    message.payload = b""
    number = 0
    while i < size:
        head = data[i]
        i += 1
        if head == 0xFF:
            if i == size:
                raise FormatError("payload marker without payload")
            message.payload = data[i:]
            break
        delta = head >> 4
        length = head & 15
        if delta > 12:
            delta, i = _extended(delta, data, i)
        if length > 12:
            length, i = _extended(length, data, i)
        number += delta
        end = i + length
        if end > size:
            raise FormatError("option cut short")
        if number > 65535:
            raise FormatError("option number above 65535")
        if len(options) == MAX_OPTIONS:
            raise FormatError("too many options")
        options.append((number, data[i:end]))
        i = end
    return message


def _extended(nibble, data, i):
    """Return the extended delta or length that starts at `i`, and the index after it."""
    if nibble == 15:
        raise FormatError("option delta or length 15")
    end = i + nibble - 12
    if end > len(data):
        raise FormatError("extended option field cut short")
    if nibble == 13:
        return data[i] + 13, end
    return (data[i] << 8 | data[i + 1]) + 269, end


def encode(type, code, mid, token=b"", options=(), payload=b"", buffer=None):
    """Return the datagram; with `buffer`, a bytearray, write it there and return its length.

    options: a list of (number, bytes) in order of number, or what `encode_options` made of one.
    Raises CallerError for what cannot be encoded or does not fit.
    """
    if len(token) > 8:
        raise CallerError("a CoAP token has at most 8 bytes, got %d" % len(token))
    first = 0x40 | type << 4 | len(token)
    if options.__class__ is not bytes:
        options = encode_options(options)
    if buffer is None:
        head = bytes((first, code, mid >> 8, mid & 255))
        if payload:
            return b"".join((head, token, options, b"\xff", payload))
        return head + token + options
    i = 4 + len(token)
    j = i + len(options)
    end = j + len(payload) + 1 if payload else j
    if end > len(buffer):
        raise CallerError("the request does not fit a datagram; send less at once")
    buffer[0] = first
    buffer[1] = code
    buffer[2] = mid >> 8
    buffer[3] = mid & 255
    buffer[4:i] = token
    buffer[i:j] = options
    if payload:
        buffer[j] = 0xFF
        buffer[j + 1 : end] = payload
    return end


def encode_options(options):
    """Return a list of (number, bytes) as it stands in a datagram.

    Raises CallerError if they are not in order of number, or a number is above 65535.
    """
    out = bytearray()
    last = 0
    for number, value in options:
        delta = number - last
        if delta < 0:
            raise CallerError(
                "CoAP option %d after option %d: pass them in order" % (number, last)
            )
        last = number
        head = len(out)
        out.append(0)
        out[head] = _extend(out, delta) << 4 | _extend(out, len(value))
        out.extend(value)
    if last > 65535:
        raise CallerError("CoAP option %d: the largest number is 65535" % last)
    return bytes(out)


def _extend(out, value):
    """Append what a delta or length has beyond its nibble; return the nibble."""
    if value < 13:
        return value
    if value < 269:
        out.append(value - 13)
        return 13
    value -= 269
    if value > 65535:
        raise CallerError("CoAP option delta or length %d is too large" % (value + 269))
    out.append(value >> 8)
    out.append(value & 255)
    return 14


def uint(value):
    """Return an option value of format uint: big-endian without leading zeros, 0 is empty."""
    out = b""
    while value:
        out = bytes((value & 255,)) + out
        value >>= 8
    return out
