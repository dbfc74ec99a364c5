"""Cutting a payload into segments (6.4.1.1.2), and numbers into ranges (6.5.1.2.1)."""

from msgin5g.errors import CallerError
from msgin5g.limits import MAX_SEGMENTS


def split(payload, size_bytes):
    """Return the pieces of a text, each of at most `size_bytes` in UTF-8, cut between characters.

    A payload of exactly `size_bytes` is one piece. Raises CallerError if it needs too many, or has
    no UTF-8.
    """
    if size_bytes < 4:
        raise CallerError("a segment has at least 4 bytes, the longest character")
    try:
        data = payload.encode()
    except UnicodeError:
        raise CallerError("a payload with half of a surrogate pair has no UTF-8")
    pieces = []
    start = 0
    while len(data) - start > size_bytes:
        end = start + size_bytes
        while data[end] & 0xC0 == 0x80:
            end -= 1
        pieces.append(data[start:end].decode())
        start = end
    pieces.append(data[start:].decode())
    if len(pieces) > MAX_SEGMENTS:
        raise CallerError("the payload needs more than %d segments" % MAX_SEGMENTS)
    return pieces


def to_ranges(numbers):
    """Return [(first, last), ...] of numbers in ascending order."""
    ranges = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges
