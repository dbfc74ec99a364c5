"""The L3 codec: golden vectors, round trips, arbitrary bytes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import l3
from msgin5g.errors import BadMessage, CallerError

VECTORS = [
    json.loads(path.read_text()) for path in sorted(Path("tests/vectors/l3").glob("*.json"))
]
GOOD = [one for one in VECTORS if "fields" in one]
BAD = [one for one in VECTORS if "key" in one]
ID, UUID, OTHER = bytes(range(6)), bytes(range(16)), bytes(range(16, 32))
FIELDS = [name for name in vars(l3.L3Message) if not name.startswith("_")]
# What no vector's canonical form is: the builder writes the strict one.
NOT_BUILT = (
    "unknown",
    "reserved",
    "repeated",
    "order",
    "spare",
    "bit-8",
    "root",
    "medium",
    "cause-0",
    "111",
)

payloads = st.binary(max_size=300)
uuids = st.binary(min_size=16, max_size=16)
utf8 = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)
labels = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="."), min_size=1, max_size=15
)
targets = st.one_of(
    st.tuples(st.just("ipv4"), st.ip_addresses(v=4).map(str)),
    st.tuples(st.just("ipv6"), st.ip_addresses(v=6).map(lambda one: str(one.compressed))),
    st.tuples(st.just("fqdn"), st.lists(labels, min_size=1, max_size=3).map(".".join)),
)


def shown(message):
    out = {}
    for name in FIELDS:
        value = getattr(message, name)
        if value is not None:
            value = value.hex() if isinstance(value, bytes) else value
            out[name] = list(value) if isinstance(value, tuple) else value
    return out


@pytest.mark.clause(
    *("A.2.1.1", "A.2.1.2", "A.2.1.3", "A.2.1.4", "A.2.1.5", "A.2.1.6", "A.2.1.7", "A.2.1.8"),
    *("A.2.1.9", "A.2.1.10", "A.2.1.11", "A.2.1.12", "A.2.2.2", "A.2.2.3", "A.2.2.4", "A.2.2.5"),
    *("A.2.2.6", "A.2.2.7", "A.2.2.8", "A.2.2.9", "A.2.2.10", "A.2.2.11-group", "A.2.2.13"),
    *("A.2.2.11-result", "A.2.2.15", "A.2.2.16", "A.2.2.17", "A.2.2.17-other", "A.2.2.18"),
)
@pytest.mark.parametrize("vector", GOOD, ids=lambda one: one["name"])
def test_a_good_frame_is_read(vector):
    assert shown(l3.decode(bytes.fromhex(vector["frame"]))) == vector["fields"]


@pytest.mark.clause("A.2", "A.2.2.1-rsv", "A.2.2.2-rsv")
@pytest.mark.parametrize("vector", BAD, ids=lambda one: one["name"])
def test_a_bad_frame_is_refused_by_the_element_at_fault(vector):
    with pytest.raises(BadMessage) as problem:
        l3.decode(bytes.fromhex(vector["frame"]))
    assert problem.value.key == vector["key"]


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


@pytest.mark.clause("A.2.2.1")
@pytest.mark.parametrize("vector", GOOD, ids=lambda one: one["name"])
def test_what_was_read_is_built_again(vector):
    frame = bytes.fromhex(vector["frame"])
    built = build(l3.decode(frame))
    if not any(word in vector["name"] for word in NOT_BUILT):
        assert built == frame
    assert shown(l3.decode(built)) == vector["fields"]


@pytest.mark.clause("A.2.1.1-opt", "A.2.1.3-opt", "A.2.1.5-opt", "A.2.1.6-opt")
def test_optional_elements_follow_in_the_order_of_the_tables():
    frame = l3.message_sending_request("AS", ("ipv4", "192.0.2.1"), UUID, b"x", 7, True)
    assert frame[-5:] == bytes.fromhex("0a0007b1d2")
    frame = l3.message_received_request(UUID, b"x", "a", "g", True, "HIGH")
    assert frame[-8:] == bytes.fromhex("0f01610e0167b1c2")
    assert l3.message_sending_response(False, 6) == bytes.fromhex("02005806")
    assert l3.message_received_response(False, 7) == bytes.fromhex("04005807")


@pytest.mark.parametrize("frame", ["02005806", "02007b06", "04000106"])
def test_a_failure_reason_is_known_by_its_place(frame):
    assert l3.decode(bytes.fromhex(frame)).cause == 6


@pytest.mark.clause("A.2.2.2-v4", "A.2.2.2-fqdn")
@pytest.mark.parametrize(
    ("target", "element"),
    [
        (("ipv4", "192.0.2.1"), "0501c0000201"),
        (("ipv6", "2001:db8::1"), "110220010db8000000000000000000000001"),
        (("fqdn", "ue1.example"), "0d0303756531076578616d706c65"),
    ],
)
def test_the_forms_of_a_target_address(target, element):
    frame = l3.message_sending_request("UE", target, UUID, b"")
    assert frame[1:-19] == bytes.fromhex(element)


@given(st.binary(max_size=400))
def test_arbitrary_bytes_raise_nothing_but_bad_message(frame):
    try:
        message = l3.decode(frame)
    except BadMessage as problem:
        assert problem.key and len(str(problem)) <= 120
    else:
        assert shown(l3.decode(build(message))) == shown(message)


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
        lambda: l3.registration_request(1, b""),
        lambda: l3.registration_request(1, bytes(65536)),
        lambda: l3.registration_accept(bytes(5)),
        lambda: l3.registration_reject(8),
        lambda: l3.deregistration_request(b""),
        lambda: l3.message_sending_response(True, 1),
        lambda: l3.message_sending_request("X", ("ipv4", "1.2.3.4"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv4", "1.2.3.256"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "1::2::3"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("ipv6", "::g"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("fqdn", "a..b"), UUID, b""),
        lambda: l3.message_sending_request("UE", ("fqdn", "x" * 254), UUID, b""),
        lambda: l3.message_sending_request("UE", ("e164", "123"), UUID, b""),
        lambda: l3.message_received_request(bytes(15), b""),
        lambda: l3.message_received_request(UUID, b"", originator="x" * 256),
        lambda: l3.message_received_request(UUID, b"", priority="NORMAL"),
        lambda: l3.delivery_report_sending_request(True, UUID, OTHER[:-1]),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(make):
    with pytest.raises(CallerError):
        make()


def test_a_frame_is_told_from_coap_by_its_first_octet():
    assert [one for one in range(256) if l3.is_l3(one)] == list(range(1, 13))
