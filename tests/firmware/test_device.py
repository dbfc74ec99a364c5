"""A device without an MSGin5G client: its states, against a gateway played by hand."""

import random

import pytest

from msgin5g import app_client, coap, l3
from msgin5g.exchange import REQUEST, Endpoint
from ue.config import defaults, merge
from ue.modes import make_core

ID = bytes.fromhex("0123456789ab")
CONFIG = {
    **defaults(),
    "application_id": 4660,
    "credential": "s3cret",
    "refresh_s": 100,
    "backoff_min_s": 10,
}


class L3Bench:
    """The gateway answers each frame with what `answer` returns for it, or not at all."""

    def __init__(self, saved=None, **config):
        self.core = make_core({**CONFIG, "mode": "l3", **config}, saved or {}, rng(), 1280)
        self.now = 1_000
        self.got = []
        self.states = []
        self.infos = []
        self.saved = saved or {}
        self.answer = yes

    def step(self):
        for frame, _ in self.core.poll(self.now):
            message = l3.decode(bytes(frame))
            self.got.append(message)
            reply = self.answer(message)
            if reply:
                self.core.receive(reply, self.now)
        while event := self.core.next_event():
            if event[0] == "state":
                self.states.append(event[1])
                self.infos.append(event[2])
            elif event[0] == "save":
                self.saved = event[1]

    def run(self, milliseconds=0):
        end = self.now + milliseconds
        self.step()
        for _ in range(10_000):
            due = self.core.next_deadline()
            if due is None or due > end:
                break
            self.now = max(self.now, due)
            self.step()
        else:
            raise AssertionError("the device never comes to rest")
        self.now = end
        self.step()

    def register(self):
        self.core.register(self.now)
        self.run()

    def deregister(self):
        self.core.deregister(self.now)
        self.run()


def rng():
    return random.Random(3).randrange


def yes(message):
    if message.type == l3.REGISTRATION_REQUEST:
        return l3.registration_accept(ID)
    return l3.deregistration_accept(message.registration_id)


def silence(message):
    return None


def no(cause):
    def answer(message):
        if message.type == l3.REGISTRATION_REQUEST:
            return l3.registration_reject(cause)
        return l3.deregistration_reject(cause)

    return answer


@pytest.mark.clause(
    "6.3.2.2.1-appid", "6.3.2.2.1-n", "6.3.2.2.2-regid", "6.3.2.2.2-n", "S4-ac", "S4-ac-id"
)
@pytest.mark.clause("S4-ac-n")
def test_in_with_the_application_id_out_with_the_registration_id():
    bench = L3Bench()
    bench.register()
    assert bench.states == ["registering", "registered"]
    request = bench.got.pop()
    assert (request.application_id, request.credential) == (4660, b"s3cret")
    assert bench.saved["registration"] == ID.hex()
    bench.deregister()
    assert bench.got.pop().registration_id == ID
    assert bench.states[2:] == ["deregistering", "deregistered"]
    assert "registration" not in bench.saved


def test_a_request_is_repeated_at_the_pace_of_a_confirmable():
    bench = L3Bench(max_retransmit=3, ack_timeout_ms=1000)
    bench.answer = silence
    bench.register()
    times = [bench.now]
    for _ in range(100):
        before = len(bench.got)
        bench.run(250)
        if len(bench.got) > before:
            times.append(bench.now)
        if "backoff" in bench.states:
            break
    assert len(bench.got) == 4
    pauses = [b - a for a, b in zip(times, times[1:], strict=False)]
    assert 750 <= pauses[0] <= 1500 and 1500 <= pauses[1] <= 2750 and 3000 <= pauses[2] <= 5250
    assert bench.infos[-1]["reason"] == "timeout"
    bench.answer = yes
    bench.run(15_000)
    assert bench.states[-1] == "registered"


@pytest.mark.parametrize(
    ("cause", "state"),
    [(1, "refused"), (2, "refused"), (3, "backoff"), (4, "backoff"), (5, "backoff")]
    + [(6, "backoff"), (7, "refused"), (111, "refused"), (42, "refused")],
)
def test_what_a_reject_means(cause, state):
    bench = L3Bench()
    bench.answer = lambda message: bytes((l3.REGISTRATION_REJECT, cause))
    bench.register()
    assert bench.states[-1] == state
    named = l3.CAUSES[cause if cause in l3.CAUSES else 111]
    assert bench.infos[-1].get("reason", bench.infos[-1].get("cause")) == named
    bench.answer = yes
    bench.run(400_000)
    assert bench.states[-1] == "registered"


def test_a_gateway_that_has_forgotten_us_lets_us_leave():
    bench = L3Bench()
    bench.register()
    bench.answer = no(7)
    bench.deregister()
    assert bench.states[-1] == "deregistered"


def test_a_gateway_that_says_no_keeps_us():
    bench = L3Bench()
    bench.register()
    bench.answer = no(1)
    bench.deregister()
    assert bench.states[-1] == "refused" and bench.saved["registration"] == ID.hex()
    bench.answer = yes
    bench.run(400_000)
    assert bench.states[-1] == "deregistered"


def test_registering_again_keeps_the_registration_alive():
    bench = L3Bench()
    bench.register()
    bench.run(1_000_000)
    assert 8 <= len(bench.got) <= 14
    assert set(bench.states[1:]) == {"registered"} and bench.infos[-1]["refresh"] is True
    bench.answer = silence
    bench.run(200_000)
    assert bench.states[-1] in ("backoff", "registering")


def test_a_reboot_leaves_with_what_was_kept():
    before = L3Bench()
    before.register()
    bench = L3Bench(saved=before.saved)
    assert bench.core.wanted == "registered"
    bench.deregister()
    assert [one.type for one in bench.got] == [l3.DEREGISTRATION_REQUEST]


def test_a_device_without_its_registration_id_learns_it_to_leave():
    before = L3Bench()
    before.answer = silence
    before.register()
    bench = L3Bench(saved=before.saved)
    bench.deregister()
    assert [one.type for one in bench.got] == [l3.REGISTRATION_REQUEST, l3.DEREGISTRATION_REQUEST]
    assert bench.states[-1] == "deregistered" and "registered" not in bench.states


def test_a_device_that_never_registered_leaves_without_a_word():
    bench = L3Bench()
    bench.deregister()
    assert bench.states == ["deregistered"] and not bench.got


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\x00",
        b"\x08\x01",
        b"\x50",
        l3.deregistration_accept(ID),
        l3.registration_request(1, b"x"),
    ],
)
def test_what_answers_nothing_changes_nothing(frame):
    bench = L3Bench()
    bench.answer = silence
    bench.register()
    bench.core.receive(frame, bench.now)
    bench.step()
    assert bench.states == ["registering"] and bench.core.counters["stray"] == 1
    bench.core.receive(l3.registration_accept(ID), bench.now)
    bench.step()
    bench.core.receive(l3.registration_accept(bytes(6)), bench.now)
    bench.step()
    assert bench.states[-1] == "registered" and bench.saved["registration"] == ID.hex()


def test_an_accept_of_another_deregistration_is_not_ours():
    bench = L3Bench()
    bench.register()
    bench.answer = lambda message: l3.deregistration_accept(bytes(6))
    bench.deregister()
    assert bench.states[-1] == "deregistering"


class CoapBench(L3Bench):
    """The same over CoAP; `answer` returns (code, payload)."""

    def __init__(self, saved=None, **config):
        super().__init__(saved)
        self.core = make_core({**CONFIG, "mode": "coap", **config}, saved or {}, rng(), 1280)
        self.gateway = Endpoint(random.Random(4).randrange)
        self.requests = []
        self.answer = coap_yes

    def step(self):
        for datagram, _ in self.core.poll(self.now):
            self.gateway.receive(bytes(datagram), "ue", self.now)
        while event := self.gateway.next_event():
            if event[0] == REQUEST:
                message = event[1].message
                self.requests.append(message)
                self.got.append(app_client.parse_request(bytes(message.payload)))
                code, payload = self.answer(self.got[-1])
                self.gateway.respond(event[1], code, payload, self.now)
        for datagram, _ in self.gateway.poll(self.now):
            self.core.receive(bytes(datagram), self.now)
        while event := self.core.next_event():
            if event[0] == "state":
                self.states.append(event[1])
                self.infos.append(event[2])
            elif event[0] == "save":
                self.saved = event[1]


def coap_yes(request):
    return coap.CREATED, app_client.answer(True, registration_id=ID)


@pytest.mark.clause("A.3.1.7-a-c", "A.3.1.7-d1-d4", "A.3.1.9-a-c", "A.3.1.9-d1-d3")
def test_the_coap_form_comes_and_goes_the_same_way():
    bench = CoapBench()
    bench.register()
    bench.deregister()
    assert bench.states == ["registering", "registered", "deregistering", "deregistered"]
    first, second = bench.got
    assert (first.msg_type, first.application_id, first.credential) == ("REG", 4660, b"s3cret")
    assert (second.msg_type, second.registration_id) == ("DEREG", ID)
    assert {one.service_id for one in bench.got} == {"urn:msgin5g:service"}
    for message in bench.requests:
        assert (message.type, message.code) == (coap.CON, coap.POST)
        assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50


@pytest.mark.parametrize(
    ("code", "payload", "state"),
    [
        (coap.CHANGED, app_client.answer(False, reason=l3.CAUSES[2]), "refused"),
        (coap.CHANGED, app_client.answer(False, reason=l3.CAUSES[6]), "backoff"),
        (coap.CHANGED, app_client.answer(False, reason="server unreachable"), "backoff"),
        (coap.CHANGED, b"{", "backoff"),
        (coap.CHANGED, b'{"result":true}', "backoff"),
        (coap.BAD_REQUEST, b"", "refused"),
        (coap.UNAVAILABLE, b"", "backoff"),
    ],
)
def test_what_a_coap_answer_means(code, payload, state):
    bench = CoapBench()
    bench.answer = lambda request: (code, payload)
    bench.register()
    assert bench.states[-1] == state
    bench.answer = coap_yes
    bench.run(400_000)
    assert bench.states[-1] == "registered"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"mode": "l4"}, "config: mode: one of client, l3, coap is wanted, not 'l4'"),
        ({"mode": "l3"}, "config: credential: what the gateway knows this device by is wanted"),
        (
            {"mode": "l3", "credential": "x", "application_id": 65536},
            "config: application_id: a number from 0 to 65535 is wanted",
        ),
        (
            {"mode": "coap", "credential": "x" * 256},
            "config: credential: at most 255 bytes are wanted",
        ),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(given, text):
    from ue.config import ConfigError

    with pytest.raises(ConfigError) as error:
        merge(given)
    assert str(error.value) == text
    assert merge({"mode": "l3", "credential": "x"})["mode"] == "l3"
