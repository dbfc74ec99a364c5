"""The L3 codec: golden vectors, round trips, arbitrary bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from msgin5g import l3
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from tests.conformance.plugin import load_catalogue
from tests.mpy import check_l3 as vectors

FOLDER = Path(__file__).parents[1] / "vectors" / "l3"
VECTORS = vectors.load(str(FOLDER))
ID, UUID, OTHER = bytes(range(6)), bytes(range(16)), bytes(range(16, 32))
BUILDERS = {
    *("registration_request", "registration_accept", "registration_reject"),
    *("deregistration_request", "deregistration_accept", "deregistration_reject"),
    *("message_sending_request", "message_sending_response"),
    *("message_received_request", "message_received_response"),
    *("delivery_report_sending_request", "delivery_report_received_request"),
}

payloads = st.binary(max_size=300)
uuids = st.binary(min_size=16, max_size=16)
utf8 = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
targets = st.one_of(
    st.tuples(st.just("ipv4"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("ipv6"), st.ip_addresses(v=6).map(lambda one: str(one.compressed))),
    st.tuples(st.just("fqdn"), st.one_of(utf8, st.text("a.-:", min_size=1, max_size=20))),
)


def vector_params():
    for vector in VECTORS:
        yield pytest.param(
            vector, id=vector["name"], marks=[pytest.mark.clause(*vector["clause"])]
        )


@pytest.mark.parametrize("vector", list(vector_params()))
def test_vector(vector):
    assert vectors.check(vector) == ""


def test_vectors_are_named_after_their_files():
    names = [path.stem for path in sorted(FOLDER.glob("*.json"))]
    assert names == [json.loads((FOLDER / f"{name}.json").read_text())["name"] for name in names]


def test_every_builder_and_every_row_of_the_codec_has_a_vector():
    assert {one["build"]["function"] for one in VECTORS if "build" in one} == BUILDERS
    codec = {one for one in load_catalogue() if one.startswith("A.2")}
    assert {one for vector in VECTORS for one in vector["clause"]} == codec


@pytest.mark.clause("A.2")
def test_no_message_can_be_cut_anywhere_in_its_mandatory_part():
    frames = {}
    for vector in VECTORS:
        if "error" not in vector:
            frame = bytes.fromhex(vector["frame"])
            if len(frame) < len(frames.get(frame[0], frame + b"x")):
                frames[frame[0]] = frame
    assert sorted(frames) == list(range(1, 13))
    for frame in frames.values():
        for size in range(len(frame)):
            with pytest.raises(BadMessage):
                l3.decode(frame[:size])


def build(message):
    """Build what a decoded message is."""
    kind = message.type
    if kind == l3.REGISTRATION_REQUEST:
        return l3.registration_request(message.application_id, message.credential)
    if kind == l3.REGISTRATION_ACCEPT:
        return l3.registration_accept(message.registration_id)
    if kind == l3.REGISTRATION_REJECT:
        return l3.registration_reject(message.cause)
    if kind == l3.DEREGISTRATION_REQUEST:
        return l3.deregistration_request(message.registration_id)
    if kind == l3.DEREGISTRATION_ACCEPT:
        return l3.deregistration_accept(message.registration_id)
    if kind == l3.DEREGISTRATION_REJECT:
        return l3.deregistration_reject(message.cause)
    if kind == l3.MESSAGE_SENDING_REQUEST:
        return l3.message_sending_request(
            *(message.target_type, message.target, message.message_id, message.payload),
            *(message.application_id, message.report),
        )
    if kind == l3.MESSAGE_RECEIVED_REQUEST:
        return l3.message_received_request(
            *(message.message_id, message.payload, message.originator, message.group),
            *(message.report, message.priority),
        )
    if kind == l3.MESSAGE_SENDING_RESPONSE:
        return l3.message_sending_response(message.success, message.cause)
    if kind == l3.MESSAGE_RECEIVED_RESPONSE:
        return l3.message_received_response(message.success, message.cause)
    make = l3.delivery_report_sending_request
    if kind == l3.DELIVERY_REPORT_RECEIVED_REQUEST:
        make = l3.delivery_report_received_request
    return make(message.success, message.message_id, message.reply_to)


@given(st.binary(max_size=400))
@example(bytes.fromhex("02015806"))
@example(bytes.fromhex("04017b07"))
def test_arbitrary_bytes_raise_nothing_but_bad_message(frame):
    try:
        message = l3.decode(frame)
    except BadMessage as problem:
        assert problem.key and len(str(problem)) <= 120
    else:
        assert vectors.describe(l3.decode(build(message))) == vectors.describe(message)


@given(st.integers(1, 12), st.binary(max_size=200))
def test_bytes_behind_a_known_type_raise_nothing_but_bad_message(kind, rest):
    test_arbitrary_bytes_raise_nothing_but_bad_message.hypothesis.inner_test(bytes((kind,)) + rest)


@given(
    st.sampled_from([None, "UE", "GROUP", "AS"]),
    targets,
    uuids,
    payloads,
    st.none() | st.integers(0, 0xFFFF),
    st.none() | st.booleans(),
)
def test_sending_requests_come_back(kind, target, message_id, payload, application, report):
    frame = l3.message_sending_request(kind, target, message_id, payload, application, report)
    got = l3.decode(frame)
    assert (got.target_type, got.message_id, got.payload) == (kind, message_id, payload)
    assert (got.application_id, got.report, got.target) == (application, report, target)


@given(
    uuids,
    payloads,
    st.none() | utf8,
    st.none() | utf8,
    st.none() | st.booleans(),
    st.sampled_from([None, "LOW", "MEDIUM", "HIGH"]),
)
def test_received_requests_come_back(message_id, payload, originator, group, report, priority):
    frame = l3.message_received_request(message_id, payload, originator, group, report, priority)
    got = l3.decode(frame)
    assert (got.message_id, got.payload, got.originator) == (message_id, payload, originator)
    assert (got.group, got.report, got.priority) == (group, report, priority)


@given(st.integers(0, 0xFFFF), st.binary(min_size=1, max_size=65535))
def test_registration_requests_come_back(application, credential):
    got = l3.decode(l3.registration_request(application, credential))
    assert (got.application_id, got.credential) == (application, credential)


def test_a_registration_takes_3_to_20_octets():
    frames = [
        l3.registration_request(4660, b"s3cret-of-12"),
        l3.registration_accept(ID),
        l3.registration_reject(1),
        l3.deregistration_request(ID),
        l3.deregistration_accept(ID),
        l3.deregistration_reject(7),
    ]
    assert [len(one) for one in frames] == [17, 7, 2, 7, 7, 2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: l3.registration_request(65536, b"x"),
        lambda: l3.registration_request(-1, b"x"),
        lambda: l3.registration_request("1", b"x"),
        lambda: l3.registration_request(1.0, b"x"),
        lambda: l3.registration_request(1, b""),
        lambda: l3.registration_request(1, "text"),
        lambda: l3.registration_request(1, None),
        lambda: l3.registration_request(1, bytes(65536)),
        lambda: l3.registration_accept(bytes(5)),
        lambda: l3.registration_accept("abcdef"),
        lambda: l3.registration_accept(None),
        lambda: l3.registration_reject(0),
        lambda: l3.registration_reject(8),
        lambda: l3.registration_reject([]),
        lambda: l3.deregistration_reject(True),
        lambda: l3.deregistration_request(b""),
        lambda: l3.message_sending_response(True, 1),
        lambda: l3.message_sending_request("X", ("ipv4", "1.2.3.4"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3.256"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1::2::3"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "::g"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1:2:3:4:5:6:7:+8"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1:2:3:4:5:6:7: 8"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1:2:3:4:5:6:7"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1:2:3:4:5:6:7:00008"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("fqdn", ""), UUID, b""),
        lambda: l3.message_sending_request("UE", ("fqdn", "a." * 127), UUID, b""),
        lambda: l3.message_sending_request("UE", ("fqdn", "half \ud800"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3.4"), UUID, bytes(65536)),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3.4"), UUID, "text"),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3.4"), UUID, b"", 65536),
        lambda: l3.message_sending_request("UE", ("fqdn", "x" * 254), UUID, b""),
        lambda: l3.message_sending_request("UE", ("e164", "123"), UUID, b""),
        lambda: l3.message_received_request(bytes(15), b""),
        lambda: l3.message_received_request("x" * 16, b""),
        lambda: l3.message_received_request(UUID, bytes(65536)),
        lambda: l3.message_received_request(UUID, b"", originator=""),
        lambda: l3.message_received_request(UUID, b"", originator="x" * 256),
        lambda: l3.message_received_request(UUID, b"", originator="\ud800"),
        lambda: l3.message_received_request(UUID, b"", group="ü" * 128),
        lambda: l3.message_received_request(UUID, b"", priority="NORMAL"),
        lambda: l3.delivery_report_sending_request(True, UUID, OTHER[:-1]),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(make):
    with pytest.raises(CallerError):
        make()


def test_a_frame_is_told_from_coap_by_its_first_octet():
    assert [one for one in range(256) if l3.is_l3(one)] == list(range(1, 13))
