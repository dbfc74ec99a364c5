"""Frames on a serial line: COBS(frame || CRC-16) || 0x00, and back out of any stream of bytes.

CRC-16/CCITT-FALSE (polynomial 0x1021, initial value 0xFFFF, not reflected, no final XOR) over the
frame, big-endian behind it. Consistent Overhead Byte Stuffing then removes every 0x00, so that
0x00 ends a frame and nothing else: a reader that starts anywhere is in step after the next one.
After opening a line, send END before the first frame: it ends what was cut off before.
"""

from msgin5g.errors import CallerError

try:
    from binascii import crc_hqx
except ImportError:  # MicroPython
    crc_hqx = None

END = b"\x00"
CRC_BYTES = 2

_CRC_START = 0xFFFF
_LONGEST_RUN = 254
# The remainders of four bits: sixteen numbers do, where a board has no room for 256.
_LOW_NIBBLES = (0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7)
_HIGH_NIBBLES = (0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF)
_NIBBLES = _LOW_NIBBLES + _HIGH_NIBBLES


def crc16_by_table(data):
    """Return the CRC-16/CCITT-FALSE of bytes or a memoryview."""
    table = _NIBBLES
    crc = _CRC_START
    for byte in data:
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte >> 4]
        crc = (crc << 4 & 0xFFFF) ^ table[crc >> 12 ^ byte & 15]
    return crc


def crc16_by_library(data):
    """Return the same from CPython's library."""
    return crc_hqx(data, _CRC_START)


crc16 = crc16_by_library if crc_hqx else crc16_by_table


def encode(frame):
    """Return what goes on the line for a frame of at least one byte. Raises CallerError."""
    if not frame:
        raise CallerError("an empty frame cannot be sent")
    if frame.__class__ is not bytes:
        frame = bytes(frame)
    return stuff(frame + crc16(frame).to_bytes(CRC_BYTES, "big"))


def stuff(data):
    """Return the COBS encoding of bytes, END included."""
    size = len(data)
    view = memoryview(data)
    out = bytearray(stuffed_bytes(size) + 1)
    start = at = 0
    while True:
        end = data.find(END, start)
        if end < 0:
            end = size
        while True:
            run = min(end - start, _LONGEST_RUN)
            out[at] = run + 1
            out[at + 1 : at + 1 + run] = view[start : start + run]
            at += run + 1
            start += run
            # A longest run stands for no 0x00: what follows it starts anew, unless it is nothing.
            if run < _LONGEST_RUN or start == size:
                break
        if start == size:
            break
        start += 1
    return bytes(memoryview(out)[: at + 1])


def stuffed_bytes(size):
    """Return how long the COBS encoding of `size` bytes can be, without END."""
    return size + size // _LONGEST_RUN + 1


class Deframer:
    """Takes what comes off the line and gives out whole frames. Never raises on what it is fed.

    counters: `frames` given out; left out were `bad_crc`, `bad_cobs` (a run beyond the frame's
    end), `too_long` (skipped up to the next 0x00) and `too_short` (no byte besides the CRC).

        deframer.feed(data)
        while (frame := deframer.next_frame()) is not None: ...
    """

    def __init__(self, max_frame_bytes):
        self.counters = {"frames": 0, "bad_crc": 0, "bad_cobs": 0, "too_long": 0, "too_short": 0}
        self._max_bytes = max_frame_bytes + CRC_BYTES
        self._buffer = bytearray(stuffed_bytes(self._max_bytes))
        self._view = memoryview(self._buffer)
        self._used = 0
        self._skips = False
        self._input = b""
        self._at = 0

    def feed(self, data):
        """Take bytes, a bytearray or a memoryview; `next_frame` until None before the next."""
        if self._input:
            data = self._input[self._at :] + bytes(data)
        elif data.__class__ is not bytes:
            data = bytes(data)
        self._input = data
        self._at = 0

    def next_frame(self):
        """Return the next whole frame as bytes, or None when more input is wanted."""
        data = self._input
        view = memoryview(data)
        while True:
            start = self._at
            end = data.find(END, start)
            stop = len(data) if end < 0 else end
            used = self._used + stop - start
            if used > len(self._buffer):
                self._skips = True
            elif not self._skips:
                self._buffer[self._used : used] = view[start:stop]
                self._used = used
            if end < 0:
                self._input = b""
                self._at = 0
                return None
            self._at = end + 1
            frame = self._end_of_frame()
            if frame is not None:
                return frame

    def reset(self):
        """Forget a frame that began, after the line was lost."""
        self._used = 0
        self._skips = False
        self._input = b""
        self._at = 0

    def _end_of_frame(self):
        used, skips = self._used, self._skips
        self._used = 0
        self._skips = False
        if skips:
            return self._left_out("too_long")
        if not used:
            return None
        size = self._unstuff(used)
        if size < 0:
            return self._left_out("bad_cobs")
        if size <= CRC_BYTES:
            return self._left_out("too_short")
        if size > self._max_bytes:
            return self._left_out("too_long")
        # The CRC over a frame and its own CRC is 0.
        if crc16(self._view[:size]):
            return self._left_out("bad_crc")
        self.counters["frames"] += 1
        return bytes(self._view[: size - CRC_BYTES])

    def _left_out(self, name):
        self.counters[name] += 1

    def _unstuff(self, used):
        """Decode the buffer in place, which is never ahead of what it reads; -1 if it cannot."""
        buffer, view = self._buffer, self._view
        at = size = 0
        while at < used:
            run = buffer[at]
            end = at + run
            if end > used:
                return -1
            if run > 1:
                buffer[size : size + run - 1] = view[at + 1 : end]
                size += run - 1
            at = end
            if run <= _LONGEST_RUN and at < used:
                buffer[size] = 0
                size += 1
        return size
