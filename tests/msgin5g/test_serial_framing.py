"""Frames on a serial line: golden vectors, round trips, and what a noisy line cannot do."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msgin5g import serial_framing
from msgin5g.errors import CallerError
from msgin5g.serial_framing import END, Deframer, crc16, crc16_by_library, crc16_by_table, encode

FOLDER = Path(__file__).parents[1] / "vectors" / "serial"
VECTORS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
MAX = 1280
COUNTERS = ("frames", "bad_crc", "bad_cobs", "too_long", "too_short")

# Bytes as lines carry them: with many zeros, with none, and around the longest run of 254.
few = st.sampled_from([0, 1, 2, 0xFE, 0xFF])
pieces = st.one_of(
    st.binary(max_size=40),
    st.lists(few, max_size=20).map(bytes),
    st.integers(250, 260).map(lambda size: b"\x55" * size),
    st.integers(1, 4).map(bytes),
)
noise = st.lists(pieces, max_size=6).map(b"".join)
frames = noise.filter(bool).map(lambda frame: frame[:MAX])


def kind(name):
    found = [vector for vector in VECTORS if vector["kind"] == name]
    return pytest.mark.parametrize("vector", found, ids=lambda vector: vector["name"])


def hexed(vector, key):
    return bytes.fromhex(vector[key])


def take(deframer):
    return list(iter(deframer.next_frame, None))


def deframe(*chunks, size=MAX):
    deframer = Deframer(size)
    got = []
    for chunk in chunks:
        deframer.feed(chunk)
        got += take(deframer)
    return got, deframer.counters


def unstuff(line):
    """COBS byte by byte, after its paper; None where a run goes beyond the end."""
    out = bytearray()
    at = 0
    while at < len(line):
        run = line[at]
        if at + run > len(line):
            return None
        out += line[at + 1 : at + run]
        at += run
        if run < 255 and at < len(line):
            out.append(0)
    return bytes(out)


def crc_by_definition(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc


def test_there_are_vectors():
    assert len(VECTORS) >= 35
    assert {vector["kind"] for vector in VECTORS} == {"cobs", "crc", "frame", "stream"}
    names = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert [vector["name"] for vector in VECTORS] == names


@kind("cobs")
def test_cobs(vector):
    data, line = hexed(vector, "data"), hexed(vector, "line")
    assert unstuff(line[:-1]) == data
    assert (serial_framing.stuff(data) == line) is vector["canonical"]


@kind("crc")
@pytest.mark.parametrize("crc", [crc16, crc16_by_library, crc16_by_table, crc_by_definition])
def test_crc(vector, crc):
    assert crc(hexed(vector, "data")) == int(vector["crc"], 16)


def test_the_check_value_of_the_crc():
    assert crc16_by_table(b"123456789") == crc16_by_library(b"123456789") == 0x29B1


@given(noise)
def test_table_and_library_make_the_same_crc(data):
    wanted = crc_by_definition(data)
    assert crc16_by_table(data) == crc16_by_library(data) == wanted
    assert crc16_by_table(memoryview(data)) == wanted


@kind("frame")
def test_frame(vector):
    frame, line = hexed(vector, "frame"), hexed(vector, "line")
    assert encode(frame) == encode(memoryview(frame)) == encode(bytearray(frame)) == line
    assert line.count(0) == 1
    assert deframe(line)[0] == [frame]


@kind("stream")
def test_stream(vector):
    got, counters = deframe(hexed(vector, "line"), size=vector["max_frame_bytes"])
    assert [frame.hex() for frame in got] == vector["frames"]
    assert counters == vector["counters"]


@kind("stream")
def test_stream_byte_by_byte(vector):
    line = hexed(vector, "line")
    chunks = [line[at : at + 1] for at in range(len(line))]
    got, counters = deframe(*chunks, size=vector["max_frame_bytes"])
    assert [frame.hex() for frame in got] == vector["frames"]
    assert counters == vector["counters"]


@given(st.lists(frames, max_size=5))
def test_round_trip(sent):
    got, counters = deframe(b"".join(map(encode, sent)))
    assert got == sent
    assert counters == dict.fromkeys(COUNTERS, 0) | {"frames": len(sent)}


@given(frames)
def test_a_frame_on_the_line_has_one_zero_at_its_end_and_little_overhead(frame):
    line = encode(frame)
    assert line.index(END) == len(line) - 1
    assert unstuff(line[:-1]) == frame + crc_by_definition(frame).to_bytes(2, "big")
    size = len(frame) + 2
    assert size + 2 <= len(line) <= size + 2 + size // 254


@given(st.lists(noise, max_size=6), frames)
def test_after_any_garbage_and_a_zero_the_next_frame_comes_out(garbage, frame):
    deframer = Deframer(MAX)
    for chunk in garbage:
        deframer.feed(chunk)
        take(deframer)
    deframer.feed(END + encode(frame))
    got = take(deframer)
    assert got and got[-1] == frame
    ended = b"".join(garbage).count(0)
    assert sum(deframer.counters.values()) <= ended + 2


@given(
    st.lists(st.one_of(frames.map(encode), noise), max_size=6).map(b"".join),
    st.lists(st.integers(0, 2000), max_size=10),
)
def test_any_split_of_the_stream_gives_the_same_frames(line, cuts):
    cuts = sorted({0, len(line), *(cut for cut in cuts if cut < len(line))})
    chunks = [line[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    whole = deframe(line, size=100)
    assert deframe(*chunks, size=100) == whole
    assert deframe(*map(bytearray, chunks), size=100) == whole
    late = Deframer(100)
    for chunk in chunks:
        late.feed(chunk)
    assert (take(late), late.counters) == whole


# One damaged frame in 65,536 has the right CRC: not a matter for chance in a test.
@settings(derandomize=True)
@given(st.lists(frames, min_size=1, max_size=4), st.data())
def test_a_damaged_frame_is_left_out_and_no_other(sent, data):
    lines = [encode(frame) for frame in sent]
    which = data.draw(st.integers(0, len(sent) - 1))
    line = bytearray(lines[which])
    line[data.draw(st.integers(0, len(line) - 2))] ^= data.draw(st.integers(1, 255))
    lines[which] = bytes(line)
    got, counters = deframe(b"".join(lines))
    assert got == sent[:which] + sent[which + 1 :]
    assert sum(counters.values()) > counters["frames"]


@pytest.mark.parametrize("size", [1, 252, 253, 254, 508, MAX])
@pytest.mark.parametrize("byte", [0, 1, 255])
def test_the_longest_frame_passes_and_one_byte_more_does_not(size, byte):
    longest, longer = bytes([byte]) * size, bytes([byte]) * (size + 1)
    got, counters = deframe(encode(longest) + encode(longer) + encode(longest), size=size)
    assert got == [longest, longest]
    assert counters["too_long"] == 1


def test_memory_is_bounded_on_an_endless_line():
    deframer = Deframer(64)
    held = len(deframer._buffer)
    for byte in (b"\x01", b"\x41", b"\xff"):
        for _ in range(100):
            deframer.feed(byte * 1000)
            assert deframer.next_frame() is None
        assert len(deframer._buffer) == held and not deframer._input
    deframer.feed(END + encode(b"next"))
    assert take(deframer) == [b"next"]
    assert deframer.counters == dict.fromkeys(COUNTERS, 0) | {"frames": 1, "too_long": 1}


def test_what_is_given_out_does_not_change_afterwards():
    deframer = Deframer(64)
    chunk = bytearray(encode(b"first"))
    deframer.feed(memoryview(chunk))
    first = deframer.next_frame()
    chunk[:] = bytes(len(chunk))
    deframer.feed(encode(b"second"))
    assert (first, deframer.next_frame()) == (b"first", b"second")


def test_reset_forgets_half_a_frame():
    deframer = Deframer(64)
    for half in (encode(b"half")[:-2], b"x" * 500):
        deframer.feed(half)
        assert deframer.next_frame() is None
        deframer.reset()
        deframer.feed(encode(b"whole"))
        assert take(deframer) == [b"whole"]
    deframer.feed(encode(b"one"))
    deframer.reset()
    assert take(deframer) == []


def test_an_empty_frame_is_the_callers_error():
    with pytest.raises(CallerError, match="empty"):
        encode(b"")
