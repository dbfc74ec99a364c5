"""Messages and reports of and to devices without an MSGin5G client (MSGin5G-5, 6.4.2)."""

import uuid

import pytest

from msgin5g import app_client, coap, l3
from msgin5g import message as builders
from msgin5g.message import Entry
from msgin5g_gateway import app_up as app_up_module
from msgin5g_gateway import handover as handover_module
from tests.gateway.bench import SERVICE, Bench, body, imdn, make_id, msg
from tests.world import GATEWAY

DEVICE, SECOND, LOCAL, OTHER = 17, 19, 4660, 4662
UE, UE2 = "urn:example:ue:17", "urn:example:ue:19"
FAR = "urn:example:ue:77"
TABLE = [
    (DEVICE, "s3cret", UE),
    (SECOND, "s3cret", UE2),
    (LOCAL, "s3cret", None),
    (OTHER, "s3cret", None),
]
PLACES = {
    DEVICE: "serial:///dev/ttyS1",
    SECOND: "udp://10.0.0.19:4000",
    LOCAL: "ble://AA:BB:CC:DD:EE:FF",
    OTHER: "udp://10.0.0.62:4000",
}
FORMS = pytest.mark.parametrize("form", ["l3", "coap"])
ID = bytes(range(16))
ID_TEXT = str(uuid.UUID(bytes=ID))
ADDRESSES = {"192.0.2.7": FAR, "2001:db8::7": FAR, "pump.example": "urn:example:as:1"}


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, count=1, devices=TABLE, addresses=ADDRESSES)
    yield made
    made.close()


def register(bench, application=DEVICE, form="l3", peer=None):
    """Register a device in one of the two forms; returns its transport identifier."""
    peer = peer or PLACES[application]
    if form == "l3":
        bench.receive_l3(l3.registration_request(application, b"s3cret"), peer)
    else:
        bench.receive(app_client.registration(SERVICE, application, b"s3cret"), peer=peer)
    while bench.north:
        bench.serve()
    bench.frames.clear()
    bench.answers.clear()
    assert bench.store.devices[application].speaks_l3 is (form == "l3")
    return peer


class Sender:
    """A device that sends, in one of the two forms, and reads what it is answered."""

    def __init__(self, bench, form, application=DEVICE):
        self.bench, self.form = bench, form
        self.peer = register(bench, application, form)

    def send(self, target=FAR, message_id=ID, payload=b"hello", kind="UE", **more):
        """Send a MESSAGE SENDING REQUEST; returns its number for `response`."""
        bench = self.bench
        if self.form == "l3":
            what = "ipv6" if ":" in target and "urn" not in target else "fqdn"
            if target.replace(".", "").isdigit() and "." in target:
                what = "ipv4"
            frame = l3.message_sending_request(kind, (what, target), message_id, payload, **more)
            bench.core.receive_l3(frame, self.peer, bench.now)
            bench.settle()
            return None
        bench.receive(
            app_client.sending_request(kind, target, message_id, payload, **more), peer=self.peer
        )
        return bench.last

    def response(self, number=None):
        """(result, cause) of the MESSAGE SENDING RESPONSE, None if there is none yet."""
        bench = self.bench
        if self.form == "l3":
            for at, (peer, frame) in enumerate(bench.frames):
                found = l3.decode(frame)
                if peer == self.peer and found.type == l3.MESSAGE_SENDING_RESPONSE:
                    del bench.frames[at]
                    return found.success, found.cause
            return None
        answer = bench.answer_to(bench.last if number is None else number)
        if answer is None:
            return None
        assert answer[0] == coap.CONTENT
        found = app_client.parse_request(answer[1])
        assert found.msg_type == l3.MESSAGE_SENDING_RESPONSE
        cause = next((one for one, text in l3.CAUSES.items() if text == found.cause), found.cause)
        return found.success, cause

    def report(self, reply_to, success=True, message_id=bytes(16)):
        bench = self.bench
        if self.form == "l3":
            frame = l3.delivery_report_sending_request(success, message_id, reply_to)
            bench.core.receive_l3(frame, self.peer, bench.now)
            bench.settle()
            return None
        return bench.receive(
            app_client.report_sending_request(success, message_id, reply_to), peer=self.peer
        )

    def got(self):
        """What is with the device: an L3Message or AppRequest."""
        if self.form == "l3":
            peer, found = self.bench.take_frame()
            assert peer == self.peer
            return found
        self._ref, peer, payload, token, mid = self.bench.posts.pop(0)
        assert (peer, token, mid) == (self.peer, None, None)
        return app_client.parse_request(payload)

    def takes(self, success=True, cause=None):
        """Answer what is with the device."""
        bench = self.bench
        if self.form == "l3":
            frame = l3.message_received_response(success, cause)
            bench.core.receive_l3(frame, self.peer, bench.now)
            bench.settle()
        else:
            text = None if cause is None else l3.CAUSES[cause]
            bench.ue_answers(self._ref, coap.CONTENT, app_client.received_response(success, text))

    def is_silent(self):
        """Let the device say nothing until the gateway gives up."""
        if self.form == "l3":
            self.bench.wait(62_000)
            self.bench.frames.clear()
        else:
            self.bench.ue_fails(self._ref)


# From a device to the server


@FORMS
@pytest.mark.clause("6.4.2.2.2-p1", "6.4.2.2.5-p1", "6.4.2.2.5-ab", "A.2.1.5", "6.4.2.1-p3")
def test_a_message_goes_up_as_a_msg_and_the_response_waits_for_the_server(bench, form):
    sender = Sender(bench, form)
    sender.send(report=True, application_id=5)
    assert sender.response() is None
    ref, request = bench.take_north()
    assert request == {
        "msgIden": SERVICE,
        "msgType": "MSG",
        "appId": "5",
        "msgId": ID_TEXT,
        "isDelivStatReq": True,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": "UE", "addr": FAR},
        "sfFlag": False,
        "payload": "hello",
    }
    bench.server(ref, b"", coap.CHANGED)
    assert sender.response() == (True, None)


@FORMS
@pytest.mark.parametrize(
    ("target", "kind", "wanted"),
    [
        ("192.0.2.7", "UE", ("UE", FAR)),
        ("2001:db8::7", "UE", ("UE", FAR)),
        ("10.0.0.19", "UE", ("UE", UE2)),
        ("pump.example", "AS", ("AS", "urn:example:as:1")),
        ("urn:example:group:1", "GROUP", ("GROUP", "urn:example:group:1")),
        ("urn:example:as:2", "AS", ("AS", "urn:example:as:2")),
        (UE2, "UE", ("UE", UE2)),
        (str(SECOND), "UE", ("UE", UE2)),
    ],
)
@pytest.mark.clause("6.4.2.2.2-p3")
def test_the_recipient_comes_from_the_target_address(bench, form, target, kind, wanted):
    register(bench, SECOND)
    sender = Sender(bench, form)
    sender.send(target, kind=kind)
    _, request = bench.take_north()
    address = request["destAddr"]
    assert (address["destAddrType"], address["addr"]) == wanted


def test_an_absent_target_type_is_a_ue_and_binary_payloads_pass(bench):
    sender = Sender(bench, "l3")
    sender.send(kind=None, payload=b"\x00\xff")
    _, request = bench.take_north()
    assert request["destAddr"]["destAddrType"] == "UE"
    assert app_client.from_text(request["payload"]) == b"\x00\xff"


@FORMS
@pytest.mark.clause("6.4.2.2.2-p5", "6.4.2.2.5-c", "A.2.1.4")
def test_a_target_that_cannot_be_resolved_with_a_report_wanted(bench, form):
    sender = Sender(bench, form)
    number = sender.send("nowhere", report=True)
    assert sender.response(number)[0] is False
    report = sender.got()
    assert report.type if form == "l3" else report.msg_type == l3.DELIVERY_REPORT_RECEIVED_REQUEST
    assert report.success is False and report.reply_to == ID and report.message_id != ID
    assert not bench.north


@FORMS
@pytest.mark.parametrize("target", ["nowhere", "192.0.2.99", "2001:db8::99"])
@pytest.mark.clause("6.4.2.2.2-p5-no")
def test_a_target_that_cannot_be_resolved_without_a_report(bench, form, target):
    sender = Sender(bench, form)
    sender.send(target)
    assert sender.response()[0] is False
    assert not bench.north and not bench.frames and not bench.posts


def test_the_l3_form_names_the_cause(bench):
    sender = Sender(bench, "l3")
    sender.send("nowhere")
    assert sender.response() == (False, l3.CAUSE_PROTOCOL_ERROR)


@FORMS
@pytest.mark.parametrize(
    ("code", "cause"),
    [(coap.BAD_REQUEST, l3.CAUSE_PROTOCOL_ERROR), (coap.UNAVAILABLE, l3.CAUSE_CONGESTION)],
)
def test_the_servers_no_is_failed_with_a_cause(bench, form, code, cause):
    sender = Sender(bench, form)
    sender.send()
    bench.server_takes(code, b"said why")
    text = form == "coap" and cause == l3.CAUSE_PROTOCOL_ERROR
    assert sender.response() == (False, "said why" if text else cause)
    # It may try the same message again, which is not taken for a repeated one.
    sender.send()
    bench.server_takes()
    assert sender.response() == (True, None)


@FORMS
def test_a_server_out_of_reach_means_the_outbox_and_success(bench, form):
    sender = Sender(bench, form)
    sender.send()
    bench.server_fails(bench.north.pop()[0])
    assert sender.response() == (True, None)
    bench.crash()
    bench.wait(1000)
    assert bench.server_takes()["msgId"] == ID_TEXT
    assert not bench.store.outbox


def test_a_kept_message_refused_later_is_reported_to_the_device(bench):
    sender = Sender(bench, "l3")
    sender.send(report=True)
    bench.server_fails(bench.north.pop()[0])
    bench.frames.clear()
    bench.wait(3000)
    bench.server_takes(coap.BAD_REQUEST, b"no")
    report = sender.got()
    assert (report.type, report.success) == (l3.DELIVERY_REPORT_RECEIVED_REQUEST, False)
    assert report.reply_to == ID and not bench.store.outbox


@FORMS
def test_a_device_that_is_not_registered_sends_nothing(bench, form):
    sender = Sender(bench, form)
    sender.peer = "ble://11:22:33:44:55:66"
    sender.send()
    assert sender.response() == (False, l3.CAUSE_UNKNOWN_DEVICE)
    assert sender.report(ID) == (None if form == "l3" else (coap.NOT_FOUND, b"not registered"))
    assert not bench.north


def test_a_malformed_l3_request_is_failed_and_a_malformed_response_is_nothing(bench):
    Sender(bench, "l3")
    reserved = b"\x01\x03\x09ab" + ID + b"\x00\x00"
    answer = l3.decode(bench.receive_l3(reserved))
    assert (answer.success, answer.cause) == (False, l3.CAUSE_PROTOCOL_ERROR)
    assert bench.receive_l3(b"\x04") is None and bench.receive_l3(b"\x05\x01") is None
    assert not bench.north


def test_what_a_device_repeats_goes_up_once_and_is_answered_again(bench):
    sender = Sender(bench, "l3")
    for _ in range(3):
        sender.send()
    assert len(bench.north) == 1
    bench.server_takes()
    assert sender.response() == (True, None) and sender.response() is None
    sender.send()
    assert sender.response() == (True, None) and not bench.north


def test_every_coap_copy_is_answered_and_they_are_bounded(bench):
    sender = Sender(bench, "coap")
    numbers = [sender.send() for _ in range(app_up_module.MAX_ASKERS + 1)]
    assert sender.response(numbers[-1]) == (False, l3.CAUSE_CONGESTION)
    bench.server_takes()
    assert {sender.response(one) for one in numbers[:-1]} == {(True, None)}


def test_messages_under_way_are_bounded(bench, monkeypatch):
    monkeypatch.setattr(app_up_module, "MAX_SENDINGS", 1)
    sender = Sender(bench, "coap")
    sender.send()
    number = sender.send(message_id=bytes(16))
    assert sender.response(number) == (False, l3.CAUSE_CONGESTION)


# Long payloads


def long(bench, form, size=5000):
    sender = Sender(bench, form)
    payload = bytes(97 + at % 26 for at in range(size))
    sender.send(payload=payload, report=True)
    return sender, payload


@FORMS
@pytest.mark.clause("6.4.1.1.2-p1-seg")
def test_a_long_payload_leaves_in_segments_one_after_the_other(bench, form):
    sender, payload = long(bench, form)
    got = []
    while bench.north:
        assert len(bench.north) == 1 and sender.response() is None
        got.append(bench.server_takes())
    assert sender.response() == (True, None)
    assert "".join(one["payload"] for one in got).encode() == payload
    assert all(len(one["payload"].encode()) <= 2048 for one in got)
    assert [one["segParams"]["segNumb"] for one in got] == [1, 2, 3]
    assert {one["segParams"]["totalSegCount"] for one in got} == {3}
    assert [one.get("isDelivStatReq", False) for one in got] == [True, False, False]
    assert len({one["segParams"]["segId"] for one in got}) == 1
    assert {one["msgId"] for one in got} == {ID_TEXT}


@pytest.mark.clause("7.2.5-size")
def test_no_segment_is_larger_than_the_configured_size(tmp_path):
    bench = Bench(tmp_path, count=1, devices=TABLE, addresses=ADDRESSES, segment_bytes=300)
    sender, payload = long(bench, "l3", 1000)
    got = []
    while bench.north:
        got.append(bench.server_takes()["payload"].encode())
    assert sender.response() == (True, None)
    assert b"".join(got) == payload and len(got) == 4 and max(map(len, got)) <= 300
    bench.close()


def test_a_payload_at_the_limit_leaves_whole(bench):
    long(bench, "l3", 2048)
    assert "segParams" not in bench.take_north()[1]


def test_a_payload_over_all_limits_is_refused(bench):
    sender, _ = long(bench, "l3", 65535)
    while bench.north:
        bench.server_takes()
    assert sender.response() == (True, None)
    # Octets that are no text take a third more as text.
    sender.send(payload=b"\xff" * 65535, message_id=bytes(16))
    assert sender.response() == (False, l3.CAUSE_PROTOCOL_ERROR)


def test_a_set_that_fails_half_way_is_failed_and_the_same_set_again(bench):
    sender, _ = long(bench, "l3")
    first = bench.server_takes()
    bench.server_takes(coap.UNAVAILABLE, b"later")
    assert sender.response() == (False, l3.CAUSE_CONGESTION) and not bench.north
    long(bench, "l3")
    assert bench.server_takes() == first


def test_a_long_message_that_meets_an_outage_is_kept_whole(bench):
    sender, payload = long(bench, "l3")
    bench.server_takes()
    bench.server_fails(bench.north.pop()[0])
    assert sender.response() == (True, None)
    bench.crash()
    got = []
    while bench.store.outbox:
        bench.wait(100)
        got.append(bench.server_takes())
    assert [one["segParams"]["segNumb"] for one in got] == [2, 3]


@pytest.mark.clause("6.5.1.1-p1", "6.5.1.1-p2")
def test_the_server_asks_for_segments_of_a_device_again(bench):
    long(bench, "l3")
    sent = []
    while bench.north:
        sent.append(bench.server_takes())
    set_id = sent[0]["segParams"]["segId"]
    assert bench.receive_north(builders.segrec(SERVICE, set_id, [(2, 3)])) == (coap.CHANGED, b"")
    again = []
    while bench.north:
        again.append(bench.server_takes())
    assert again == sent[1:]
    assert bench.receive_north(builders.segconfir(SERVICE, set_id, True))[0] == coap.CHANGED
    bench.receive_north(builders.segrec(SERVICE, set_id, [(1, 1)]))
    assert not bench.north and bench.events("unknown-set")


# From the server to a device


def down(bench, form, number=1, application=DEVICE, **more):
    """A device and a message of the server that is with it."""
    device = Sender(bench, form, application)
    more.setdefault("to", UE)
    assert bench.receive_north(msg(more.pop("origin", FAR), number=number, **more)) is None
    return device, bench.last


@FORMS
@pytest.mark.clause("6.4.2.2.1-p1", "6.4.2.2.1-c", "6.4.2.2.1-f", "6.4.2.2.1-g", "A.2.1.3")
def test_a_message_is_handed_on_and_the_server_hears_when_it_was_taken(bench, form):
    device, number = down(bench, form, report=True, priority="HIGH")
    got = device.got()
    kind = got.type if form == "l3" else got.msg_type
    assert kind == l3.MESSAGE_RECEIVED_REQUEST
    assert (got.message_id, got.payload) == (uuid.UUID(int=1).bytes, b"hello")
    assert (got.originator, got.group) == (FAR, None)
    assert (got.report, got.priority) == (True, "HIGH")
    assert bench.told_to(number) is None
    device.takes()
    assert bench.told_to(number) == (coap.CHANGED, b"")


@FORMS
@pytest.mark.clause("6.4.2.2.1-d")
def test_a_group_message_has_the_group_id(bench, form):
    device = Sender(bench, form)
    bench.receive_north(msg(FAR, ("GROUP", "urn:example:group:1"), recipient=UE))
    got = device.got()
    assert (got.originator, got.group) == (None, "urn:example:group:1")
    assert not got.report and got.priority is None


@FORMS
@pytest.mark.clause("6.4.2.3.3-c")
def test_a_refusal_is_4_00_with_its_reason(bench, form):
    device, number = down(bench, form)
    device.got()
    device.takes(False, l3.CAUSE_LACK_OF_RESOURCES)
    assert bench.told_to(number) == (coap.BAD_REQUEST, b"lack of resources")


@FORMS
def test_silence_is_5_04_for_all_that_waits(bench, form):
    device, number = down(bench, form)
    assert bench.receive_north(msg(FAR, UE, 2)) is None
    device.got()
    device.is_silent()
    assert bench.told_to(number)[0] == coap.GATEWAY_TIMEOUT
    assert bench.told_to(number + 1)[0] == coap.GATEWAY_TIMEOUT


def test_an_l3_request_is_repeated_at_the_pace_of_a_confirmable(bench):
    device, number = down(bench, "l3")
    start, times = bench.now, []
    for _ in range(700):
        times += [bench.now - start] * len(bench.frames)
        bench.frames.clear()
        bench.wait(100)
    assert times == [0, 2_000, 6_000, 14_000, 30_000]
    assert bench.told_to(number)[0] == coap.GATEWAY_TIMEOUT
    device.takes()
    assert len(bench.told) == 1 and bench.core.counters["stray L3 messages"] == 1


def test_late_answers_to_copies_are_not_taken_for_the_next_messages(bench):
    device, number = down(bench, "l3")
    bench.receive_north(msg(FAR, UE, 2))
    bench.wait(3_000)
    assert len(bench.frames) == 2, "the request and a copy"
    bench.frames.clear()
    device.takes()
    assert bench.told_to(number)[0] == coap.CHANGED
    assert not bench.frames
    device.takes()  # the answer to the copy
    assert bench.told_to(number + 1) is None
    assert device.got().message_id == uuid.UUID(int=2).bytes
    device.takes()
    assert bench.told_to(number + 1)[0] == coap.CHANGED


def test_an_answer_to_a_copy_that_never_comes_is_not_waited_for_for_long(bench):
    device, number = down(bench, "l3")
    bench.receive_north(msg(FAR, UE, 2))
    bench.wait(3_000)
    bench.frames.clear()
    device.takes()
    # The copy left 2 s after the request; its answer is due 3 s later, as the first was.
    bench.wait(3_999)
    assert not bench.frames
    bench.wait(1)
    assert device.got().message_id == uuid.UUID(int=2).bytes


def test_after_silence_the_next_message_waits_for_late_answers(bench):
    device, number = down(bench, "l3")
    bench.wait(62_000)
    bench.frames.clear()
    assert bench.receive_north(msg(FAR, UE, 2)) is None
    device.takes()
    bench.wait(1_999)
    assert not bench.frames and bench.told_to(number + 1) is None
    bench.wait(1)
    assert device.got().message_id == uuid.UUID(int=2).bytes


@FORMS
def test_one_message_is_with_a_device_at_a_time(bench, form):
    device, number = down(bench, form)
    for one in (2, 3):
        bench.receive_north(msg(FAR, UE, one))
    for one in (1, 2, 3):
        assert len(bench.frames) + len(bench.posts) == 1
        assert device.got().message_id == uuid.UUID(int=one).bytes
        device.takes()
    assert [code for _, code, _ in bench.told] == [coap.CHANGED] * 3


def test_what_waits_for_a_device_is_bounded(bench, monkeypatch):
    monkeypatch.setattr(handover_module, "MAX_HANDOVERS_OF_ONE", 2)
    down(bench, "l3")
    assert bench.receive_north(msg(FAR, UE, 2)) is None
    assert bench.receive_north(msg(FAR, UE, 3))[0] == coap.UNAVAILABLE
    monkeypatch.setattr(handover_module, "MAX_HANDOVERS", 2)
    register(bench, SECOND)
    assert bench.receive_north(msg(FAR, UE2, 4))[0] == coap.UNAVAILABLE
    assert bench.core.counters["handovers_full"] == 2


def test_a_message_that_waits_for_90_s_is_5_04(bench):
    device, number = down(bench, "coap")
    bench.wait(90_000)
    assert bench.told_to(number)[0] == coap.GATEWAY_TIMEOUT
    device.got()
    device.takes()
    assert bench.core.counters["late_answers"] == 1


def test_a_lost_link_is_5_04_at_once_and_a_device_that_leaves_4_04(bench):
    device, number = down(bench, "l3")
    bench.core.link_lost(device.peer, bench.now)
    bench.settle()
    assert bench.told_to(number)[0] == coap.GATEWAY_TIMEOUT
    bench.receive_north(msg(FAR, UE, 2))
    bench.store.drop_device(bench.store.devices[DEVICE])
    bench.wait(5_000)
    assert bench.told_to(number + 1)[0] == coap.NOT_FOUND
    assert bench.receive_north(msg(FAR, UE, 3))[0] == coap.NOT_FOUND


@pytest.mark.parametrize(
    ("code", "payload", "answer"),
    [
        (coap.CHANGED, b"", coap.CHANGED),
        (coap.CREATED, app_client.received_response(True), coap.CHANGED),
        (coap.CONTENT, b"{", coap.BAD_REQUEST),
        (coap.METHOD_NOT_ALLOWED, b"", coap.BAD_REQUEST),
        (coap.UNAVAILABLE, b"later", coap.UNAVAILABLE),
    ],
)
def test_what_a_device_may_answer_in_the_coap_form(bench, code, payload, answer):
    device, number = down(bench, "coap")
    device.got()
    bench.ue_answers(device._ref, code, payload)
    assert bench.told_to(number)[0] == answer


@pytest.mark.parametrize(("reason", "code"), [("too large", 0x8D), ("no room", 0xA3)])
def test_what_does_not_fit_the_link_is_4_13(bench, reason, code):
    device, number = down(bench, "coap")
    device.got()
    bench.ue_fails(device._ref, reason)
    assert bench.told_to(number)[0] == code


def test_what_does_not_fit_a_frame_of_the_link_is_4_13(tmp_path):
    bench = Bench(tmp_path, count=0, devices=TABLE)
    Sender(bench, "l3", LOCAL)
    more = {"applications": [str(LOCAL)], "payload": "x" * 1500}
    assert bench.receive_north(msg(FAR, GATEWAY, **more))[0] == coap.TOO_LARGE
    assert not bench.frames
    bench.close()


@FORMS
@pytest.mark.clause("6.4.1.1.7-p1-a", "6.4.1.1.7-a1", "6.4.1.1.7-a2", "6.4.1.1.7-b")
def test_an_aggregate_is_taken_apart(bench, form):
    entries = []
    for number in (5, 6):
        entry = Entry()
        entry.message_id, entry.payload = make_id(number), f"part {number}"
        entry.report = number == 6
        entries.append(entry)
    device, number = down(bench, form, entries=entries, payload=None)
    for one in (5, 6):
        assert bench.told_to(number) is None
        got = device.got()
        assert (got.message_id, got.payload) == (uuid.UUID(int=one).bytes, b"part %d" % one)
        assert got.originator == FAR and bool(got.report) is (one == 6)
        device.takes()
    assert bench.told_to(number)[0] == coap.CHANGED


@pytest.mark.clause("6.4.1.1.6-b1")
def test_a_message_to_the_gateway_goes_to_the_applications_that_it_names(bench):
    first, second = Sender(bench, "l3", LOCAL), Sender(bench, "coap", OTHER)
    more = {"applications": [str(LOCAL), str(OTHER), "9"], "report": True}
    assert bench.receive_north(msg(FAR, GATEWAY, **more)) is None
    assert first.got().payload == second.got().payload == b"hello"
    first.takes()
    assert bench.told_to(bench.last) is None
    second.takes()
    assert bench.told_to(bench.last)[0] == coap.CHANGED
    first.report(uuid.UUID(int=1).bytes)
    _, report = bench.take_north()
    assert (report["oriAddr"]["addr"], report["destAddr"]["addr"]) == (GATEWAY, FAR)
    assert bench.receive_north(msg(FAR, GATEWAY, 2, applications=["9"]))[0] == coap.NOT_FOUND


def test_killed_before_the_devices_answer_the_server_still_has_the_message(bench):
    device, _ = down(bench, "l3")
    bench.crash()
    assert not bench.told and not bench.frames
    bench.receive_north(msg(FAR, UE))
    assert device.got().payload == b"hello"
    device.takes()
    assert bench.told_to(bench.last)[0] == coap.CHANGED


# Segments for a device


def segments(total=3, number=1):
    return [
        msg(FAR, UE, number, f"part {at} ", (f"set-{number}", at, total), report=at == 1)
        for at in range(1, total + 1)
    ]


@FORMS
@pytest.mark.clause("6.4.1.1.6-a", "6.4.1.1.6-a-join", "6.5.1.2.2-p1")
def test_segments_are_joined_before_they_are_handed_on(bench, form):
    device = Sender(bench, form)
    parts = segments()
    for part in (parts[0], parts[2]):
        assert bench.receive_north(part) == (coap.CHANGED, b"")
    assert not bench.frames and not bench.posts
    assert bench.receive_north(parts[1]) is None
    got = device.got()
    assert got.payload == b"part 1 part 2 part 3 " and got.report
    device.takes()
    assert bench.told_to(bench.last) == (coap.CHANGED, b"")
    _, request = bench.take_north()
    assert (request["msgType"], request["segId"], request["result"]) == (
        *("SEGCONFIR", "set-1"),
        True,
    )
    assert not bench.store.parts


@pytest.mark.parametrize("crash_before", [1, 2, 3])
def test_killed_at_any_segment_none_that_was_acknowledged_is_lost(bench, crash_before):
    device = Sender(bench, "l3")
    for at, part in enumerate(segments(), 1):
        if at == crash_before:
            bench.crash()
        bench.receive_north(part)
    assert device.got().payload == b"part 1 part 2 part 3 "
    bench.crash()
    # The last one was not answered: it comes again, and the message is still whole.
    assert bench.receive_north(segments()[-1]) is None
    assert device.got().payload == b"part 1 part 2 part 3 "
    device.takes()
    assert bench.told_to(bench.last)[0] == coap.CHANGED and not bench.store.parts


def test_a_whole_message_for_a_silent_device_is_tried_with_the_last_segment(bench):
    device = Sender(bench, "l3")
    for part in segments():
        bench.receive_north(part)
    device.is_silent()
    assert bench.told_to(bench.last)[0] == coap.GATEWAY_TIMEOUT
    assert len(bench.store.parts) == 3
    bench.wait(5_000)
    assert bench.receive_north(segments()[-1]) is None
    device.got()
    device.takes()
    assert bench.told_to(bench.last)[0] == coap.CHANGED and not bench.store.parts


def test_a_refused_set_is_over(bench):
    device = Sender(bench, "l3")
    for part in segments():
        bench.receive_north(part)
    device.got()
    device.takes(False, l3.CAUSE_CONGESTION)
    assert bench.told_to(bench.last)[0] == coap.BAD_REQUEST and not bench.store.parts
    assert bench.take_north()[1]["result"] is False


@pytest.mark.clause("6.5.1.2.1-p1", "6.5.1.2.1-p2", "6.5.1.2.1-p3")
def test_missing_segments_are_asked_for_and_given_up(bench):
    Sender(bench, "l3")
    parts = segments(4)
    bench.receive_north(parts[0])
    bench.receive_north(parts[3])
    asked = []
    for _ in range(70):
        bench.wait(10_000)
        while bench.north:
            request = bench.server_takes()
            asked.append((request["msgType"], request.get("segNoList"), request.get("result")))
        if len(asked) == 1:
            bench.receive_north(parts[1])
    assert asked[0] == ("SEGREC", "(2-3)", None)
    assert set(asked[1:-1]) == {("SEGREC", "(3-3)", None)}
    assert asked[-1] == ("SEGCONFIR", None, False)
    assert not bench.store.parts


def test_a_repeated_segment_is_taken_once_and_a_contradiction_is_4_00(bench):
    Sender(bench, "l3")
    part = segments()[0]
    for _ in range(2):
        assert bench.receive_north(part) == (coap.CHANGED, b"")
    assert len(bench.store.parts) == 1
    other = msg(FAR, UE, 1, "other", ("set-1", 1, 3))
    assert bench.receive_north(other)[0] == coap.BAD_REQUEST


def test_two_devices_get_the_same_set_each_for_itself(bench):
    first, second = Sender(bench, "l3"), Sender(bench, "coap", SECOND)
    group = ("GROUP", "urn:example:group:1")
    for at in (1, 2):
        for ue in (UE, UE2):
            bench.receive_north(msg(FAR, group, 1, f"{at}", ("set", at, 2), recipient=ue))
    assert first.got().payload == second.got().payload == b"12"


# Reports


@FORMS
@pytest.mark.clause("6.4.2.2.4-p1")
def test_a_devices_report_becomes_an_imdn_to_the_originator(bench, form):
    device, number = down(bench, form, report=True)
    device.got()
    device.takes()
    bench.crash()
    assert device.report(uuid.UUID(int=1).bytes) is None
    ref, report = bench.take_north()
    assert report == {
        "msgIden": SERVICE,
        "msgType": "IMDN",
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "destAddr": {"destAddrType": "UE", "addr": FAR},
        "msgId": make_id(1),
        "DelSta": "success",
    }
    bench.server(ref, b"", coap.CHANGED)
    if form == "coap":
        assert bench.answer_to(bench.last) == (coap.CHANGED, b"")
    device.report(uuid.UUID(int=1).bytes, False)
    assert bench.take_north()[1]["DelSta"] == "failure"


@FORMS
def test_a_report_on_what_nobody_sent_or_nobody_wants_goes_nowhere(bench, form):
    device, _ = down(bench, form)
    answer = device.report(uuid.UUID(int=1).bytes)
    assert answer == (
        None if form == "l3" else (coap.NOT_FOUND, b"a report on an unknown message")
    )
    assert not bench.north and bench.core.counters["device reports unknown"] == 1


def test_originators_are_bounded_and_the_oldest_is_forgotten(bench, monkeypatch):
    monkeypatch.setattr(app_up_module, "MAX_REPORTABLE", 2)
    device = Sender(bench, "l3")
    for number in (1, 2, 3):
        bench.receive_north(msg(FAR, UE, number, report=True))
        device.got()
        device.takes()
    device.report(uuid.UUID(int=1).bytes)
    assert not bench.north
    device.report(uuid.UUID(int=2).bytes)
    assert len(bench.north) == 1


def test_a_report_while_the_server_is_away_is_kept(bench):
    device, _ = down(bench, "coap", report=True)
    device.got()
    device.takes()
    device.report(uuid.UUID(int=1).bytes)
    bench.server_fails(bench.north.pop()[0])
    assert bench.answer_to(bench.last) == (coap.CHANGED, b"")
    assert [row.kind for row in bench.store.outbox.values()] == ["IMDN"]


@pytest.mark.clause("6.4.2.2.3-p1", "A.2.1.4", "6.4.1.1.8-a1-a2")
@FORMS
@pytest.mark.parametrize("status", ["success", "failure"])
def test_a_report_of_the_server_reaches_the_device(bench, form, status):
    device = Sender(bench, form)
    answer = bench.receive_north(imdn(FAR, UE, 1, status))
    got = device.got()
    kind = got.type if form == "l3" else got.msg_type
    assert kind == l3.DELIVERY_REPORT_RECEIVED_REQUEST
    assert got.reply_to == uuid.UUID(int=1).bytes and got.message_id != got.reply_to
    assert got.success is (status == "success")
    if form == "coap":
        assert answer is None
        bench.ue_answers(device._ref)
    assert bench.told_to(bench.last) == (coap.CHANGED, b"")


def test_reports_in_an_aggregate_go_one_by_one(bench):
    entries = []
    for number in (5, 6):
        entry = Entry()
        entry.message_id, entry.status = make_id(number), "success"
        entries.append(entry)
    device = Sender(bench, "l3")
    payload = imdn(FAR, UE, 1, None, entries=entries)
    assert bench.receive_north(payload) == (coap.CHANGED, b"")
    assert [device.got().reply_to for _ in range(2)] == [
        uuid.UUID(int=5).bytes,
        uuid.UUID(int=6).bytes,
    ]


@pytest.mark.parametrize(("report", "status"), [(True, "failure"), (False, "failure")])
def test_the_servers_msgresp_is_a_report_if_one_was_asked_for(bench, report, status):
    device = Sender(bench, "l3")
    device.send(report=report)
    bench.server_takes()
    assert device.response() == (True, None)
    refusal = builders.msgresp(SERVICE, ("UE", UE), ID_TEXT, status, "unknown recipient")
    assert bench.receive_north(refusal) == (coap.CHANGED, b"")
    assert [l3.decode(frame).reply_to for _, frame in bench.frames] == [ID] * report


def test_a_deferred_message_is_not_reported(bench):
    Sender(bench, "l3").send(report=True)
    stored = builders.msgresp(SERVICE, ("UE", UE), ID_TEXT, "stored for deferred delivery")
    assert bench.receive_north(stored) == (coap.CHANGED, b"")
    assert not bench.frames


# From device to device


@FORMS
@pytest.mark.parametrize(
    ("target", "application"),
    [("4662", None), ("10.0.0.62", None), (GATEWAY, OTHER), ("here", OTHER)],
)
@pytest.mark.clause("6.4.1.1.6-b2")
def test_local_delivery(bench, form, target, application):
    sender = Sender(bench, "l3", LOCAL)
    receiver = Sender(bench, form, OTHER)
    sender.send(target, report=True, application_id=application)
    got = receiver.got()
    assert (got.payload, got.originator, got.message_id) == (b"hello", "4660", ID)
    assert sender.response() is None
    receiver.takes()
    assert sender.response() == (True, None)
    receiver.report(ID)
    report = sender.got()
    assert (report.type, report.reply_to) == (l3.DELIVERY_REPORT_RECEIVED_REQUEST, ID)
    assert report.success and not bench.north
    # The originator is something that can be written to.
    receiver.send("4660", message_id=bytes(16))
    assert sender.got().payload == b"hello"


def test_local_delivery_that_fails(bench):
    sender, receiver = Sender(bench, "l3", LOCAL), Sender(bench, "coap", OTHER)
    sender.send("4662")
    receiver.got()
    receiver.takes(False, l3.CAUSE_LACK_OF_RESOURCES)
    assert sender.response()[0] is False
    sender.send("4662")
    receiver.got()
    receiver.is_silent()
    assert sender.response() == (False, l3.CAUSE_CONNECTION_GONE)


def test_a_local_device_reaches_no_one_else(bench):
    sender = Sender(bench, "l3", LOCAL)
    for target in (FAR, "192.0.2.7", "9", "here"):
        sender.send(target, report=True)
        assert sender.response() == (False, l3.CAUSE_NOT_ALLOWED)
        assert sender.got().success is False
    # An Application ID does not turn a message for another UE into one for a device here.
    register(bench, OTHER)
    sender.send(FAR, application_id=OTHER)
    assert sender.response()[0] is False and not bench.north and not bench.frames


def test_between_a_local_device_and_one_on_behalf(bench):
    local, proxied = Sender(bench, "l3", LOCAL), Sender(bench, "coap", SECOND)
    local.send(UE2)
    assert proxied.got().originator == "4660"
    proxied.takes()
    assert local.response() == (True, None)
    proxied.send("4660")
    assert local.got().originator == UE2
    local.takes()
    assert proxied.response() == (True, None) and not bench.north


def test_local_delivery_can_be_switched_off(tmp_path):
    bench = Bench(tmp_path, count=0, devices=TABLE, local_delivery=False)
    sender = Sender(bench, "l3", LOCAL)
    register(bench, OTHER)
    sender.send("4662", report=True)
    assert sender.response()[0] is False
    assert sender.got().success is False and not bench.frames
    bench.close()


def test_a_disk_failure_leaves_no_coap_request_of_a_device_without_an_answer(bench):
    other = Sender(bench, "coap", OTHER)
    device, number = down(bench, "coap", report=True)
    asked = [device.send(), other.send(str(DEVICE))]
    device.got()
    device.takes()
    other.bench.receive_north(msg(FAR, UE, 2))
    asked.append(bench.last + 1)
    device.report(uuid.UUID(int=1).bytes)
    assert sorted(bench.core.unanswered()) == asked
    assert bench.core.unanswered_north() == [asked[-1] - 1]


def test_the_form_of_a_device_is_on_disk_and_changes_with_it(bench):
    peer = register(bench, DEVICE, "l3", "udp://10.0.0.17:1")
    bench.crash()
    assert bench.store.devices[DEVICE].speaks_l3
    register(bench, DEVICE, "coap", peer)
    bench.crash()
    assert not bench.store.devices[DEVICE].speaks_l3
    assert body(app_client.registration(SERVICE, 1, b"x"))["msgType"] == "REG"
