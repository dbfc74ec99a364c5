"""Segments: cutting, joining and recovery, whatever arrives in whatever order."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g import gaps
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_DATAGRAM_BYTES, MAX_RANGES, MAX_SEGMENTS
from msgin5g.message import Message, Segment, msg, parse_message, segrec
from msgin5g.payload_errors import BadMessage
from msgin5g.segments import Assembler, Outbox, split, to_ranges

SERVICE, SET = gaps.SERVICE_ID, "3d1f6a52-0c5e-4b7a-9f5e-1a2b3c4d5e6f"
UE1, UE2 = ("UE", "urn:example:ue:1"), ("UE", "urn:example:ue:2")
IDS = [f"00000000-0000-4000-8000-{number:012}" for number in range(8)]
EXPECTED_MS, ROUNDS = 1000, 2

# Cutting


@settings(deadline=None)
@given(
    st.text(st.characters(blacklist_categories=["Cs"]) | st.sampled_from("é€😀"), max_size=120),
    st.integers(4, 40),
)
def test_pieces(text, size_bytes):
    pieces = split(text, size_bytes)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= size_bytes for piece in pieces)
    assert pieces == [""] if not text else "" not in pieces
    # None has room for the next one's first character.
    for piece, after in zip(pieces, pieces[1:], strict=False):
        assert len((piece + after[0]).encode()) > size_bytes


@pytest.mark.parametrize("character", ["x", "é", "€", "😀"])
@pytest.mark.parametrize("before", range(5))
def test_a_character_at_the_border(character, before):
    """The border falls before it, into it at any octet, and after it."""
    width = len(character.encode())
    text = "a" * (8 - before) + character + "b" * 20
    pieces = split(text, 8)
    assert "".join(pieces) == text
    assert pieces[0] == ("a" * (8 - before) + character + "b" * 8)[: len(pieces[0])]
    assert (character in pieces[0]) == (width <= before)
    assert len(pieces[0].encode()) == (8 if width <= before or not before else 8 - before)


def test_a_payload_of_exactly_the_size_is_one_piece():
    for text in ("x" * 8, "é" * 4, "😀" * 2, "abcde€"):
        assert split(text, 8) == [text]
        assert len(split(text + "x", 8)) == 2


def test_what_cannot_be_cut():
    assert len(split("x" * 4 * MAX_SEGMENTS, 4)) == MAX_SEGMENTS
    with pytest.raises(CallerError, match="1000 segments"):
        split("x" * (4 * MAX_SEGMENTS + 1), 4)
    for size_bytes in (3, 0, -1):
        with pytest.raises(CallerError, match="4 bytes"):
            split("abc", size_bytes)
    with pytest.raises(CallerError, match="surrogate"):
        split("\ud800", 8)


@settings(deadline=None)
@given(st.sets(st.integers(0, 60)))
def test_numbers_to_ranges(numbers):
    ranges = to_ranges(sorted(numbers))
    assert [one for first, last in ranges for one in range(first, last + 1)] == sorted(numbers)
    assert all(after[0] > before[1] + 1 for before, after in zip(ranges, ranges[1:], strict=False))


# Joining


def segment_of(number, total=None, last=False, payload="", origin=UE1, set_id=SET, report=False):
    """Return a segment as it comes off the wire."""
    found = Message()
    found.message_id, found.origin, found.destination = IDS[0], origin, UE2
    found.segment = Segment(set_id, number, total, last)
    found.payload, found.report = payload, report
    return parse_message(msg(SERVICE, found))


def segments_of(pieces, start=1, totals="every", flags=True):
    """Return the segments of a message. totals: "every", "first" or "none" has it."""
    out = []
    for at, piece in enumerate(pieces):
        knows = totals == "every" or (totals == "first" and not at)
        last = flags and at == len(pieces) - 1
        total = len(pieces) if knows else None
        out.append(segment_of(start + at, total, last, piece))
    return out


def assembler_of(max_sets=4, max_bytes=10_000):
    return Assembler(max_sets, max_bytes, EXPECTED_MS, ROUNDS)


pieces_lists = st.lists(
    st.sampled_from(["a", "bc", "é", "€uro", "😀", ""]), min_size=1, max_size=9
)
# Who counts from 0 and says so in no other way than by sending a 0 must have sent it before the
# end; all others may come in any order.
senders = st.sampled_from(
    [
        (1, "every", True),
        (1, "every", False),
        (1, "first", True),
        (1, "first", False),
        (1, "none", True),
        (0, "every", True),
        (0, "every", False),
    ]
)


@pytest.mark.clause("6.4.1.1.6-a-join")
@settings(deadline=None)
@given(pieces_lists, senders, st.data())
def test_any_order_and_any_number_of_copies(pieces, sender, data):
    segments = segments_of(pieces, *sender)
    copies = data.draw(st.lists(st.sampled_from(range(len(pieces))), max_size=6))
    order = data.draw(st.permutations([*range(len(pieces)), *copies]))
    assembler = assembler_of()
    came = set()
    for at in order:
        found = assembler.add(segments[at], 0)
        is_new, is_whole = at not in came, len(came | {at}) == len(pieces)
        came.add(at)
        if is_new and is_whole:
            assert found.joined() == "".join(pieces)
            assert found.key == (UE1[1], SET)
        else:
            assert found is None
    assert len(assembler) == 0
    assert assembler.counters["completed"] == 1
    assert assembler.counters["repeated"] == len(copies)
    assert assembler.next_deadline() is None


@pytest.mark.parametrize("totals", ["first", "none"])
def test_from_zero_without_a_total_in_every_segment(totals):
    segments = segments_of(["a", "b", "c"], 0, totals)
    for order in ((0, 1, 2), (0, 2, 1), (2, 0, 1), (1, 0, 2)):
        assembler = assembler_of()
        found = [assembler.add(segments[at], 0) for at in order]
        assert found[:2] == [None, None]
        assert found[2].joined() == "abc"


@pytest.mark.parametrize("start", [0, 1])
def test_a_set_of_one_segment(start):
    for total, last in ((1, True), (1, False), (None, True)):
        found = assembler_of().add(segment_of(start, total, last, "a"), 0)
        assert found.joined() == "a"


@settings(deadline=None)
@given(st.permutations(range(3)), st.integers(0, 2))
def test_a_report_that_any_segment_asks_for(order, asks):
    assembler = assembler_of()
    for at in order:
        found = assembler.add(segment_of(at + 1, 3, payload="a", report=at == asks), 0)
    assert found.report is True


@settings(deadline=None)
@given(pieces_lists.filter(lambda pieces: len(pieces) > 1), st.sampled_from([0, 1]), st.data())
@pytest.mark.clause("6.5.1.2.1-d1-d3", "6.5.1.2.1-d4")
def test_exactly_what_is_missing_is_asked_for(pieces, start, data):
    segments = segments_of(pieces, start)
    came = data.draw(
        st.sets(st.sampled_from(range(len(pieces))), min_size=1, max_size=len(pieces) - 1)
    )
    # The last one, or the 0 itself, says that a sender counts from 0.
    came.add(data.draw(st.sampled_from([0, len(pieces) - 1])))
    if len(came) == len(pieces):
        came.discard(data.draw(st.sampled_from(range(1, len(pieces) - 1) or [0])))
    if start == 0 and not came & {0, len(pieces) - 1}:
        return
    assembler = assembler_of()
    for at in came:
        assert assembler.add(segments[at], 0) is None
    assert assembler.poll(EXPECTED_MS - 1) == []
    [(what, found, ranges)] = assembler.poll(EXPECTED_MS)
    value = json.loads(segrec(SERVICE, found.key[1], ranges))
    assert (what, value["msgType"], value["segId"]) == ("missing", "SEGREC", SET)
    text = value["segNoList"]
    assert text[0] + text[-1] == "()"
    asked = []
    for one in text[1:-1].split(", "):
        first, last = one.split("-")
        asked += range(int(first), int(last) + 1)
    assert asked == [start + at for at in range(len(pieces)) if at not in came]


def test_after_an_unknown_end_one_more_is_asked_for():
    assembler = assembler_of()
    assembler.add(segment_of(2, payload="a"), 0)
    assembler.add(segment_of(5, payload="a"), 0)
    assert [one[2] for one in assembler.poll(EXPECTED_MS)] == [[(1, 1), (3, 4), (6, 6)]]


def test_what_is_asked_for_fits_a_request():
    assembler = assembler_of()
    for number in range(2, MAX_SEGMENTS + 1, 2):
        assembler.add(segment_of(number, MAX_SEGMENTS, payload="a"), 0)
    [(_, found, ranges)] = assembler.poll(EXPECTED_MS)
    assert ranges == [(number, number) for number in range(1, 2 * MAX_RANGES, 2)]
    payload = segrec(SERVICE, found.key[1], ranges)
    assert len(payload) < MAX_DATAGRAM_BYTES
    assert parse_message(payload).ranges == ranges


def test_no_segment_above_the_limit_is_asked_for():
    assembler = assembler_of()
    assembler.add(segment_of(MAX_SEGMENTS, payload="a"), 0)
    assert [one[2] for one in assembler.poll(EXPECTED_MS)] == [[(1, MAX_SEGMENTS - 1)]]
    for number in range(1, MAX_SEGMENTS):
        assembler.add(segment_of(number, payload="a"), EXPECTED_MS)
    # All are here, and none is the last.
    [(what, _, _)] = assembler.poll(2 * EXPECTED_MS)
    assert what == "failed"


def test_a_set_is_given_up_after_its_rounds():
    assembler = assembler_of()
    assembler.add(segment_of(1, 2, payload="a"), 0)
    now, seen = 0, []
    while (due := assembler.next_deadline()) is not None:
        # A sender that backs off is silent for longer each time.
        assert due == now + (EXPECTED_MS << len(seen))
        now = due
        seen += [(what, detail) for what, _, detail in assembler.poll(now)]
    assert seen == [("missing", [(2, 2)])] * ROUNDS + [("failed", "segments are missing")]
    assert len(assembler) == 0


@settings(deadline=None)
@given(pieces_lists, st.integers(0, 2**32), st.sampled_from([0, 1]))
def test_recovery_over_a_lossy_way(pieces, seed, start):
    """Sender and receiver on wire bytes: what is lost is asked for until all is here."""
    rng = random.Random(seed)
    assembler, outbox = Assembler(2, 1000, EXPECTED_MS, 50), Outbox(2, 10**9)
    outbox.put(SET, segments_of(pieces, start), 0)
    now, joined = 0, []
    waiting = list(outbox.get(SET, now))
    # A set of which nothing came is unknown to its receiver; what is repeated until it is
    # acknowledged, as confirmable messages are, is not lost for ever.
    first = rng.choice([0, len(pieces) - 1]) if start == 0 else rng.randrange(len(pieces))
    joined.append(assembler.add(waiting[first], now))
    for _ in range(60):
        rng.shuffle(waiting)
        for segment in waiting:
            if rng.random() < 0.6:
                for _ in range(rng.choice([1, 2])):
                    joined.append(assembler.add(segment, now))
        if any(joined):
            break
        now = assembler.next_deadline()
        [(what, found, ranges)] = assembler.poll(now)
        assert what == "missing"
        asked = parse_message(segrec(SERVICE, found.key[1], ranges)).ranges
        sent = outbox.get(SET, now)
        waiting = [
            one
            for one in sent
            if any(first <= one.segment.number <= last for first, last in asked)
        ]
        assert waiting
    assert [one.joined() for one in joined if one] == ["".join(pieces)]


# Bounds


class SetModel:
    """The accepted segments of one set: {number: (total, last, payload)}."""

    def __init__(self):
        self.parts = {}
        self.heard = self.deadline = self.rounds = 0

    def size_bytes(self):
        return sum(len(payload.encode()) for _, _, payload in self.parts.values())

    def shapes(self, number=None, total=None, last=False):
        """Return all (start, count) that the segments fit, and one more if it is given."""
        all_of_them = [(one, part[0], part[1]) for one, part in self.parts.items()]
        if number is not None:
            all_of_them.append((number, total, last))
        return [
            (start, count)
            for start in (1, 0)
            for count in range(1, 9)
            if all(
                start <= one < start + count
                and of in (None, count)
                and (not is_last or one == start + count - 1)
                for one, of, is_last in all_of_them
            )
        ]

    def knows_end(self):
        return any(total is not None or last for total, last, _ in self.parts.values())

    def is_complete(self):
        return self.knows_end() and any(
            set(self.parts) == set(range(start, start + count)) for start, count in self.shapes()
        )

    def missing(self):
        start, count = self.shapes()[0]
        if not self.knows_end():
            count = max(self.parts) + 2 - start
        return to_ranges([one for one in range(start, start + count) if one not in self.parts])

    def joined(self):
        return "".join(payload for _, (_, _, payload) in sorted(self.parts.items()))


class Model:
    """What an Assembler does, told in another way."""

    def __init__(self, max_sets, max_bytes):
        self.max_sets, self.max_bytes = max_sets, max_bytes
        self.sets, self.done, self.events = {}, [], []

    def add(self, key, number, total, last, payload, now):
        """Return the joined text of a whole set, "refused", or None."""
        model = self.sets.get(key)
        if model is None:
            if any(one == key and parts.get(number) == payload for one, parts in self.done):
                return None
            model = SetModel()
        if not model.shapes(number, total, last):
            return "refused"
        if number in model.parts:
            return None if model.parts[number][2] == payload else "refused"
        size_bytes = len(payload.encode())
        if model.size_bytes() + size_bytes > self.max_bytes:
            if self.sets.pop(key, None):
                self.events.append(("failed", key, "too long"))
            return "refused"
        while self.is_full(key, size_bytes):
            others = [one for one in self.sets if one != key]
            oldest = min(others, key=lambda one: self.sets[one].heard)
            del self.sets[oldest]
            self.events.append(("failed", oldest, "no room"))
        self.sets[key] = model
        model.parts[number] = (total, last, payload)
        model.heard, model.deadline, model.rounds = now, now + EXPECTED_MS, 0
        if not model.is_complete():
            return None
        del self.sets[key]
        self.done = [
            *self.done[-7:],
            (key, {one: part[2] for one, part in model.parts.items()}),
        ]
        return model.joined()

    def is_full(self, key, size_bytes):
        held = sum(one.size_bytes() for one in self.sets.values())
        is_one_more = key not in self.sets and len(self.sets) >= self.max_sets
        return is_one_more or held + size_bytes > self.max_bytes

    def poll(self, now):
        events, self.events = self.events, []
        for key, model in list(self.sets.items()):
            if now < model.deadline:
                continue
            if model.rounds < ROUNDS:
                model.rounds += 1
                model.deadline = now + (EXPECTED_MS << model.rounds)
                events.append(("missing", key, model.missing()))
            else:
                del self.sets[key]
                events.append(("failed", key, "segments are missing"))
        return events

    def next_deadline(self):
        if self.events:
            return 0
        return min((one.deadline for one in self.sets.values()), default=None)


keys = st.sampled_from([(UE1, "s"), (UE2, "s"), (UE1, "t")])
nonsense = st.tuples(
    keys,
    st.integers(0, 4),
    st.none() | st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["", "a", "é", "€uro", "😀😀", "x" * 17]),
)
# Of a message of three segments, so that many sets become whole, and are used again.
sensible = st.builds(
    lambda key, number, text: (key, number, 3, number == 3, text[number - 1]),
    keys,
    st.integers(1, 3),
    st.sampled_from(["abc", "abd"]),
)
adds = sensible | sensible | nonsense
steps = st.tuples(st.sampled_from([1, 1, 1, 400, EXPECTED_MS]), st.none() | adds)


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, min_size=12, max_size=60), st.integers(1, 4))
def test_whatever_arrives(history, max_sets):
    """Reorder, loss, copies, contradictions, reuse, too much: as the model, and within bounds."""
    max_bytes = 16
    assembler, model = assembler_of(max_sets, max_bytes), Model(max_sets, max_bytes)
    now = 0
    for wait_ms, step in history:
        now += wait_ms
        if step is None:
            events = [(what, found.key, detail) for what, found, detail in assembler.poll(now)]
            assert sorted(map(repr, events)) == sorted(map(repr, model.poll(now)))
        else:
            (origin, set_id), number, total, last, payload = step
            message = Message()
            message.origin, message.payload = origin, payload or None
            message.segment = Segment(set_id, number, total, last)
            try:
                found = assembler.add(message, now)
                result = found and found.joined()
            except BadMessage as problem:
                assert problem.key == "payload" or problem.key.startswith("segParams.")
                result = "refused"
            assert result == model.add((origin[1], set_id), number, total, last, payload, now)
        held = {
            key: {number: part for number, part in found.parts.items()}
            for key, found in assembler._sets.items()
        }
        assert held == {
            key: {number: part[2] for number, part in one.parts.items()}
            for key, one in model.sets.items()
        }
        size_bytes = sum(len(part.encode()) for parts in held.values() for part in parts.values())
        assert assembler._size_bytes == size_bytes <= max_bytes
        assert len(assembler) <= max_sets
        assert len(assembler._done) <= 8
        assert assembler.next_deadline() == model.next_deadline()


def refused(assembler, segment):
    with pytest.raises(BadMessage) as caught:
        assembler.add(segment, 0)
    return str(caught.value)


@pytest.mark.parametrize(
    ("before", "number", "total", "last", "problem"),
    [
        ([(1, 3, False)], 2, 4, False, "segParams.totalSegCount: differs"),
        ([(4, None, False)], 1, 3, False, "segParams.segNumb: above"),
        ([(1, 3, False)], 4, None, False, "segParams.segNumb: above"),
        ([(0, 3, False)], 3, None, False, "segParams.segNumb: above"),
        ([(3, 3, False)], 0, None, False, "segParams.segNumb: above"),
        ([(2, None, True)], 3, None, False, "segParams.segNumb: after the last"),
        ([(2, None, True)], 3, None, True, "segParams.segNumb: after the last"),
        ([(4, None, False)], 3, None, True, "segParams.lastSegFlag: is not"),
        ([(1, 5, False)], 2, None, True, "segParams.lastSegFlag: is not"),
        ([(3, None, True)], 1, 5, False, "segParams.totalSegCount: is not"),
        ([(2, 3, True)], 3, 3, False, "segParams.segNumb: after the last"),
    ],
)
def test_contradictions(before, number, total, last, problem):
    """What contradicts is refused; what was there stays, and can still become whole."""
    assembler = assembler_of()
    for one in before:
        assert assembler.add(segment_of(*one, payload="a"), 0) is None
    held = dict(assembler._sets[(UE1[1], SET)].parts)
    message = Message()
    message.origin, message.payload = UE1, "b"
    message.segment = Segment(SET, number, total, last)
    assert refused(assembler, message).startswith(problem)
    assert assembler._sets[(UE1[1], SET)].parts == held


def test_another_payload_under_the_same_number():
    assembler = assembler_of()
    assembler.add(segment_of(1, 2, payload="a"), 0)
    assert "another payload" in refused(assembler, segment_of(1, 2, payload="b"))
    assert assembler.add(segment_of(2, 2, payload="c"), 0).joined() == "ac"


def test_a_set_identifier_that_is_used_again():
    """The copies of an old message are known; a new one is taken, as long as it differs."""
    assembler = assembler_of()
    for texts in (["a", "b"], ["a", "c"], ["d", "b"]):
        found = [assembler.add(one, 0) for one in segments_of(texts)]
        if found[1] is None:
            # Its first segment was taken for a copy: it is missing, and taken the second time.
            assert assembler.poll(EXPECTED_MS)[0][2] == [(1, 1)]
            found = [assembler.add(segments_of(texts)[0], EXPECTED_MS)]
        assert found[-1].joined() == "".join(texts)


def test_the_same_set_identifier_of_another_sender_is_another_set():
    assembler = assembler_of()
    assembler.add(segment_of(1, 2, payload="a"), 0)
    assert assembler.add(segment_of(2, 2, payload="b", origin=UE2), 0) is None
    assert assembler.add(segment_of(2, 2, payload="c"), 0).joined() == "ac"


def test_copies_keep_no_set_alive():
    assembler = assembler_of()
    assembler.add(segment_of(1, 2, payload="a"), 0)
    assembler.add(segment_of(1, 2, payload="a"), EXPECTED_MS - 1)
    assert assembler.next_deadline() == EXPECTED_MS


def test_the_longest_silent_set_gives_way():
    """Silent is who sent nothing, whatever was asked of it since."""
    assembler = assembler_of(max_sets=2)
    assembler.add(segment_of(1, 2, payload="a", set_id="s"), 0)
    assembler.add(segment_of(1, 2, payload="b", set_id="t"), 500)
    assert [one[0] for one in assembler.poll(EXPECTED_MS)] == ["missing"]
    assembler.add(segment_of(1, 2, payload="c", set_id="u"), 1200)
    assert assembler.next_deadline() == 0
    assert [(what, one.key[1], why) for what, one, why in assembler.poll(1200)] == [
        ("failed", "s", "no room")
    ]
    assert assembler.counters["evicted"] == 1


def test_a_message_that_is_too_long_costs_no_other_set():
    assembler = assembler_of(max_bytes=10)
    assembler.add(segment_of(1, 2, payload="a", set_id="s"), 0)
    assembler.add(segment_of(1, 3, payload="b" * 8), 0)
    assert "10 bytes" in refused(assembler, segment_of(2, 3, payload="b" * 8))
    [(what, found, why)] = assembler.poll(0)
    assert (what, found.key[1], why, found.parts) == ("failed", SET, "too long", {})
    assert assembler.add(segment_of(2, 2, payload="c", set_id="s"), 0).joined() == "ac"
    assert "10 bytes" in refused(assembler, segment_of(1, 3, payload="b" * 11))
    assert len(assembler) == 0


def test_what_failed_holds_no_parts():
    assembler = assembler_of(max_sets=1)
    for number in range(100):
        assembler.add(segment_of(1, 2, payload="x" * 100, set_id=str(number)), 0)
    failed = assembler.poll(0)
    assert len(failed) == 99
    assert not any(found.parts for _, found, _ in failed)


# What was sent


class OutboxModel:
    def __init__(self, max_sets, keep_ms):
        self.max_sets, self.keep_ms, self.kept = max_sets, keep_ms, []

    def put(self, set_id, value, now):
        for at, (one, _, _) in enumerate(self.kept):
            if one == set_id:
                self.kept[at] = (set_id, value, now + self.keep_ms)
                return
        self.kept = [*self.kept, (set_id, value, now + self.keep_ms)][-self.max_sets :]

    def get(self, set_id, now):
        self.kept = [one for one in self.kept if one[0] != set_id or now < one[2]]
        return next((value for one, value, _ in self.kept if one == set_id), None)

    def drop(self, set_id):
        found = next((value for one, value, _ in self.kept if one == set_id), None)
        self.kept = [one for one in self.kept if one[0] != set_id]
        return found


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["put", "get", "drop"]), st.sampled_from("abcd"), st.integers(0, 60)
        ),
        max_size=40,
    ),
    st.integers(1, 3),
)
def test_what_was_sent_is_kept_for_a_while(steps, max_sets):
    outbox, model = Outbox(max_sets, 100), OutboxModel(max_sets, 100)
    now = 0
    for number, (what, set_id, wait_ms) in enumerate(steps):
        now += wait_ms
        if what == "put":
            outbox.put(set_id, number, now)
            model.put(set_id, number, now)
        elif what == "get":
            assert outbox.get(set_id, now) == model.get(set_id, now)
        else:
            assert outbox.drop(set_id) == model.drop(set_id)
        assert len(outbox) == len(model.kept) <= max_sets
