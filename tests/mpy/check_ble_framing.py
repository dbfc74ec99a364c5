"""Fragments in ATT values on MicroPython: `micropython check_ble_framing.py tests/vectors`.

Every BLE vector, round trips, and the heap that half a frame holds. Plain MicroPython that CPython
runs as well (without the heap); prints a line per failure and a last line with counts.
"""

import gc
import json
import os
import sys
from binascii import unhexlify

from msgin5g.ble_framing import MAX_FRAME_BYTES, Reassembler, following, fragments

# The longest frame, and what growing to it leaves behind.
HEAP_BUDGET_BYTES = 2 * MAX_FRAME_BYTES

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


def join(reassembler, values):
    return [one for one in [reassembler.receive(value) for value in values] if one is not None]


def vector(one):
    name = one["name"]
    values = [unhexlify(value) for value in one["values"]]
    if one["kind"] == "frame":
        frame = unhexlify(one["frame"])
        made = fragments(memoryview(frame), one["value_bytes"], one["number"])
        check(made == values, name, "fragments")
        check(join(Reassembler(), values) == [frame], name, "joined")
        return
    reassembler = Reassembler(one["max_frame_bytes"])
    got = join(reassembler, values)
    check(got == [unhexlify(frame) for frame in one["frames"]], name, "frames")
    check(reassembler.counters == one["counters"], name, "counters %s" % reassembler.counters)


def round_trips():
    joined = Reassembler()
    number = 0
    for size in (1, 17, 18, 243, 1280):
        for value_bytes in (20, 100, 244):
            frame = bytes([at * 7 % 256 for at in range(size)])
            values = fragments(frame, value_bytes, number)
            number = following(number, len(values))
            check(join(joined, values) == [frame], "round trip", "%d in %d" % (size, value_bytes))
    check(joined.counters["frames"] == 15 and joined.counters["gaps"] == 0, "counters")


def heap():
    """A hostile peer sends the longest frame a byte at a time, and never ends it."""
    if not hasattr(gc, "mem_alloc"):
        return
    reassembler = Reassembler()
    gc.collect()
    used = gc.mem_alloc()
    reassembler.receive(b"\x80\x00\x00a")
    for number in range(1, MAX_FRAME_BYTES):
        reassembler.receive(bytes([number % 64, 1]))
    gc.collect()
    used = gc.mem_alloc() - used
    print("heap: %d bytes held, %d allowed" % (used, HEAP_BUDGET_BYTES))
    check(reassembler.counters["too_long"] == 0 and used <= HEAP_BUDGET_BYTES, "heap", used)


def main():
    count = 0
    for one in load(sys.argv[1] + "/ble"):
        count += 1
        vector(one)
        gc.collect()
    check(count >= 30, "vectors", "only %d" % count)
    round_trips()
    heap()
    print("%d passed, %d failed" % (results[0], results[1]))
    return 1 if results[1] else 0


sys.exit(main())
