"""Serial framing on MicroPython: `micropython check_serial_framing.py tests/vectors`.

Every serial vector, a damaged stream, and the heap that a frame costs. Plain MicroPython that
CPython runs as well (without the heap); prints a line per failure and a last line with counts.
"""

import gc
import json
import os
import sys
from binascii import unhexlify

from msgin5g.serial_framing import END, Deframer, crc16, crc16_by_table, encode, stuff

MAX_FRAME_BYTES = 1280
ROUNDS = 40
# A frame of 200 bytes on a 64-bit port: with its CRC, stuffed, cut, and as it is given out.
HEAP_BUDGET_BYTES = 1600

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


def load(folder):
    """Yield the vectors of a folder, one at a time, in order of their names."""
    for name in sorted(os.listdir(folder)):
        if name.endswith(".json"):
            with open(folder + "/" + name, "rb") as file:
                yield json.loads(file.read().decode())


def take(deframer):
    found = []
    while True:
        frame = deframer.next_frame()
        if frame is None:
            return found
        found.append(frame)


def vector(one):
    name, kind = one["name"], one["kind"]
    if kind == "crc":
        data, wanted = unhexlify(one["data"]), int(one["crc"], 16)
        check(crc16(data) == wanted, name, "crc16")
        check(crc16_by_table(memoryview(data)) == wanted, name, "by table")
        return
    line = unhexlify(one["line"])
    if kind == "cobs":
        check((stuff(unhexlify(one["data"])) == line) == one["canonical"], name, "stuffed")
        return
    if kind == "frame":
        frames = [unhexlify(one["frame"])]
        check(encode(frames[0]) == line, name, "encoded")
        check(encode(memoryview(frames[0])) == line, name, "encoded memoryview")
    else:
        frames = [unhexlify(frame) for frame in one["frames"]]
    size = one.get("max_frame_bytes", MAX_FRAME_BYTES)
    for step in (len(line), 7, 1):
        deframer = Deframer(size)
        got = []
        for at in range(0, len(line), step):
            deframer.feed(memoryview(line)[at : at + step])
            got += take(deframer)
        check(got == frames, name, "frames in steps of %d" % step)
        if kind == "stream":
            check(deframer.counters == one["counters"], name, "counters %s" % deframer.counters)


def damaged():
    """Every seventh byte of a long stream is wrong; then the line is good again."""
    deframer = Deframer(64)
    line = bytearray()
    for number in range(100):
        line += encode(bytes(range(number % 40 + 1)))
    for at in range(0, len(line), 7):
        line[at] ^= 0x5A
    for at in range(0, len(line), 50):
        deframer.feed(memoryview(line)[at : at + 50])
        take(deframer)
    deframer.feed(END)
    take(deframer)
    deframer.feed(encode(b"good"))
    check(take(deframer) == [b"good"], "damaged", "the next frame")
    check(deframer.counters["bad_cobs"] and deframer.counters["bad_crc"], "damaged", "counters")


def heap():
    """Print the bytes of heap that one frame of 200 bytes costs on its way out and in."""
    if not hasattr(gc, "mem_alloc"):
        return
    deframer = Deframer(MAX_FRAME_BYTES)
    frame = bytes(range(200))
    used = 0
    gc.collect()
    gc.disable()
    for number in range(ROUNDS + 5):
        if number == 5:
            used = gc.mem_alloc()
        deframer.feed(encode(frame))
        got = deframer.next_frame()
        deframer.next_frame()
    used = (gc.mem_alloc() - used) / ROUNDS
    gc.enable()
    check(got == frame, "heap", "the frame itself")
    print("heap: %d bytes a frame, %d allowed" % (used, HEAP_BUDGET_BYTES))
    check(used <= HEAP_BUDGET_BYTES, "heap", "%d bytes a frame" % used)


def main():
    count = 0
    for one in load(sys.argv[1] + "/serial"):
        count += 1
        vector(one)
        gc.collect()
    check(count >= 35, "vectors", "only %d" % count)
    damaged()
    heap()
    print("%d passed, %d failed" % (results[0], results[1]))
    return 1 if results[1] else 0


sys.exit(main())
