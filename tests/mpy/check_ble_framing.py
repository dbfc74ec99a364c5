"""Fragments in ATT values on MicroPython: `micropython check_ble_framing.py tests/vectors`."""

import sys
from binascii import unhexlify

from msgin5g.ble_framing import Reassembler, following, fragments

results = [0, 0]


def check(condition, name):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s" % name)


check(fragments(b"123456789", 20, 5) == [unhexlify("c529b1") + b"123456789"], "one value")
joined = Reassembler()
number = 0
for size in (1, 17, 18, 243, 1280):
    for value_bytes in (20, 100, 244):
        frame = bytes([at * 7 % 256 for at in range(size)])
        values = fragments(frame, value_bytes, number)
        number = following(number, len(values))
        found = [one for one in [joined.receive(value) for value in values] if one is not None]
        check(found == [frame], "%d bytes in %d" % (size, value_bytes))
check(joined.counters["frames"] == 15 and joined.counters["gaps"] == 0, "counters")
joined.receive(fragments(bytes(50), 20, 3)[0])
check(joined.receive(fragments(b"next", 20, 9)[0]) == b"next", "after a gap")
print("%d passed, %d failed" % (results[0], results[1]))
sys.exit(1 if results[1] else 0)
