"""Cut, join and recover segments, and read moments: `micropython check_segments.py`.

Plain MicroPython that CPython runs as well; prints a line per failure and a last line with counts.
"""

import sys

from msgin5g.assembling import Assembler
from msgin5g.errors import CallerError
from msgin5g.message import Message, Segment, msg, parse_message, parse_ranges, segrec
from msgin5g.moments import format_date_time, parse_date_time
from msgin5g.payload_errors import BadMessage
from msgin5g.segments import Outbox
from msgin5g.splitting import split, to_ranges

SERVICE, UE, SET = "urn:msgin5g:service", "urn:example:ue:1", "set"
ID = "6f1ed002-ab5b-4f3c-9c2f-8a4f5e6d7c8b"
TEXT = "aé€😀" * 40
EXPECTED_MS = 1000


def shuffled(items, seed):
    """Return the items in an order that a seed makes, the same everywhere."""
    items = list(items)
    for at in range(len(items) - 1, 0, -1):
        seed = (seed * 1103515245 + 12345) & 0x7FFFFFFF
        other = (seed >> 8) % (at + 1)
        items[at], items[other] = items[other], items[at]
    return items


def segments(pieces, start=1, set_id=SET):
    """Return the segments of a message as they come off the wire."""
    out = []
    for at, piece in enumerate(pieces):
        one = Message()
        one.message_id, one.origin, one.destination = ID, ("UE", UE), ("UE", UE)
        one.payload = piece
        one.segment = Segment(set_id, start + at, len(pieces), at == len(pieces) - 1)
        out.append(parse_message(msg(SERVICE, one)))
    return out


def check_cut(size_bytes):
    """Pieces are whole characters, fit, and join to what they were."""
    pieces = split(TEXT, size_bytes)
    assert "".join(pieces) == TEXT
    assert max([len(piece.encode()) for piece in pieces]) <= size_bytes


def check_limits():
    """What cannot be cut is the caller's error."""
    for text, size_bytes in (("abc", 3), ("x" * 4001, 4)):
        try:
            split(text, size_bytes)
        except CallerError:
            continue
        raise AssertionError("cut")


def check_join(seed):
    """Segments in any order, some of them twice."""
    start = seed & 1
    pieces = split(TEXT, 24)
    sent = segments(pieces, start)
    sent = shuffled(sent + sent[::3], seed)
    assembler = Assembler(2, 1000, EXPECTED_MS, 2)
    found = [one for one in [assembler.add(one, 0) for one in sent] if one is not None]
    assert len(found) == 1 and found[0].joined() == TEXT
    assert len(assembler) == 0 and assembler.next_deadline() is None


def check_recovery(seed):
    """What is missing is asked for on the wire, and what is asked for completes the set."""
    pieces = split(TEXT, 16)
    sent = segments(pieces)
    outbox = Outbox(1, 10000)
    outbox.put(SET, sent, 0)
    assembler = Assembler(2, 1000, EXPECTED_MS, 2)
    came = shuffled(sent, seed)[: len(sent) // 2]
    for one in came:
        assert assembler.add(one, 0) is None
    events = assembler.poll(EXPECTED_MS)
    assert len(events) == 1 and events[0][0] == "missing"
    numbers = sorted([one.segment.number for one in came])
    missing = [one for one in range(1, len(pieces) + 1) if one not in numbers]
    ranges = parse_message(segrec(SERVICE, SET, events[0][2])).ranges
    assert ranges == to_ranges(missing)
    found = None
    for first, last in ranges:
        for one in outbox.get(SET, EXPECTED_MS)[first - 1 : last]:
            found = assembler.add(one, EXPECTED_MS)
    assert found is not None and found.joined() == TEXT


def check_bounds(seed):
    """The longest silent sets give way, whatever order a dict has."""
    assembler = Assembler(4, 100, EXPECTED_MS, 1)
    names = shuffled(["s%d" % number for number in range(20)], seed)
    for now, name in enumerate(names):
        assembler.add(segments(["x" * 20, "y"], 1, name)[0], now)
        assert len(assembler) <= 4
    events = assembler.poll(len(names))
    assert [found.key[1] for _, found, _ in events] == names[:16]
    try:
        assembler.add(segments(["x" * 101, "y"])[0], 0)
    except BadMessage:
        return
    raise AssertionError("taken")


def check_contradictions(seed):
    """What contradicts is refused, and nothing else."""
    assembler = Assembler(4, 1000, EXPECTED_MS, 1)
    good = segments(["a", "b", "c"])
    assert assembler.add(good[seed % 3], 0) is None
    for wrong in (segments(["a", "b", "c", "d"])[seed % 3], segments(["x", "y", "z"])[seed % 3]):
        try:
            assembler.add(wrong, 0)
        except BadMessage:
            continue
        raise AssertionError("taken")
    found = [assembler.add(one, 0) for one in good]
    assert [one.joined() for one in found if one is not None] == ["abc"]


def check_ranges(seed):
    """Ranges in any order come out sorted and apart, though sorting here is not stable."""
    numbers = sorted(shuffled(range(60), seed)[:25])
    pairs = to_ranges(numbers)
    text = ",".join(["%d-%d" % pair for pair in shuffled(pairs + pairs[::2], seed)])
    assert parse_ranges(text) == pairs


def check_moments(seed):
    """A date-time and its moment, both ways."""
    moment_ms = (seed * 7919 * 86400017) % 253402300800000
    assert parse_date_time(format_date_time(moment_ms), "key") == moment_ms
    for value in ({}, None, 5, "2026-02-29T08:00:00Z", "1970-01-01T00:00:00+00:01"):
        try:
            parse_date_time(value, "key")
        except BadMessage:
            continue
        raise AssertionError("read")


def main():
    """Check all; return the exit code."""
    seeds = range(1, 40)
    todo = [(check_cut, (size_bytes,)) for size_bytes in range(4, 60)] + [(check_limits, ())]
    for check in (
        check_join,
        check_recovery,
        check_bounds,
        check_contradictions,
        check_ranges,
        check_moments,
    ):
        todo += [(check, (seed,)) for seed in seeds]
    passed = failed = 0
    for check, arguments in todo:
        try:
            check(*arguments)
            passed += 1
        except Exception as problem:
            failed += 1
            print("%s%r: %r" % (check.__name__, arguments, problem))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
