"""CBOR on MicroPython: `micropython check_cbor.py`, with examples of RFC 8949 Appendix A.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import sys
from binascii import hexlify, unhexlify

from msgin5g import cbor
from msgin5g.payload_errors import BadMessage

EXAMPLES = (
    ("00", 0),
    ("17", 23),
    ("1818", 24),
    ("1903e8", 1000),
    ("1a000f4240", 1000000),
    ("1b000000e8d4a51000", 1000000000000),
    ("1bffffffffffffffff", 18446744073709551615),
    ("3bffffffffffffffff", -18446744073709551616),
    ("20", -1),
    ("3863", -100),
    ("3903e7", -1000),
    ("fb3ff199999999999a", 1.1),
    ("fa47c35000", 100000.0),
    ("f4", False),
    ("f5", True),
    ("f6", None),
    ("f7", None),
    ("40", b""),
    ("4401020304", b"\x01\x02\x03\x04"),
    ("60", ""),
    ("6161", "a"),
    ("62225c", '"\\'),
    ("62c3bc", "ü"),
    ("63e6b0b4", "水"),
    ("80", []),
    ("83010203", [1, 2, 3]),
    ("8301820203820405", [1, [2, 3], [4, 5]]),
    ("a0", {}),
    ("a201020304", {1: 2, 3: 4}),
    ("a26161016162820203", {"a": 1, "b": [2, 3]}),
)
# Other forms of a value that is written in one.
READ_ONLY = ("fa47c35000", "f7", "a201020304", "a26161016162820203")
REFUSED = [""] + (
    "18 1c 1f 19ff 42ff 61 61ff 82ff 8101ff 0000 "
    # No tags, nothing without an announced end, no half floats, nothing that is not finite.
    "c074323031332d30332d32315432303a30343a30305a 9fff 5f42010243030405ff bfff "
    "f93c00 fa7f800000 fb7ff8000000000000 f0 f8ff "
    # A key twice, and keys that are neither numbers nor text.
    "a201000100 a1f500 a18000 a14000"
).split()


def main():
    """Check all examples; return the exit code."""
    passed = failed = 0
    for text, value in EXAMPLES:
        data = unhexlify(text)
        good = cbor.loads(data) == value
        if text not in READ_ONLY:
            good = good and cbor.dumps(value) == data
        passed, failed = _count(good, text, passed, failed)
    for text in REFUSED:
        try:
            cbor.loads(unhexlify(text))
            good = False
        except BadMessage:
            good = True
        passed, failed = _count(good, text, passed, failed)
    value = {"members": ["urn:example:ue:%d" % at for at in range(300)], "empty": ""}
    good = cbor.loads(cbor.dumps(value)) == value
    passed, failed = _count(good, hexlify(cbor.dumps(value)[:8]), passed, failed)
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


def _count(good, text, passed, failed):
    if not good:
        print("wrong: %s" % text)
    return passed + good, failed + (not good)


if __name__ == "__main__":
    sys.exit(main())
