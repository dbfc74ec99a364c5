"""Frames in ATT values: fragments, gaps, and what must never be joined."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g.ble_framing import MAX_FRAME_BYTES, Reassembler, following, fragments

frames = st.binary(min_size=1, max_size=MAX_FRAME_BYTES)


def join(values, reassembler=None):
    reassembler = reassembler or Reassembler()
    return [frame for value in values if (frame := reassembler.receive(value)) is not None]


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
    assert sum(map(len, reassembler._parts or ())) <= MAX_FRAME_BYTES


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
