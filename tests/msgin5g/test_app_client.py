"""The CoAP form of MSGin5G-5 (Annex A.3): what is sent, and every spelling that is taken."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import app_client, l3
from msgin5g.errors import BadMessage, CallerError

SERVICE = "urn:msgin5g:service"
ID = bytes.fromhex("0123456789ab")
UUID, OTHER = bytes(range(16)), bytes(range(16, 32))
TEXT = "00010203-0405-0607-0809-0a0b0c0d0e0f"
SENDING = {
    "msgType": "MESSAGE SENDING REQEUST",
    "appId": "7",
    "msgId": TEXT,
    "isDelivStatReq": True,
    "destAddr": {"destAddrType": "UE", "addr": "urn:example:ue:1"},
    "payload": "21.5",
}


def body(payload):
    return json.loads(payload)


def parse(value):
    return app_client.parse_request(json.dumps(value).encode())


@pytest.mark.clause("A.3.2.7-req")
def test_a_registration_has_its_four_keys():
    payload = app_client.registration(SERVICE, 4660, b"s3cret")
    assert list(body(payload).items()) == [
        ("msgIden", SERVICE),
        ("msgType", "REG"),
        ("appId", "4660"),
        ("credential", "s3cret"),
    ]
    got = app_client.parse_request(payload)
    assert (got.msg_type, got.application_id, got.credential) == ("REG", 4660, b"s3cret")
    assert got.service_id == SERVICE


def test_keys_of_the_printed_list_that_have_no_property_are_not_looked_at():
    value = body(app_client.registration(SERVICE, 1, b"x"))
    got = parse({**value, "msgId": 5, "l2ID": [], "appID": None})
    assert got.application_id == 1


@pytest.mark.clause("A.3.2.8-req")
@pytest.mark.parametrize("key", ["registrationID", "RegistrationID", "registration ID"])
def test_a_deregistration_is_taken_in_every_spelling(key):
    payload = app_client.deregistration(SERVICE, ID)
    assert body(payload) == {
        "msgIden": SERVICE,
        "msgType": "DEREG",
        "registrationID": "0123456789ab",
    }
    value = body(payload)
    value[key] = value.pop("registrationID").upper()
    assert parse(value).registration_id == ID


@pytest.mark.clause("A.3.2.7-resp", "A.3.2.8-resp")
def test_an_answer_has_an_id_or_a_reason():
    assert body(app_client.answer(True, registration_id=ID)) == {
        "result": True,
        "registration ID": "0123456789ab",
    }
    assert body(app_client.answer(False, reason="no")) == {
        "result": False,
        "failure reason": "no",
    }
    got = app_client.parse_answer(app_client.answer(True, registration_id=ID))
    assert (got.result, got.registration_id, got.cause) == (True, ID, None)


@pytest.mark.parametrize("key", ["failure reason", "failureReason", "cause", "Cause"])
def test_a_reason_is_taken_in_every_spelling(key):
    got = app_client.parse_answer(json.dumps({"result": "false", key: "no"}).encode())
    assert (got.result, got.cause) == (False, "no")


def test_the_schemas_default_of_result_is_not_applied():
    with pytest.raises(BadMessage, match="result: missing"):
        app_client.parse_answer(b'{"registration ID":"0123456789ab"}')


@pytest.mark.clause("A.3.2.1")
@pytest.mark.parametrize("spelling", ["REQEUST", "REQUEST"])
def test_a_sending_request_is_taken_in_both_spellings(spelling):
    payload = app_client.sending_request("UE", "urn:example:ue:1", UUID, b"21.5", 7, True)
    assert body(payload) == SENDING
    got = parse({**SENDING, "msgType": f"MESSAGE SENDING {spelling}"})
    assert got.msg_type == l3.MESSAGE_SENDING_REQUEST
    assert (got.target_type, got.target) == ("UE", ("fqdn", "urn:example:ue:1"))
    assert (got.message_id, got.payload, got.report) == (UUID, b"21.5", True)
    assert got.application_id == 7


@pytest.mark.clause("A.3.2.2", "A.3.2.4")
@pytest.mark.parametrize(
    ("build", "name", "kind"),
    [
        (
            app_client.report_sending_request,
            "DELIVERY REPORT SENDING REQEUST",
            l3.DELIVERY_REPORT_SENDING_REQUEST,
        ),
        (
            app_client.report_received_request,
            "DELIVERY REPORT RECEIVED REQUEST",
            l3.DELIVERY_REPORT_RECEIVED_REQUEST,
        ),
    ],
)
def test_reports(build, name, kind):
    payload = build(False, UUID, OTHER)
    assert body(payload) == {
        "msgType": name,
        "msgId": TEXT,
        "reply2msgId": "10111213-1415-1617-1819-1a1b1c1d1e1f",
        "deliveryStatus": "FAILED",
    }
    got = app_client.parse_request(payload)
    assert (got.msg_type, got.success, got.reply_to) == (kind, False, OTHER)
    corrected = parse({**body(payload), "msgType": name.replace("REQEUST", "REQUEST")})
    assert corrected.msg_type == kind


@pytest.mark.clause("A.3.2.3")
def test_received_requests():
    payload = app_client.received_request(UUID, b"hi", "urn:a", None, True, "HIGH")
    assert body(payload) == {
        "msgType": "MESSAGE RECEIVED REQEUST",
        "msgId": TEXT,
        "oriAddr": "urn:a",
        "isDelivStatReq": True,
        "priority": "HIGH",
        "payload": "hi",
    }
    got = parse({**body(payload), "priority": "NORMAL", "groupId": "urn:g"})
    assert (got.originator, got.group, got.priority) == ("urn:a", "urn:g", "MEDIUM")


@pytest.mark.clause("A.3.2.5", "A.3.2.6")
@pytest.mark.parametrize(
    ("build", "name"),
    [
        (app_client.sending_response, "MESSAGE SENDING RESPONSE"),
        (app_client.received_response, "MESSAGE RECEIVED RESPONSE"),
    ],
)
def test_responses(build, name):
    assert body(build(True)) == {"msgType": name, "result": "SUCCESS"}
    payload = build(False, "no room")
    assert body(payload) == {"msgType": name, "result": "FAILED", "failReason": "no room"}
    got = app_client.parse_request(payload)
    assert (got.success, got.cause) == (False, "no room")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "msgType: missing"),
        ({"msgType": "MESSAGE"}, "msgType: unknown Message Type"),
        ({"msgType": "REG", "appId": "7"}, "credential: missing"),
        ({"msgType": "REG", "credential": "x"}, "appId: missing"),
        (
            {"msgType": "REG", "appId": "x", "credential": "x"},
            "appId: a number from 0 to 65535 is wanted",
        ),
        (
            {"msgType": "REG", "appId": "65536", "credential": "x"},
            "appId: a number from 0 to 65535 is wanted",
        ),
        ({"msgType": "REG", "appId": "7", "credential": "x"}, "msgIden: missing"),
        ({"msgType": "DEREG"}, "registrationID: missing"),
        (
            {"msgType": "DEREG", "registrationID": "12"},
            "registrationID: 12 hex digits are wanted",
        ),
        (
            {"msgType": "DEREG", "registrationID": "0123456789ax"},
            "registrationID: 12 hex digits are wanted",
        ),
        ({**SENDING, "msgId": "5"}, "msgId: a UUID is wanted"),
        ({**SENDING, "destAddr": "x"}, "destAddr: an object is wanted"),
        (
            {**SENDING, "destAddr": {"destAddrType": "BC", "addr": "x"}},
            "destAddr.destAddrType: one of UE, AS, GROUP is wanted",
        ),
        ({**SENDING, "payload": 5}, "payload: a string is wanted"),
        (
            {**SENDING, "payload": "data:;base64,!"},
            "payload: base64 is wanted after data:;base64,",
        ),
        ({**SENDING, "isDelivStatReq": 1}, "isDelivStatReq: true or false is wanted"),
        (
            {"msgType": "MESSAGE SENDING RESPONSE", "result": True},
            "result: SUCCESS or FAILED is wanted",
        ),
    ],
)
def test_nonsense_is_refused_by_the_key_at_fault(value, text):
    with pytest.raises(BadMessage) as problem:
        parse(value)
    assert str(problem.value) == text


@pytest.mark.parametrize("value", [[], 5, "x", None])
def test_what_is_no_object_is_refused(value):
    with pytest.raises(BadMessage):
        parse(value)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_bad_message(payload):
    for read in (app_client.parse_request, app_client.parse_answer):
        with pytest.raises(BadMessage):
            read(payload)
    app_client.is_app_request(payload)


@given(st.binary(max_size=100))
def test_octets_survive_as_text(data):
    text = app_client.to_text(data)
    assert app_client.from_text(json.loads(json.dumps(text))) == data


def test_a_text_that_looks_like_octets_is_sent_as_octets():
    data = b"data:;base64,AAAA"
    assert app_client.to_text(data) != data.decode()
    assert app_client.from_text(app_client.to_text(data)) == data


def test_an_application_is_told_from_a_ue():
    from msgin5g import registration

    ours = [
        app_client.registration(SERVICE, 1, b"x"),
        app_client.deregistration(SERVICE, ID),
        app_client.sending_request("UE", "urn:a", UUID, b""),
        app_client.report_sending_request(True, UUID, OTHER),
    ]
    theirs = [
        registration.reg("urn:example:ue:1", SERVICE, False),
        registration.dereg("urn:example:ue:1", SERVICE),
        registration.gwreg("urn:example:ue:1", SERVICE),
        b"{}",
        b"",
    ]
    assert all(app_client.is_app_request(one) for one in ours)
    assert not any(app_client.is_app_request(one) for one in theirs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: app_client.registration(SERVICE, 65536, b"x"),
        lambda: app_client.deregistration(SERVICE, b"x"),
        lambda: app_client.answer(True),
        lambda: app_client.sending_request("BC", "x", UUID, b""),
        lambda: app_client.report_sending_request(True, b"x", UUID),
    ],
)
def test_what_cannot_be_sent_is_the_callers_fault(make):
    with pytest.raises(CallerError):
        make()
