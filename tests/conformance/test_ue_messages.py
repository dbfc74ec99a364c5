"""Messages of the constrained UE on MSGin5G-6 and of a device on MSGin5G-5: 6.4, 6.5, Annex A.

What the UE sends and gets is bytes; the gateway is a script.
"""

import json
import uuid

import pytest

from msgin5g import app_client, coap, l3
from msgin5g.message import Entry
from msgin5g.moments import parse_date_time
from tests.firmware.bench import SERVICE, UE
from tests.firmware.message_bench import (
    GROUP,
    PEER_UE,
    TAKEN,
    MessageBench,
    a_confirmation,
    a_message,
    a_recovery,
    a_report,
    new_id,
    segments,
)
from tests.firmware.test_device_messages import UE2, CoapTalks, L3Talks

REPORT_UP = l3.DELIVERY_REPORT_SENDING_REQUEST


def only(bench, kind):
    (message,) = bench.requests(kind)
    return message, json.loads(message.payload)


# Sending: 6.4.1.1.2


@pytest.mark.clause("6.4.1.1.2-bc", "6.4.1.1.2-a", "6.4.1.1.2-d1-d3", "6.4.1.1.2-d8")
@pytest.mark.clause("6.4.1.1.2-d9", "6.4.1.1.2-d10", "6.4.1.1.2-d11", "6.4.1.1.2-d17")
@pytest.mark.clause("6.4.1.1.2-d19", "6.4.1.1.2-d19-last", "7.3.4.1", "7.3.4.1-prio")
def test_a_message_on_the_wire():
    bench = MessageBench(server_host="server.example")
    ids = [
        bench.send("23.5", report=True, application="thermo", priority="HIGH", store=False)
        for _ in range(2)
    ]
    message, second = bench.requests("MSG")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
    body = json.loads(message.payload)
    assert body == {
        "msgIden": SERVICE,
        "msgType": "MSG",
        "appId": "thermo",
        "msgId": ids[0],
        "isDelivStatReq": True,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": "UE", "addr": "urn:example:ue:2"},
        "sfFlag": False,
        "priority": "HIGH",
        "payload": "23.5",
    }
    assert list(body)[-1] == "payload"
    assert str(uuid.UUID(body["msgId"])) == ids[0] != json.loads(second.payload)["msgId"]


@pytest.mark.clause("6.4.1.1.2-d4-d6", "6.4.1.1.2-d7", "6.4.1.1.2-d-one", "7.3.4.1-addr")
@pytest.mark.parametrize(
    ("kind", "to"),
    [
        ("UE", "urn:example:ue:2"),
        ("AS", "urn:example:as:1"),
        ("GROUP", "urn:example:group:1"),
        ("BC", "area 17"),
        ("TOPIC", "weather/north"),
    ],
)
def test_exactly_one_recipient_of_each_kind(kind, to):
    bench = MessageBench()
    bench.send(to=to, kind=kind)
    _, body = only(bench, "MSG")
    assert body["destAddr"] == {"destAddrType": kind, "addr": to}
    assert sum(key.startswith("dest") for key in body) == 1


@pytest.mark.clause("6.4.1.1.2-p1", "6.4.1.1.2-p1-seg", "6.4.1.1.2-d12", "6.4.1.1.2-d13")
@pytest.mark.clause("6.4.1.1.2-d14", "6.4.1.1.2-d15", "6.4.1.1.2-d16", "7.3.4.1-seg")
def test_a_message_above_the_segment_size_leaves_in_segments():
    bench = MessageBench(segment_bytes=100)
    bench.send("x" * 100)
    _, body = only(bench, "MSG")
    assert "isSegmented" not in body and "segParams" not in body
    sets = set()
    for _ in range(2):
        bench.got.clear()
        bench.send("ä" * 120, report=True)
        bodies = bench.sent()
        assert [len(one["payload"].encode()) for one in bodies] == [100, 100, 40]
        assert all(one["isSegmented"] is True and one["sfFlag"] is True for one in bodies)
        (set_id,) = {one["segParams"]["segId"] for one in bodies}
        sets.add(set_id)
        assert [one["segParams"]["segNumb"] for one in bodies] == [1, 2, 3]
        assert bodies[0]["segParams"]["totalSegCount"] == 3
        flags = [one["segParams"].get("lastSegFlag") for one in bodies]
        assert flags == [None, None, "true"]
    assert len(sets) == 2


@pytest.mark.clause("6.4.1.1.2-e", "6.5.1.1-p1", "6.5.1.1-p2", "6.5.2.1-p1")
def test_a_segment_recovery_is_acknowledged_and_served():
    bench = MessageBench(segment_bytes=100)
    bench.send("".join(chr(97 + number) * 100 for number in range(8)))
    bodies = bench.sent()
    bench.got.clear()
    before = len(bench.got)
    answer = bench.post(a_recovery(bodies[0]["segParams"]["segId"], (3, 3), (5, 6)))
    assert (answer.type, answer.code) == (coap.ACK, coap.CHANGED) and before == 0
    assert bench.sent() == [bodies[2], bodies[4], bodies[5]]
    bench.post(a_confirmation(bodies[0]["segParams"]["segId"]))
    bench.got.clear()
    bench.post(a_recovery(bodies[0]["segParams"]["segId"], (3, 3)))
    assert not bench.sent()


@pytest.mark.clause("6.4.1.1.2-d18-i-ii")
def test_a_message_can_say_until_when_it_may_be_stored():
    bench = MessageBench()
    options = ("UE", False, True, "NORMAL", None)
    until_ms = 1_900_000_000_000
    bench.core.messages().send("urn:example:ue:2", "x", options, bench.now, until_ms)
    bench.flush()
    _, body = only(bench, "MSG")
    assert body["sfFlag"] is True
    assert list(body["sfParam"]) == ["expireTime"]
    assert parse_date_time(body["sfParam"]["expireTime"], "") == until_ms


# Aggregates: 6.4.1.1.3


@pytest.mark.clause("6.4.1.1.3-p1", "6.4.1.1.3-p2", "6.4.1.1.3-a", "6.4.1.1.3-b")
@pytest.mark.clause("6.4.1.1.3-c1-c2", "6.4.1.1.3-c3", "6.4.1.1.3-d")
def test_an_aggregate_on_the_wire():
    bench = MessageBench(segment_bytes=100)
    send = bench.core.messages().send_several
    to = "urn:example:ue:2"
    ids = send(to, ["one", "two"], ("UE", True, True, "LOW", "thermo"), bench.now)
    bench.flush()
    message, body = only(bench, "MSG")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert body["indMsgNum"] == 2 == len(body["indMsgList"])
    assert not {"payload", "isSegmented", "segParams"} & set(body)
    assert [(one["msgId"], one["payload"]) for one in body["indMsgList"]] == [
        (ids[0], "one"),
        (ids[1], "two"),
    ]
    for one in body["indMsgList"]:
        assert (one["appId"], one["isDelivStatReq"], one["priority"]) == ("thermo", True, "LOW")
    bench.got.clear()
    send(to, ["one", "two"], ("UE", False, True, "HIGH", None), bench.now)
    send(to, ["x" * 80, "y" * 80], ("UE", False, True, "NORMAL", None), bench.now)
    bench.flush()
    assert not [one for one in bench.sent() if "indMsgNum" in one]


# Reports: 6.4.1.1.4


@pytest.mark.clause("6.4.1.1.4-bc", "6.4.1.1.4-a", "6.4.1.1.4-d1-d3", "6.4.1.1.4-d4")
@pytest.mark.clause("6.4.1.1.4-d5", "6.4.1.1.4-d6", "6.4.1.1.6-c", "6.4.1.1.6-c2", "7.3.4.2")
@pytest.mark.parametrize("origin", [PEER_UE, ("AS", "urn:example:as:1")])
def test_a_delivery_report_is_sent_at_once(origin):
    bench = MessageBench(server_host="server.example")
    message_id = new_id()
    bench.bring(message_id=message_id, report=True, origin=origin)
    message, body = only(bench, "IMDN")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uint(coap.CONTENT_FORMAT) == 50
    assert body == {
        "msgIden": SERVICE,
        "msgType": "IMDN",
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": origin[0], "addr": origin[1]},
        "msgId": message_id,
        "DelSta": "success",
    }


@pytest.mark.clause("6.4.1.1.4-d7", "6.4.1.1.6-c1")
def test_a_delivery_report_waits_for_an_application_that_reports():
    bench = MessageBench()
    bench.core.reports_itself = True
    bench.bring(report=True)
    bench.run(60_000)
    assert not bench.requests("IMDN")
    (message,) = bench.received()
    bench.core.messages().report(message, False, "valve stuck", bench.now)
    bench.flush()
    _, body = only(bench, "IMDN")
    assert (body["DelSta"], body["Cause"]) == ("failure", "valve stuck")


@pytest.mark.clause("6.4.1.1.5-p1", "6.4.1.1.5-p1-check", "6.4.1.1.5-c3")
def test_delivery_reports_that_wait_for_one_originator_travel_together():
    bench = MessageBench(segment_bytes=400)
    bench.core.reports_itself = True
    other = ("UE", "urn:example:ue:3")
    bench.script["IMDN"] = (coap.UNAVAILABLE, b"later")
    origins = [PEER_UE] * 3 + [other] + [PEER_UE] * 4
    ids = [new_id() for _ in origins]
    for message_id, origin in zip(ids, origins, strict=True):
        bench.bring(message_id=message_id, origin=origin, report=True)
    for number, message in enumerate(bench.received()):
        bench.core.messages().report(message, number != 1, "valve stuck", bench.now)
    bench.flush()
    bench.got.clear()
    bench.script["IMDN"] = TAKEN
    bench.run(400_000)
    first, to_other, rest = bench.sent("IMDN")
    assert "indMsgNum" not in to_other and to_other["msgId"] == ids[3]
    lists = []
    for body in (first, rest):
        assert body["destAddr"] == {"destAddrType": "UE", "addr": PEER_UE[1]}
        assert body["indMsgNum"] == len(body["indMsgList"]) > 1
        assert body["msgId"] not in ids and not {"DelSta", "Cause"} & set(body)
        assert len(json.dumps(body["indMsgList"], separators=(",", ":"))) <= 400
        lists.extend(body["indMsgList"])
    assert [one["msgId"] for one in lists] == ids[:3] + ids[4:]
    assert lists[1] == {"msgId": ids[1], "DelSta": "failure", "Cause": "valve stuck"}
    assert all(one["DelSta"] == "success" for one in lists[:1] + lists[2:])
    assert bench.counters["messages_sent"] == len(ids)


def test_reports_that_are_refused_in_company_are_sent_singly():
    bench = MessageBench()
    bench.core.reports_itself = True
    bench.script["IMDN"] = (coap.UNAVAILABLE, b"later")
    ids = [new_id() for _ in range(3)]
    for message_id in ids:
        bench.bring(message_id=message_id, report=True)
    for message in bench.received():
        bench.core.messages().report(message, True, None, bench.now)
    bench.flush()
    bench.got.clear()

    def gateway(message):
        unknown = ids[1] in message.payload.decode()
        return (coap.BAD_REQUEST, b"msgId: unknown") if unknown else TAKEN

    bench.script["IMDN"] = gateway
    bench.run(400_000)
    together, *singly = bench.sent("IMDN")
    assert together["indMsgNum"] == 3
    assert [one["msgId"] for one in singly] == ids
    assert bench.counters["messages_sent"] == 2 and bench.counters["messages_refused"] == 1


# Receiving: 6.4.1.1.6 to 6.4.1.1.9


@pytest.mark.clause("6.4.1.1.6-p1", "6.4.1.1.6-b", "6.4.1.1.6-b2", "6.4.2.5.2-p1")
def test_a_message_is_handed_to_the_application_once():
    bench = MessageBench()
    payload = a_message("23.5", applications=["thermo", "log"])
    for mid in (11, 12):
        answer = bench.post(payload, mid=mid)
        assert (answer.type, answer.code, answer.mid) == (coap.ACK, coap.CHANGED, mid)
    (message,) = bench.received()
    assert message.payload == b"23.5" and list(message.applications) == ["thermo", "log"]


@pytest.mark.clause("6.4.1.1.6-a", "6.4.1.1.6-a-join", "6.5.2.2-p1", "6.5.1.2.2-p1")
@pytest.mark.clause("6.5.1.2.2-a-c", "6.5.1.2.2-d1-d3", "6.5.1.2.2-d4", "7.3.6.1")
def test_segments_in_any_order_are_joined_and_confirmed():
    bench = MessageBench(server_host="server.example")
    parts = segments(["alpha ", "beta ", "gamma"])
    for part in (parts[2], parts[0]):
        bench.post(part)
        assert not bench.received()
    bench.post(parts[1])
    assert [one.payload for one in bench.received()] == [b"alpha beta gamma"]
    message, body = only(bench, "SEGCONFIR")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uint(coap.CONTENT_FORMAT) == 50
    set_id = json.loads(parts[0])["segParams"]["segId"]
    expected = {"msgIden": SERVICE, "msgType": "SEGCONFIR", "segId": set_id, "result": True}
    assert body == expected


@pytest.mark.clause("6.5.1.2.1-p1", "6.5.1.2.1-a-c", "6.5.1.2.1-d1-d3", "6.5.1.2.1-d4")
@pytest.mark.clause("6.5.1.2.1-p2", "6.5.1.2.1-p3", "7.3.6.2", "6.5.1-roles")
def test_missing_segments_are_asked_for_round_by_round():
    bench = MessageBench(server_host="server.example", segment_wait_s=10)
    parts = segments(list("abcdefghij"))
    for number in (1, 4, 6, 10):
        bench.post(parts[number - 1])
    bench.run(11_000)
    message, body = only(bench, "SEGREC")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uint(coap.CONTENT_FORMAT) == 50
    set_id = json.loads(parts[0])["segParams"]["segId"]
    assert body == {
        "msgIden": SERVICE,
        "msgType": "SEGREC",
        "segId": set_id,
        "segNoList": "(2-3, 5-5, 7-9)",
    }
    bench.post(parts[4])
    bench.run(11_000)
    assert bench.sent("SEGREC")[-1]["segNoList"] == "(2-3, 7-9)"
    bench.run(700_000)
    assert [(one["segId"], one["result"]) for one in bench.sent("SEGCONFIR")] == [(set_id, False)]
    assert len(bench.sent("SEGREC")) == 1 + 5 and not bench.received()


@pytest.mark.clause("6.4.1.1.7-p1-a", "6.4.1.1.7-a1", "6.4.1.1.7-a2", "6.4.1.1.7-b")
def test_an_aggregate_becomes_single_messages():
    bench = MessageBench()
    entries = []
    for text, application, report in (("one", None, True), ("two", "b", False)):
        entry = Entry()
        entry.message_id, entry.payload, entry.report = new_id(), text, report
        entry.applications = [application] if application else ()
        entries.append(entry)
    outer = new_id()
    bench.bring(
        *(None, PEER_UE, GROUP, outer),
        recipient=UE,
        entries=entries,
        applications=["a"],
    )
    first, second = bench.received()
    assert [one.message_id for one in (first, second)] == [one.message_id for one in entries]
    assert outer not in (first.message_id, second.message_id)
    assert (first.payload, second.payload) == (b"one", b"two")
    assert (list(first.applications), list(second.applications)) == (["a"], ["b"])
    assert first.origin == second.origin == PEER_UE and first.group == second.group == GROUP[1]
    assert [one["msgId"] for one in bench.sent("IMDN")] == [first.message_id]


@pytest.mark.clause("6.4.1.1.8-p1", "6.4.1.1.8-a", "6.4.1.1.9-p1-a", "6.4.1.1.9-a1-b")
@pytest.mark.clause("6.4.1.1.8-a1-a2")
def test_reports_single_and_aggregated_reach_the_application():
    bench = MessageBench()
    message_id = bench.send(report=True)
    assert bench.post(a_report(message_id, "failure", "valve stuck")).code == coap.CHANGED
    assert bench.named("report") == [(message_id, False, "valve stuck")]
    ids = [new_id(), new_id()]
    body = json.loads(a_report(new_id()))
    del body["DelSta"]
    body["indMsgNum"] = 2
    body["indMsgList"] = [
        {"msgId": ids[0], "DelSta": "success"},
        {"msgId": ids[1], "DelSta": "failure", "Cause": "full"},
    ]
    assert bench.post(json.dumps(body).encode()).code == coap.CHANGED
    assert bench.named("report")[1:] == [(ids[0], True, None), (ids[1], False, "full")]


@pytest.mark.clause("6.4.2.5.1-p1")
def test_a_constrained_ue_sends_messages_and_reports_as_any_client():
    bench = MessageBench()
    bench.send()
    bench.bring(report=True)
    options = ("UE", False, True, "NORMAL", None)
    bench.core.messages().send_several("urn:example:ue:2", ["a", "b"], options, bench.now)
    bench.flush()
    single, aggregate = bench.sent()
    (report,) = bench.sent("IMDN")
    assert single["payload"] == "hello" and aggregate["indMsgNum"] == 2
    assert {one["oriAddr"]["addr"] for one in (single, aggregate, report)} == {UE}


# Devices without an MSGin5G client: 6.4.2.3, Annex A


def frames_of(bench, kind):
    return [one for one in bench.raw if one[0] == kind]


@pytest.fixture
def device():
    """A device that speaks L3; `raw` holds its frames."""
    bench = L3Talks()
    bench.raw = []
    poll = bench.core.poll

    def polled(now):
        frames = poll(now)
        bench.raw += [bytes(one) for one, _ in frames]
        return frames

    bench.core.poll = polled
    return bench


@pytest.mark.clause("6.4.2.3.1-p1", "6.4.2.3.1-d", "6.4.2.3.1-e", "6.4.2.3.1-g", "6.4.2.2.2-p4")
@pytest.mark.clause("6.4.2.2.2-p2")
@pytest.mark.clause("A.2.1.1", "A.2.1.1-opt", "6.4.2.1-p2")
@pytest.mark.parametrize(("kind", "code"), [("UE", 0), ("GROUP", 1), ("AS", 2)])
def test_a_message_sending_request_in_octets(device, kind, code):
    message_id = device.send(b"\x00\xff", to="a.bc", kind=kind, report=True, application=0x1234)
    (frame,) = frames_of(device, l3.MESSAGE_SENDING_REQUEST)
    target = b"\x06\x03\x01a\x02bc"
    expected = b"\x01" + target + uuid.UUID(message_id).bytes + b"\x00\x02\x00\xff"
    assert frame == expected + b"\x0a\x12\x34" + b"\xb1" + bytes([0xD0 | code])


@pytest.mark.clause("6.4.2.3.2-p1", "A.2.1.2", "6.4.2.3.3-p1", "A.2.1.6")
def test_a_response_and_a_report_in_octets(device):
    message_id = uuid.uuid4().bytes
    device.bring(message_id, report=True, originator=UE2)
    assert frames_of(device, l3.MESSAGE_RECEIVED_RESPONSE) == [b"\x04\x01"]
    (report,) = frames_of(device, REPORT_UP)
    assert len(report) == 34 and report[:2] == b"\x05\x01"
    assert report[18:] == message_id != report[2:18]
    device.bring(message_id, report=True, originator=UE2)
    assert frames_of(device, l3.MESSAGE_RECEIVED_RESPONSE) == [b"\x04\x01"] * 2
    assert len(device.named("received")) == 1


@pytest.mark.clause("A.3.1.1", "A.3.1.1-a", "A.3.2.1", "A.3.1.2", "A.3.1.2-a", "A.3.2.2")
def test_the_coap_form_of_a_message_and_a_report():
    bench = CoapTalks()
    message_id = bench.send("23.5", report=True, application=7)
    received = uuid.uuid4()
    bench.bring(received.bytes, report=True)
    for message in bench.requests[-2:]:
        assert (message.type, message.code) == (coap.CON, coap.POST)
        assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
    request, report = [json.loads(one.payload) for one in bench.requests[-2:]]
    assert request == {
        "msgType": "MESSAGE SENDING REQEUST",
        "appId": "7",
        "msgId": message_id,
        "isDelivStatReq": True,
        "destAddr": {"destAddrType": "UE", "addr": UE2},
        "payload": "23.5",
    }
    assert str(uuid.UUID(report.pop("msgId"))) != str(received)
    assert report == {
        "msgType": "DELIVERY REPORT SENDING REQEUST",
        "reply2msgId": str(received),
        "deliveryStatus": "SUCCESS",
    }


@pytest.mark.clause("A.3.1.6", "A.3.2.6", "6.4.2.3.3-p1")
def test_the_coap_form_of_a_received_response():
    bench = CoapTalks()
    (answer,) = bench.post(app_client.received_request(uuid.uuid4().bytes, b"x", UE2))
    assert (answer.type, answer.code) == (coap.ACK, coap.CONTENT)
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(answer.payload) == {
        "msgType": "MESSAGE RECEIVED RESPONSE",
        "result": "SUCCESS",
    }
