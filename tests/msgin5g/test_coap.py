"""The CoAP codec: golden vectors, round trips, hostile bytes, agreement with aiocoap."""

import json
from pathlib import Path

import aiocoap
import pytest
from aiocoap.message import Direction
from hypothesis import example, given
from hypothesis import strategies as st

from msgin5g import coap
from msgin5g.coap import FormatError, decode, encode, encode_options
from msgin5g.codes import code_text
from msgin5g.errors import CallerError
from msgin5g.exchange import REQUEST, Endpoint

FOLDER = Path(__file__).parents[1] / "vectors" / "coap"
VECTORS = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
PEER = ("192.0.2.1", 5683)

messages = st.tuples(
    st.integers(0, 3),
    st.integers(1, 255),
    st.integers(0, 65535),
    st.binary(max_size=8),
    st.lists(
        st.tuples(st.integers(0, 65535), st.binary(max_size=300)), max_size=coap.MAX_OPTIONS
    ).map(lambda options: sorted(options, key=lambda option: option[0])),
    st.binary(max_size=64),
)


def fields(message):
    return (
        message.type,
        message.code,
        message.mid,
        bytes(message.token),
        [(number, bytes(value)) for number, value in message.options],
        bytes(message.payload),
    )


def expected_fields(vector):
    wanted = vector["message"]
    return (
        wanted["type"],
        wanted["code"],
        wanted["mid"],
        bytes.fromhex(wanted["token"]),
        [(number, bytes.fromhex(value)) for number, value in wanted["options"]],
        bytes.fromhex(wanted["payload"]),
    )


def named(vectors):
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 50
    assert all(("message" in one) != ("error" in one) for one in VECTORS)
    assert all(clause.startswith("RFC 7252 ") for one in VECTORS for clause in one["clause"])


@pytest.mark.clause("6.1-coap")
@named([vector for vector in VECTORS if "message" in vector])
def test_rfc7252_3_well_formed(vector) -> None:
    data = bytes.fromhex(vector["hex"])
    assert fields(decode(data)) == expected_fields(vector)
    assert fields(decode(memoryview(data))) == expected_fields(vector)
    assert (encode(*expected_fields(vector)) == data) == vector["canonical"]


@named([vector for vector in VECTORS if "error" in vector])
def test_rfc7252_4_2_message_format_error(vector) -> None:
    with pytest.raises(FormatError) as caught:
        decode(bytes.fromhex(vector["hex"]))
    assert str(caught.value) == vector["error"]


@named(VECTORS)
def test_rfc7252_4_2_reaction(vector) -> None:
    data = bytes.fromhex(vector["hex"])
    endpoint = Endpoint(lambda n: 0)
    endpoint.receive(data, PEER, 1000)
    event = endpoint.next_event()
    out = endpoint.poll(1000)
    reaction = vector["reaction"]
    if reaction == "request":
        assert event is not None and event[0] == REQUEST
        wanted = vector.get("delivered_options", vector["message"]["options"])
        got = [[number, bytes(value).hex()] for number, value in event[1].message.options]
        assert got == wanted
        assert out == []
        return
    assert event is None
    if reaction == "silence":
        assert out == []
        return
    ((answer, peer),) = out
    assert peer == PEER
    if reaction == "rst":
        assert answer == b"\x70\x00" + data[2:4]
        return
    message = decode(answer)
    assert code_text(message.code) == reaction
    assert (message.type, message.mid) == (coap.ACK, data[2] << 8 | data[3])
    assert message.token == data[4 : 4 + (data[0] & 15)]
    if reaction == "4.13":
        assert message.uint(coap.SIZE1) == endpoint.params.max_datagram_bytes


@given(messages)
def test_rfc7252_3_round_trip(message) -> None:
    data = encode(*message)
    assert fields(decode(data)) == message
    kind, code, mid, token, options, payload = message
    buffer = bytearray(len(data))
    size = encode(kind, code, mid, token, encode_options(options), payload, buffer)
    assert buffer[:size] == data
    with pytest.raises(CallerError):
        encode(kind, code, mid, token, options, payload, buffer[1:])


@given(messages, messages)
def test_a_reused_message_holds_nothing_of_the_one_before(first, second) -> None:
    message = decode(encode(*first))
    again = decode(encode(*second), message)
    assert again is message
    assert fields(again) == second


@given(st.binary(max_size=80))
@example(b"")
@example(b"\x40")
@example(b"\x4f\x01\x00\x00")
def test_rfc7252_4_2_arbitrary_bytes_decode_or_are_a_format_error(data) -> None:
    try:
        message = decode(data)
    except FormatError as problem:
        assert 0 < len(str(problem)) < 80
    else:
        assert encode(*fields(message)) == data


@given(messages, st.data())
def test_rfc7252_4_2_damaged_messages_decode_or_are_a_format_error(message, pick) -> None:
    data = bytearray(encode(*message))
    for _ in range(pick.draw(st.integers(1, 4))):
        data[pick.draw(st.integers(0, len(data) - 1))] = pick.draw(st.integers(0, 255))
    data = bytes(data[: pick.draw(st.integers(0, len(data)))])
    try:
        again = decode(data)
    except FormatError:
        return
    assert encode(*fields(again)) == data


def uint_bytes(limit):
    return st.integers(0, limit).map(coap.uint)


text = st.text(max_size=20).map(str.encode)
# Options whose value aiocoap takes apart are given values of their format.
known_options = st.one_of(
    st.tuples(st.sampled_from((3, 8, 11, 15, 20, 39)), text),
    st.tuples(st.sampled_from((7, 12, 17)), uint_bytes(0xFFFF)),
    st.tuples(st.sampled_from((14, 28, 60)), uint_bytes(0xFFFFFFFF)),
    st.tuples(st.sampled_from((1, 4)), st.binary(min_size=1, max_size=8)),
    st.tuples(st.integers(3000, 65535), st.binary(max_size=300)),
)


@pytest.mark.clause("6.1-coap")
@given(
    st.integers(0, 3),
    st.sampled_from((1, 2, 3, 4, 0x41, 0x44, 0x45, 0x84, 0xA0)),
    st.integers(0, 65535),
    st.binary(max_size=8),
    st.lists(known_options, max_size=12).map(lambda one: sorted(one, key=lambda o: o[0])),
    st.binary(max_size=64),
)
def test_rfc7252_3_aiocoap_reads_the_same(kind, code, mid, token, options, payload) -> None:
    data = encode(kind, code, mid, token, options, payload)
    theirs = aiocoap.Message.decode(data)
    assert (int(theirs.mtype), int(theirs.code), theirs.mid) == (kind, code, mid)
    assert (theirs.token, theirs.payload) == (token, payload)
    listed = [(int(option.number), option.encode()) for option in theirs.opt.option_list()]
    assert listed == options
    theirs.direction = Direction.OUTGOING
    assert theirs.encode() == data
    assert fields(decode(theirs.encode())) == (kind, code, mid, token, options, payload)


def test_path_and_uint() -> None:
    options = [(11, b"a"), (11, b"b c"), (12, b"\x00\x32"), (60, b"")]
    message = decode(encode(coap.CON, coap.POST, 1, b"", options))
    assert message.uri_path() == "a/b c"
    assert message.uint(coap.CONTENT_FORMAT) == 50
    assert message.uint(coap.SIZE1) == 0
    assert message.uint(coap.ACCEPT) is None
    assert decode(encode(coap.CON, coap.POST, 1)).uri_path() == ""
    assert decode(encode(coap.CON, coap.POST, 1, b"", [(11, b"\xff")])).uri_path() is None


@pytest.mark.parametrize(
    ("value", "wanted"), [(0, b""), (1, b"\1"), (255, b"\xff"), (256, b"\1\0"), (65536, b"\1\0\0")]
)
def test_rfc7252_3_2_uint_without_leading_zeros(value, wanted) -> None:
    assert coap.uint(value) == wanted


def test_code_text() -> None:
    assert [code_text(code) for code in (0, 1, 0x44, 0x5F, 0x8D, 0xA5)] == [
        "0.00",
        "0.01",
        "2.04",
        "2.31",
        "4.13",
        "5.05",
    ]


@pytest.mark.parametrize(
    ("token", "options"),
    [
        (b"123456789", []),
        (b"", [(12, b""), (11, b"")]),
        (b"", [(65536, b"")]),
        (b"", [(65535, b""), (65536, b"")]),
        (b"", [(70000, b"")]),
        (b"", [(2, bytes(65536 + 269))]),
    ],
)
def test_the_callers_errors_are_said_at_once(token, options) -> None:
    with pytest.raises(CallerError):
        encode(coap.CON, coap.GET, 1, token, options)
