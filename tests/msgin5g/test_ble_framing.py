"""Frames in ATT values: fragments, gaps, and what must never be joined."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g.ble_framing import MAX_FRAME_BYTES, Reassembler, following, fragments
from msgin5g.errors import CallerError

FOLDER = Path(__file__).parents[1] / "vectors" / "ble"
VECTORS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]

frames = st.binary(min_size=1, max_size=MAX_FRAME_BYTES)


def kind(name):
    found = [vector for vector in VECTORS if vector["kind"] == name]
    return pytest.mark.parametrize("vector", found, ids=lambda vector: vector["name"])


def crc_by_definition(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def cut_by_definition(frame, value_bytes, number):
    """The CRC and the frame in pieces, each behind its octet."""
    data = crc_by_definition(frame).to_bytes(2, "big") + frame
    starts = range(0, len(data), value_bytes - 1)
    return [
        bytes([(at == 0) << 7 | (at == starts[-1]) << 6 | (number + count) % 64])
        + data[at : at + value_bytes - 1]
        for count, at in enumerate(starts)
    ]


def join(values, reassembler=None):
    reassembler = reassembler or Reassembler()
    return [frame for value in values if (frame := reassembler.receive(value)) is not None]


def test_there_are_vectors():
    assert len(VECTORS) >= 30
    assert {vector["kind"] for vector in VECTORS} == {"frame", "stream"}
    names = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert [vector["name"] for vector in VECTORS] == names


@kind("frame")
def test_frame(vector):
    frame = bytes.fromhex(vector["frame"])
    values = [bytes.fromhex(value) for value in vector["values"]]
    given = vector["value_bytes"], vector["number"]
    assert values == cut_by_definition(frame, *given)
    for kind_of in (bytes, bytearray, memoryview):
        assert fragments(kind_of(frame), *given) == values
        assert join(map(kind_of, values)) == [frame]


@kind("stream")
def test_stream(vector):
    reassembler = Reassembler(vector["max_frame_bytes"])
    got = join(map(bytes.fromhex, vector["values"]), reassembler)
    assert [frame.hex() for frame in got] == vector["frames"]
    assert reassembler.counters == vector["counters"]


def test_the_octets_of_a_short_and_of_a_long_frame():
    # CRC-16/CCITT-FALSE of "123456789" is 0x29B1.
    assert fragments(b"123456789", 20, 5) == [bytes.fromhex("c529b1") + b"123456789"]
    values = fragments(b"123456789" * 5, 20, 62)
    assert [value[0] for value in values] == [0x80 | 62, 63, 0x40 | 0]
    assert [len(value) for value in values] == [20, 20, 10]
    assert values[0][3:] + values[1][1:] + values[2][1:] == b"123456789" * 5
    assert following(62, 3) == 1


@given(frames, st.integers(20, 244), st.integers(0, 63))
def test_every_frame_comes_back_at_every_size(frame, value_bytes, number):
    values = fragments(frame, value_bytes, number)
    assert max(map(len, values)) <= value_bytes
    assert join(values) == [frame]


# One frame in 65,536 that was put together wrong has the right CRC: not for chance in a test.
@settings(derandomize=True)
@given(st.lists(frames, min_size=1, max_size=6), st.data())
def test_lost_doubled_and_moved_values_give_no_frame_that_was_not_sent(sent, data):
    values, number = [], 0
    for frame in sent:
        made = fragments(frame, 20, number)
        number = following(number, len(made))
        values += made
    order = data.draw(st.lists(st.sampled_from(range(len(values))), max_size=80))
    for frame in join([values[at] for at in order]):
        assert frame in sent
    # Whatever came, the next whole frame is whole.
    reassembler = Reassembler()
    join([values[at] for at in order], reassembler)
    assert join(fragments(b"whole", 20, 7), reassembler) == [b"whole"]


def test_a_lost_run_of_exactly_64_values_joins_nothing():
    one = fragments(bytes(range(200)) * 6, 20, 0)
    two = fragments(bytes(range(200, 0, -1)) * 6, 20, 0)
    assert len(one) > 63 and one[1][0] == two[1][0]
    reassembler = Reassembler()
    assert join(one[:32] + two[32:], reassembler) == []
    assert reassembler.counters["gaps"] == 0 and reassembler.counters["bad_crc"] == 1


@given(st.lists(st.binary(max_size=30), max_size=50))
def test_arbitrary_values_raise_nothing_and_keep_little(values):
    reassembler = Reassembler()
    for value in values:
        frame = reassembler.receive(value)
        assert frame is None or 0 < len(frame) <= MAX_FRAME_BYTES
    assert len(reassembler._frame or b"") <= MAX_FRAME_BYTES


@pytest.mark.parametrize(
    ("values", "counter"),
    [
        ([b""], "empty"),
        ([b"\x80"], "empty"),
        ([b"\x80\x00"], "empty"),
        ([b"\xc0\xff\xff"], "empty"),
        ([b"\x41x"], "orphans"),
        ([b"\x80\x00\x00x", b"\x42y"], "gaps"),
        ([b"\xc0\x00\x00x"], "bad_crc"),
        ([b"\x80\x00\x00" + bytes(1000), b"\x41" + bytes(281)], "too_long"),
    ],
)
def test_what_is_dropped_is_counted(values, counter):
    reassembler = Reassembler()
    assert join(values, reassembler) == []
    assert reassembler.counters[counter] == 1
    assert join(fragments(b"next", 20, 9), reassembler) == [b"next"]


def test_a_new_connection_begins_anew():
    reassembler = Reassembler()
    values = fragments(bytes(30), 20, 0)
    reassembler.receive(values[0])
    reassembler.reset()
    assert join(values[1:], reassembler) == []
    reassembler.reset()
    assert join(fragments(b"first", 20, 40), reassembler) == [b"first"]
    assert reassembler.counters["gaps"] == 0


@given(st.lists(st.booleans(), min_size=80, max_size=80), st.lists(frames, min_size=3, max_size=3))
def test_a_lost_value_costs_its_own_frame_and_no_other(kept, sent):
    number, got, wanted = 0, [], []
    reassembler = Reassembler()
    for at, frame in enumerate(sent):
        values = fragments(frame, 50, number)
        number = following(number, len(values))
        keep = kept[at::3]
        if all(keep[: len(values)]):
            wanted.append(frame)
        got += join(
            [v for v, one in zip(values, keep + [True] * 80, strict=False) if one], reassembler
        )
    assert got == wanted


def test_a_peer_that_cuts_a_frame_as_small_as_it_can_is_heard():
    values = [b"\x80" + crc_by_definition(b"abc").to_bytes(2, "big"), b"\x01a", b"\x02b", b"\x43c"]
    assert join(values) == [b"abc"]


def test_counters_may_be_shared():
    counters = {"frames": 3, "connections": 1}
    one, two = Reassembler(9, counters), Reassembler(9, counters)
    join(fragments(b"a", 20, 0), one)
    join(fragments(b"b", 20, 0), two)
    assert counters["frames"] == 5 and counters["connections"] == 1 and counters["gaps"] == 0


@pytest.mark.parametrize(("frame", "value_bytes"), [(b"", 20), (b"a", 19), (b"a", 0)])
def test_what_cannot_be_cut_is_the_callers_error(frame, value_bytes):
    with pytest.raises(CallerError, match="a frame has a byte"):
        fragments(frame, value_bytes, 0)
