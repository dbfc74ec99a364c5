"""Frames in ATT values: what a GATT characteristic carries, written or notified.

Each value begins with one octet: bit 7 set on the first fragment of a frame, bit 6 on the last,
bits 5 to 0 a number that counts the values of one direction modulo 64. A frame that fits is one
fragment, first and last. The first fragment goes on with two octets of CRC-16/CCITT-FALSE over the
whole frame, big-endian: a run of lost values whose count is a multiple of 64 leaves no gap in the
numbers, and must not join two frames. The numbers begin anywhere when a connection begins.

A value repeated by its sender is a gap like any other. A frame in one fragment comes out twice
then, which CoAP's Message IDs and the answers to L3 requests bear; no other comes out.

The service is a UART in all but name, with UUIDs of its own.
"""

from msgin5g.errors import CallerError
from msgin5g.serial_framing import crc16

SERVICE_UUID = "6d736735-0001-4d53-4731-6e3547000000"
WRITE_UUID = "6d736735-0002-4d53-4731-6e3547000000"
NOTIFY_UUID = "6d736735-0003-4d53-4731-6e3547000000"

MAX_FRAME_BYTES = 1280
MIN_VALUE_BYTES = 20
_FIRST = 0x80
_LAST = 0x40
_NUMBERS = 64
_HEAD_BYTES = 1
_CRC_BYTES = 2


def fragments(frame, value_bytes, number):
    """Return the ATT values of a frame as a list. number: of the first value; see `following`.

    value_bytes: what a value may hold, MTU minus 3, at least MIN_VALUE_BYTES. Raises CallerError.
    """
    if not frame or value_bytes < MIN_VALUE_BYTES:
        raise CallerError("a frame has a byte, and a value %d at least" % MIN_VALUE_BYTES)
    frame = bytes(frame)
    crc = crc16(frame)
    out = []
    flags = _FIRST
    head = bytes((crc >> 8, crc & 255))
    at = 0
    while True:
        room = value_bytes - _HEAD_BYTES - len(head)
        part = frame[at : at + room]
        at += len(part)
        if at >= len(frame):
            flags |= _LAST
        out.append(bytes((flags | number % _NUMBERS,)) + head + part)
        if flags & _LAST:
            return out
        flags = 0
        head = b""
        number += 1


def following(number, count):
    """Return the number after `count` values."""
    return (number + count) % _NUMBERS


class Reassembler:
    """Join ATT values to frames. A frame with a gap is dropped, the next one is whole again.

    counters: frames; gaps; orphans, fragments without a first one; too_long; bad_crc; empty. They
    are counted in the dict that is given, if one is. Holds one frame at most.
    """

    def __init__(self, max_frame_bytes=MAX_FRAME_BYTES, counters=None):
        self._max_bytes = max_frame_bytes
        # Not a list of parts: a byte in an object of its own takes sixty.
        self._frame = None
        self._crc = 0
        self._number = None
        self.counters = {} if counters is None else counters
        for name in ("frames", "gaps", "orphans", "too_long", "bad_crc", "empty"):
            self.counters[name] = self.counters.get(name, 0)

    def reset(self):
        """Begin anew: another connection."""
        self._frame = None
        self._number = None

    def receive(self, value):
        """Take one value; returns a whole frame or None."""
        if len(value) < 2:
            self.counters["empty"] += 1
            return None
        flags = value[0]
        number = flags & 0x3F
        expected = self._number
        self._number = (number + 1) % _NUMBERS
        if expected is not None and number != expected:
            self.counters["gaps"] += 1
            self._frame = None
        if flags & _FIRST:
            if len(value) < _HEAD_BYTES + _CRC_BYTES:
                self.counters["empty"] += 1
                self._frame = None
                return None
            self._crc = value[1] << 8 | value[2]
            self._frame = bytearray()
            part = value[_HEAD_BYTES + _CRC_BYTES :]
        elif self._frame is None:
            self.counters["orphans"] += 1
            return None
        else:
            part = value[_HEAD_BYTES:]
        if len(self._frame) + len(part) > self._max_bytes:
            self.counters["too_long"] += 1
            self._frame = None
            return None
        self._frame += part
        if not flags & _LAST:
            return None
        frame = bytes(self._frame)
        self._frame = None
        if crc16(frame) != self._crc:
            self.counters["bad_crc"] += 1
            return None
        if not frame:
            self.counters["empty"] += 1
            return None
        self.counters["frames"] += 1
        return frame
