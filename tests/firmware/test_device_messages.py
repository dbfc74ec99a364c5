"""Messages of a device without an MSGin5G client, in both forms, against a gateway by hand."""

import json
import uuid

import pytest

from msgin5g import app_client, coap, l3
from msgin5g.errors import CallerError
from msgin5g.exchange import RESPONSE
from tests.firmware.test_device import ID, CoapBench, L3Bench, coap_yes, yes

UE2 = "urn:example:ue:2"
MESSAGES = (l3.MESSAGE_SENDING_REQUEST, l3.DELIVERY_REPORT_SENDING_REQUEST)


class Talks:
    """What a device's bench needs for messages: events kept, `verdict` answers a message.

    verdict: None for silence, True, or the cause of a FAILED as the form has it.
    """

    def __init__(self, saved=None, registered=True, **config):
        self.events = []
        self.answers = []
        self.verdict = True
        super().__init__(saved, **config)
        take = self.core.next_event

        def next_event():
            event = take()
            if event is not None:
                self.events.append(event)
            return event

        self.core.next_event = next_event
        self.answer = self.decide
        self.listen()
        if registered:
            self.register()
            assert self.states[-1] == "registered"
            self.got = [one for one in self.got if kind_of(one) in MESSAGES]

    def send(self, payload="hello", to=UE2, kind="UE", report=False, application=None):
        options = (kind, report, True, "NORMAL", application)
        message_id = self.core.messages().send(to, payload, options, self.now)
        self.run()
        return message_id

    def named(self, name):
        return [event[1:] for event in self.events if event[0] == name]

    def sent(self, kind=l3.MESSAGE_SENDING_REQUEST):
        return [one for one in self.got if kind_of(one) == kind]


def kind_of(message):
    return message.type if isinstance(message, l3.L3Message) else message.msg_type


class L3Talks(Talks, L3Bench):
    is_l3 = True

    def listen(self):
        poll = self.core.poll

        def polled(now):
            frames = poll(now)
            self.answers += [l3.decode(bytes(one)) for one, _ in frames]
            return frames

        self.core.poll = polled

    def decide(self, message):
        if message.type == l3.MESSAGE_SENDING_REQUEST:
            if self.verdict is None:
                return None
            cause = None if self.verdict is True else self.verdict
            return l3.message_sending_response(self.verdict is True, cause)
        return None if message.type in (4, 5) else yes(message)

    def bring(self, message_id, payload=b"hello", **more):
        """Deliver a message; returns the responses."""
        self.answers.clear()
        self.core.receive(l3.message_received_request(message_id, payload, **more), self.now)
        self.run()
        return [one for one in self.answers if one.type == l3.MESSAGE_RECEIVED_RESPONSE]

    def bring_report(self, success, message_id, reply_to):
        frame = l3.delivery_report_received_request(success, message_id, reply_to)
        self.core.receive(frame, self.now)
        self.run()


class CoapTalks(Talks, CoapBench):
    is_l3 = False

    def listen(self):
        take = self.gateway.next_event

        def next_event():
            event = take()
            if event is not None and event[0] == RESPONSE:
                self.answers.append(event[2])
            return event

        self.gateway.next_event = next_event

    def decide(self, request):
        if request.msg_type == l3.MESSAGE_SENDING_REQUEST:
            if self.verdict is None:
                return coap.UNAVAILABLE, b""
            reason = None if self.verdict is True else l3.CAUSES[self.verdict]
            return coap.CONTENT, app_client.sending_response(self.verdict is True, reason)
        if request.msg_type == l3.DELIVERY_REPORT_SENDING_REQUEST:
            return coap.CHANGED, b""
        return coap_yes(request)

    def post(self, payload):
        self.answers.clear()
        self.gateway.request("ue", coap.POST, "msgin5g", payload, self.now)
        self.step()
        self.run()
        return list(self.answers)

    def bring(self, message_id, payload=b"hello", **more):
        answers = self.post(app_client.received_request(message_id, payload, **more))
        for one in answers:
            assert one.code == coap.CONTENT and one.uint(coap.CONTENT_FORMAT) == 50
        return [app_client.parse_request(bytes(one.payload)) for one in answers]

    def bring_report(self, success, message_id, reply_to):
        (answer,) = self.post(app_client.report_received_request(success, message_id, reply_to))
        assert answer.code == coap.CHANGED and not answer.payload


both = pytest.mark.parametrize("make", [L3Talks, CoapTalks], ids=["l3", "coap"])


@both
@pytest.mark.parametrize("kind", ["UE", "AS", "GROUP"])
def test_a_message_goes_out_and_its_response_is_its_outcome(make, kind):
    bench = make()
    message_id = bench.send(b"\x00\xff", kind=kind, report=True, application=7)
    (request,) = bench.sent()
    assert bytes(request.message_id) == uuid.UUID(message_id).bytes
    assert request.payload == b"\x00\xff" and request.report is True
    assert request.application_id == 7 and request.target == ("fqdn", UE2)
    assert request.target_type == kind
    assert bench.named("outcome") == [(message_id, None)]


@pytest.mark.parametrize(
    ("to", "target"),
    [
        ("192.0.2.1", ("ipv4", "192.0.2.1")),
        ("2001:db8::1", ("ipv6", "2001:db8::1")),
        ("4660", ("fqdn", "4660")),
        ("ue.example.com", ("fqdn", "ue.example.com")),
    ],
)
def test_the_target_of_the_l3_form(to, target):
    bench = L3Talks()
    bench.send(to=to)
    assert bench.sent()[0].target == target


@both
def test_an_l3_payload_is_raw_and_a_long_one_is_refused_at_once(make):
    bench = make(outbox_bytes=4096)
    with pytest.raises(CallerError, match="the link carries"):
        bench.send(b"x" * 1300)
    with pytest.raises(CallerError):
        bench.send(kind="TOPIC")
    with pytest.raises(CallerError):
        bench.core.messages().send_several(UE2, ["a", "b"], ("UE", 0, 0, "LOW", None), bench.now)
    assert not bench.sent()


@both
@pytest.mark.parametrize("cause", [1, 2, 111])
def test_a_refusal_is_told(make, cause):
    bench = make()
    bench.verdict = cause
    message_id = bench.send()
    assert bench.named("outcome") == [(message_id, l3.CAUSES[cause])]
    bench.run(60_000)
    assert len(bench.sent()) == 1


@both
@pytest.mark.parametrize("cause", [4, 5, 6])
def test_not_now_is_tried_again_with_the_same_id(make, cause):
    bench = make(backoff_min_s=2)
    bench.verdict = cause
    message_id = bench.send()
    assert bench.named("waiting")[0][0]["reason"] == l3.CAUSES[cause]
    bench.run(10_000)
    bench.verdict = True
    bench.run(60_000)
    assert bench.named("outcome") == [(message_id, None)] and len(bench.sent()) >= 2
    assert len({bytes(one.message_id) for one in bench.sent()}) == 1


@both
def test_a_gateway_that_forgot_the_device_is_registered_at_again_once(make):
    bench = make()
    bench.verdict = l3.CAUSE_UNKNOWN_DEVICE
    verdicts = [l3.CAUSE_UNKNOWN_DEVICE, True]
    decide = bench.decide

    def answer(message):
        if message in bench.sent():
            bench.verdict = verdicts.pop(0)
        return decide(message)

    bench.answer = answer
    message_id = bench.send()
    bench.run(1_000)
    assert bench.named("outcome") == [(message_id, None)]
    assert len(bench.got) == 3 and bench.states[-1] == "registered"


@both
def test_a_target_that_is_unknown_is_believed_the_second_time(make):
    bench = make()
    bench.verdict = l3.CAUSE_UNKNOWN_DEVICE
    message_id = bench.send()
    bench.run(60_000)
    assert bench.named("outcome") == [(message_id, "unknown device")]
    assert len(bench.sent()) == 2


def test_an_l3_request_is_repeated_until_answered_and_then_an_outage():
    bench = L3Talks(max_retransmit=2, ack_timeout_ms=1000, backoff_min_s=20, refresh_s=0)
    bench.verdict = None
    first = bench.send("one")
    bench.send("two")
    bench.run(9_000)
    assert [one.payload for one in bench.sent()] == [b"one"] * 3, "one at a time"
    assert bench.named("waiting")[0][0]["reason"] == "timeout"
    bench.verdict = True
    bench.run(60_000)
    assert [one.payload for one in bench.sent()[3:]] == [b"one", b"two"]
    assert bench.named("outcome")[0] == (first, None)


def test_answers_to_copies_pass_before_the_next_request_goes():
    bench = L3Talks(ack_timeout_ms=1000)
    bench.verdict = None
    first, second = bench.send("one"), bench.send("two")
    bench.run(2_000)
    assert len(bench.sent()) == 2
    for _ in range(2):
        bench.core.receive(l3.message_sending_response(True), bench.now)
        bench.step()
    assert bench.named("outcome") == [(first, None)], "the second answer is not for the second"
    assert bench.core.counters["stray"] == 1
    bench.verdict = True
    bench.run(2_000)
    assert bench.named("outcome")[1] == (second, None)


def test_a_registration_is_not_disturbed_by_messages_under_way():
    bench = L3Talks(refresh_s=10, max_retransmit=1, ack_timeout_ms=1000, backoff_min_s=1)
    bench.verdict = None
    for _ in range(3):
        bench.send()
    bench.run(120_000)
    kinds = {one.type for one in bench.got}
    assert kinds == {l3.REGISTRATION_REQUEST, l3.MESSAGE_SENDING_REQUEST}
    assert bench.states[-1] == "registered" and "backoff" not in bench.states


def test_leaving_cuts_a_message_off_and_coming_back_sends_it():
    bench = L3Talks()
    bench.verdict = None
    message_id = bench.send()
    bench.deregister()
    assert bench.states[-1] == "deregistered"
    bench.run(60_000)
    bench.verdict = True
    bench.register()
    assert bench.named("outcome") == [(message_id, None)]


@both
def test_a_message_that_arrives_is_answered_and_handed_on_once(make):
    bench = make()
    message_id = uuid.uuid4().bytes
    for count in (1, 2):
        answers = bench.bring(message_id, b"\x00\xff", originator=UE2, priority="HIGH")
        assert [one.success for one in answers] == [True], count
    ((message,),) = bench.named("received")
    assert message.payload == b"\x00\xff" and message.origin == ("UE", UE2)
    assert message.message_id == str(uuid.UUID(bytes=message_id)) and message.priority == "HIGH"
    assert bench.core.counters["messages_repeated"] == 1
    assert not bench.sent(l3.DELIVERY_REPORT_SENDING_REQUEST)


@both
def test_a_group_message_names_its_group(make):
    bench = make()
    bench.bring(uuid.uuid4().bytes, group="urn:example:group:1")
    ((message,),) = bench.named("received")
    assert message.group == "urn:example:group:1" and message.origin is None


@both
def test_a_report_that_is_wanted_is_sent_at_once(make):
    bench = make()
    message_id = uuid.uuid4().bytes
    bench.bring(message_id, report=True, originator=UE2)
    (report,) = bench.sent(l3.DELIVERY_REPORT_SENDING_REQUEST)
    assert bytes(report.reply_to) == message_id != bytes(report.message_id)
    assert report.success is True
    bench.bring(message_id, report=True, originator=UE2)
    again = bench.sent(l3.DELIVERY_REPORT_SENDING_REQUEST)[1:]
    # The L3 form has no answer to a report: it is sent again with the repeated response.
    assert len(again) == (1 if bench.is_l3 else 0)


@both
def test_an_application_may_report_itself(make):
    bench = make()
    bench.core.reports_itself = True
    bench.bring(uuid.uuid4().bytes, report=True)
    assert not bench.sent(l3.DELIVERY_REPORT_SENDING_REQUEST)
    ((message,),) = bench.named("received")
    bench.core.messages().report(message, False, "valve stuck", bench.now)
    bench.run()
    assert [one.success for one in bench.sent(l3.DELIVERY_REPORT_SENDING_REQUEST)] == [False]


@both
def test_reports_reach_the_application_once(make):
    bench = make()
    reply_to = uuid.UUID(bench.send(report=True))
    report_id = uuid.uuid4().bytes
    for _ in range(2):
        bench.bring_report(False, report_id, reply_to.bytes)
    assert bench.named("report") == [(str(reply_to), False, None)]


@both
def test_what_waits_survives_a_reboot(make):
    bench = make(registered=False)
    message_id = bench.send(b"\x00", report=True, application=7)
    bench.run(10_000)
    saved = json.loads(json.dumps(bench.saved))
    assert saved["outbox"]
    again = make(saved=saved)
    again.run(1_000)
    assert again.named("outcome") == [(message_id, None)]


@pytest.mark.parametrize(
    "payload",
    [b"{", b'{"msgType":"MSG"}', app_client.sending_request("UE", UE2, bytes(16), b"x")],
)
def test_what_is_no_message_to_a_device_gets_4_00(payload):
    bench = CoapTalks()
    (answer,) = bench.post(payload)
    assert answer.code == coap.BAD_REQUEST and answer.payload


def test_a_stray_response_and_a_request_of_a_device_change_nothing():
    bench = L3Talks()
    bench.core.receive(l3.message_sending_response(True), bench.now)
    bench.core.receive(
        l3.message_sending_request("UE", ("fqdn", "x"), ID + ID[:6] + ID[:4], b""), 0
    )
    bench.run()
    assert bench.core.counters["stray"] == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((coap.CHANGED, b""), None),
        ((coap.CONTENT, b"{"), "malformed"),
        ((coap.BAD_REQUEST, b"no"), "4.00"),
        ((coap.CONTENT, app_client.sending_response(False, "target not resolvable")), "target"),
        ((coap.CONTENT, app_client.sending_response(False)), "refused without"),
    ],
)
def test_what_other_coap_answers_mean(answer, outcome):
    bench = CoapTalks()
    decide = bench.decide
    bench.answer = lambda message: (
        answer if message.msg_type == l3.MESSAGE_SENDING_REQUEST else decide(message)
    )
    message_id = bench.send()
    if outcome == "malformed":
        assert bench.named("waiting")[0][0]["reason"].startswith("malformed answer")
        return
    ((told, cause),) = bench.named("outcome")
    assert told == message_id
    assert cause is None if outcome is None else cause.startswith(outcome)
