"""CoAP option rules (RFC 7252 sections 5.4 and 5.10): what is recognised, and how often."""

from msgin5g.coap import CONTENT_FORMAT, JSON_FORMAT, encode_options, uint

try:
    from micropython import const
except ImportError:

    def const(value):
        return value


_REPEATABLE = const(1 << 24)


def rule(shortest, longest, repeatable=False):
    """Pack an option's length limits in bytes, and whether it may be repeated, into one int."""
    return (_REPEATABLE if repeatable else 0) | shortest << 12 | longest


_ANY = const(1 << 24 | 255)  # as `rule` packs it: of any length, repeated or not
# What a plain endpoint understands: number -> rule. Proxy-Uri and Proxy-Scheme are left out, an
# endpoint that is no proxy answers them with 5.05.
PLAIN = {
    3: 1 << 12 | 255,  # Uri-Host
    4: 1 << 24 | 1 << 12 | 8,  # ETag
    7: 2,  # Uri-Port
    8: _ANY,  # Location-Path
    11: _ANY,  # Uri-Path
    12: 2,  # Content-Format
    14: 4,  # Max-Age
    15: _ANY,  # Uri-Query
    17: 2,  # Accept
    20: _ANY,  # Location-Query
    60: 4,  # Size1
}


def review(message, known=None):
    """Return the number of the first critical option that must be refused, or 0.

    An option that is unknown, of a wrong length, or a second copy of one that may not be repeated
    counts as unrecognised (5.4.1, 5.4.3, 5.4.5): elective ones are taken out of the message.
    """
    rules = known or PLAIN
    previous = -1
    dropped = ()
    for number, value in message.options:
        allowed = rules.get(number)
        if (
            allowed is None
            or not (allowed >> 12 & 0xFFF) <= len(value) <= (allowed & 0xFFF)
            or (number == previous and allowed < _REPEATABLE)
        ):
            if number & 1:
                return number
            if allowed is not None:
                dropped += ((number, value),)
        previous = number
    for option in dropped:
        # Of equal ones it may be an earlier one, which is as good.
        message.options.remove(option)
    return 0


def format_only(content_format):
    """Return the encoded options of an answer whose payload has that Content-Format."""
    if content_format == JSON_FORMAT:
        return _JSON
    return encode_options(((CONTENT_FORMAT, uint(content_format)),))


_JSON = bytes((CONTENT_FORMAT << 4 | 1, JSON_FORMAT))  # as `encode_options` makes it
