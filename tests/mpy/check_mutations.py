"""Damage vectors of registration and configuration: only BadMessage may come of it.

Run as `micropython check_mutations.py tests/vectors`; the damage is the same in every run.
"""

import sys

from check_configuration import parse as parse_configuration
from check_registration import load, parse, payload_of

from msgin5g.payload_errors import BadMessage

ROUNDS = 25
INSERTS = (b'"', b"\\", b"{", b"[", b"]", b"}", b",", b":", b"\x00", b"\xff", b"1e9", b"-", b"\\u")
MAX_BYTES = 4000


class Damage:
    """Damaged copies of a payload from a 32-bit linear congruential sequence."""

    def __init__(self, seed):
        self._state = seed

    def _next(self, limit):
        self._state = (self._state * 1664525 + 1013904223) & 0xFFFFFFFF
        return (self._state >> 8) % limit

    def copy(self, payload):
        """Return the payload with one to three places changed."""
        for _ in range(1 + self._next(3)):
            at = self._next(len(payload) + 1)
            kind = self._next(4)
            if kind == 0:
                payload = payload[:at] + INSERTS[self._next(len(INSERTS))] + payload[at:]
            elif kind == 1:
                payload = payload[:at] + payload[at + 1 + self._next(8) :]
            elif kind == 2:
                payload = payload[:at] + bytes([self._next(256)]) + payload[at + 1 :]
            else:
                payload = payload[:at]
        return payload


def main(folder):
    """Parse the damaged payloads; return the exit code."""
    passed = failed = 0
    damage = Damage(1)
    vectors = [(one, parse) for one in load(folder + "/registration")]
    vectors += [(one, parse_configuration) for one in load(folder + "/configuration")]
    for vector, read in vectors:
        whole = payload_of(vector)
        if len(whole) > MAX_BYTES:
            continue
        for _ in range(ROUNDS):
            payload = damage.copy(whole)
            try:
                read(vector, payload)
            except BadMessage:
                pass
            except Exception as problem:
                failed += 1
                print("%s: %r of %r" % (vector["name"], problem, payload))
                continue
            passed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
