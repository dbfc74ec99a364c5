"""The CoAP form of MSGin5G-5 (Annex A.3): golden vectors, round trips, what a peer may send."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from msgin5g import app_client, l3, registration
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_JSON_DEPTH
from msgin5g.payload_errors import BadMessage
from tests.conformance.plugin import load_catalogue
from tests.mpy import check_app_client as vectors
from tests.mpy import check_l3

FOLDERS = Path(__file__).parents[1] / "vectors"
FOLDER = FOLDERS / "app_client"
VECTORS = check_l3.load(str(FOLDER))
SERVICE = "urn:msgin5g:service"
ID = bytes.fromhex("0123456789ab")
UUID, OTHER = bytes(range(16)), bytes(range(16, 32))
PARSERS = {
    *("is_app_object", "is_app_request", "parse_answer", "parse_object", "parse_request"),
    *("from_text", "to_text", "uuid_bytes", "uuid_text"),
}

uuids = st.binary(min_size=16, max_size=16)
numbers = st.none() | st.integers(0, 0xFFFF)
payloads = st.one_of(
    st.binary(max_size=100),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60).map(str.encode),
    st.binary(max_size=20).map(lambda data: b"data:;base64," + data),
)
texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
words = st.one_of(
    st.sampled_from(["UE", "SUCCESS", "HIGH", "7", "0123456789ab", "data:;base64,QQ==", ""]),
    st.just("00010203-0405-0607-0809-0a0b0c0d0e0f"),
    texts,
)
values = st.recursive(
    scalars | words,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["destAddrType", "addr", "x"]), inner, max_size=3),
    ),
    max_leaves=6,
)
KEYS = (
    *("msgIden", "appId", "credential", "registrationID", "registration ID", "msgId", "result"),
    *("reply2msgId", "deliveryStatus", "destAddr", "payload", "isDelivStatReq", "oriAddr"),
    *("groupId", "priority", "failReason", "failure reason", "cause"),
)
TYPES = (
    *("REG", "DEREG", "MESSAGE SENDING REQEUST", "MESSAGE RECEIVED REQUEST"),
    *("MESSAGE SENDING RESPONSE", "MESSAGE RECEIVED RESPONSE"),
    *("DELIVERY REPORT SENDING REQUEST", "DELIVERY REPORT RECEIVED REQUEST"),
)
objects = st.builds(
    lambda kind, rest: {"msgType": kind, **rest},
    st.sampled_from(TYPES) | values,
    st.dictionaries(st.sampled_from(KEYS), values, max_size=8),
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


def test_every_builder_and_every_schema_has_a_vector():
    built = {one["build"]["function"] for one in VECTORS if "build" in one}
    assert built == {one for one in app_client.__all__ if one[0].islower()} - PARSERS
    schemas = {one for one in load_catalogue() if one.startswith("A.3.2.")}
    assert {one for vector in VECTORS for one in vector["clause"]} == schemas


def ue_payloads():
    for folder in ("registration", "message"):
        for path in sorted((FOLDERS / folder).glob("*.json")):
            one = json.loads(path.read_text())
            if one["kind"] != "answer" and "payload" in one:
                yield pytest.param(one["payload"].encode(), id=f"{folder}/{path.stem}")


@pytest.mark.parametrize("payload", list(ue_payloads()))
def test_no_request_of_a_ue_is_taken_for_an_applications(payload):
    assert not app_client.is_app_request(payload)


@pytest.mark.parametrize(
    "value",
    [
        {"msgType": "MSG", "oriAddr": {}, "appId": "7", "payload": "MESSAGE SENDING REQUEST"},
        {"msgType": "MSG", "oriAddr": {}, "appId": "7", "payload": "MESSAGE RECEIVED REQUEST"},
        {"msgType": "SEGREC", "segId": "registration ID", "segNoList": "(1-2)"},
        {"msgType": "SEGCONFIR", "segId": '"appId" \\u0041'},
        {"msgType": "REG", "oriAddr": {"oriAddrType": "UE", "addr": "urn:a"}, "appId": "7"},
        {"msgType": "DEREG", "oriAddr": {}, "registrationID": "0123456789ab"},
        {"msgType": "DEREG", "deregReqNum": 0, "deregReqList": [], "x": "registration"},
        {"msgType": "IMDN", "oriAddr": {}, "Cause": " SENDING  RECEIVED "},
        {"appId": "7"},
    ],
)
def test_what_a_text_looks_like_does_not_matter(value):
    assert not app_client.is_app_request(json.dumps(value).encode())
    assert not app_client.is_app_object(value)


def test_a_ue_is_told_whether_or_not_the_json_is_read():
    ours = [
        app_client.registration(SERVICE, 1, b"x"),
        app_client.deregistration(SERVICE, ID),
        app_client.sending_request("UE", "urn:a", UUID, b""),
        app_client.report_sending_request(True, UUID, OTHER),
    ]
    theirs = [
        registration.reg("urn:example:ue:1", SERVICE, False),
        registration.reg("urn:example:registration:1", SERVICE, False),
        registration.dereg("urn:example:ue:1", SERVICE),
        registration.gwreg("urn:example:ue:1", SERVICE),
        b"{}",
        b"",
    ]
    for payload in ours:
        assert app_client.is_app_request(payload)
        assert app_client.is_app_object(json.loads(payload))
        assert app_client.is_app_request(memoryview(payload))
    assert not any(app_client.is_app_request(one) for one in theirs)


def test_a_value_that_was_read_is_not_read_again():
    value = json.loads(app_client.registration(SERVICE, 4660, b"s3cret"))
    got = app_client.parse_object(value)
    assert (got.msg_type, got.application_id, got.credential) == ("REG", 4660, b"s3cret")


@given(objects | values)
@example({"msgType": []})
@example({"msgType": {}})
@example({"msgType": "MESSAGE SENDING REQEUST", "destAddr": {"destAddrType": []}})
@example({"msgType": "REG", "appId": 10**400})
@example({"msgType": "REG", "appId": 1e300})
def test_any_json_raises_nothing_but_bad_message(value):
    for read in (app_client.parse_object, lambda one: app_client.parse_answer(text_of(one))):
        try:
            read(value)
        except BadMessage as problem:
            assert len(str(problem)) <= 120
    assert app_client.is_app_request(text_of(value)) == app_client.is_app_object(value)


def text_of(value):
    return json.dumps(value, ensure_ascii=False).encode()


@given(st.binary(max_size=300))
@example(b"[" * (MAX_JSON_DEPTH + 1) + b'"appId"')
def test_arbitrary_bytes_raise_nothing_but_bad_message(payload):
    for read in (app_client.parse_request, app_client.parse_answer):
        with pytest.raises(BadMessage):
            read(payload)
    assert not app_client.is_app_request(payload)


@given(st.integers(0, 0xFFFF), payloads.filter(len))
def test_registrations_come_back(application, credential):
    payload = app_client.registration(SERVICE, application, credential)
    got = app_client.parse_request(payload)
    assert (got.application_id, got.credential) == (application, credential)
    assert app_client.is_app_request(payload)


@given(st.sampled_from(["UE", "AS", "GROUP"]), texts, uuids, payloads, numbers, st.booleans())
def test_sending_requests_come_back(kind, target, message_id, payload, application, report):
    sent = app_client.sending_request(kind, target, message_id, payload, application, report)
    got = app_client.parse_request(sent)
    assert (got.target_type, got.target, got.message_id) == (kind, ("fqdn", target), message_id)
    assert (got.payload, got.application_id, got.report) == (payload, application, report)
    assert app_client.is_app_request(sent)


@given(
    uuids,
    payloads,
    st.none() | texts,
    st.none() | texts,
    st.booleans(),
    st.sampled_from([None, "LOW", "MEDIUM", "HIGH"]),
)
def test_received_requests_come_back(message_id, payload, originator, group, report, priority):
    got = app_client.parse_request(
        app_client.received_request(message_id, payload, originator, group, report, priority)
    )
    assert (got.message_id, got.payload, got.originator) == (message_id, payload, originator)
    assert (got.group, got.report, got.priority) == (group, report, priority)


@given(uuids, uuids, st.booleans())
def test_reports_come_back(message_id, reply_to, success):
    for build, kind in (
        (app_client.report_sending_request, l3.DELIVERY_REPORT_SENDING_REQUEST),
        (app_client.report_received_request, l3.DELIVERY_REPORT_RECEIVED_REQUEST),
    ):
        got = app_client.parse_request(build(success, message_id, reply_to))
        assert (got.msg_type, got.success) == (kind, success)
        assert (got.message_id, got.reply_to) == (message_id, reply_to)


@given(st.binary(max_size=100))
def test_octets_survive_as_text(data):
    text = app_client.to_text(data)
    assert app_client.from_text(json.loads(json.dumps(text))) == data


def test_a_text_that_looks_like_octets_is_sent_as_octets():
    data = b"data:;base64,AAAA"
    assert app_client.to_text(data) != data.decode()
    assert app_client.from_text(app_client.to_text(data)) == data


@pytest.mark.parametrize(
    "make",
    [
        lambda: app_client.registration(SERVICE, 65536, b"x"),
        lambda: app_client.registration(SERVICE, -1, b"x"),
        lambda: app_client.registration(SERVICE, "7", b"x"),
        lambda: app_client.registration(SERVICE, 7, b""),
        lambda: app_client.registration("", 7, b"x"),
        lambda: app_client.registration("urn:\ud800", 7, b"x"),
        lambda: app_client.deregistration(SERVICE, b"x"),
        lambda: app_client.deregistration(None, ID),
        lambda: app_client.answer(True),
        lambda: app_client.sending_request("BC", "x", UUID, b""),
        lambda: app_client.sending_request("UE", "", UUID, b""),
        lambda: app_client.sending_request("UE", "x" * 256, UUID, b""),
        lambda: app_client.sending_request("UE", "x\n", UUID, b""),
        lambda: app_client.sending_request("UE", "x", UUID[:-1], b""),
        lambda: app_client.sending_request("UE", "x", UUID, b"", 65536),
        lambda: app_client.received_request(UUID, b"", originator=""),
        lambda: app_client.received_request(UUID, b"", group="x" * 256),
        lambda: app_client.received_request(UUID, b"", priority="NORMAL"),
        lambda: app_client.report_sending_request(True, b"x", UUID),
        lambda: app_client.sending_response(True, "a reason"),
        lambda: app_client.received_response(True, "a reason"),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(make):
    with pytest.raises(CallerError):
        make()
