"""The constrained UE on MSGin5G-6: clauses 6.3.4.2 and 6.3.5, against a scripted gateway."""

import json

import pytest

from msgin5g import coap, registration
from tests.wire import Wire
from tests.world import SERVICE, UeNode, ue_id

UE = ue_id(1)
PROFILE = {
    "triInfo": {"ueId": "urn:example:device:1", "cliPort": "7000"},
    "comAvail": {"schTime": "2026-01-01T00:00:00Z", "durTime": "2026-01-01T01:00:00Z"},
}


class Gateway:
    """A scripted gateway: answers what `script` holds for a msgType, keeps what it got."""

    def __init__(self):
        self.got, self.out = [], []
        self.mid = 60_000
        self.script = {
            "GWREG": lambda: (coap.CREATED, registration.gwreg_answer(UE, True, 3600)),
            "REG": lambda: (coap.CHANGED, registration.interim(UE, 3)),
            "DEREG": lambda: (coap.CHANGED, registration.interim(UE, 3)),
        }

    def receive(self, data, peer, now):
        message = coap.decode(data)
        self.got.append(message)
        if message.type == coap.CON and 0 < message.code < 32:
            answer = self.script.get(json.loads(message.payload)["msgType"])
            if answer is not None:
                code, payload = answer()
                options = [(coap.CONTENT_FORMAT, b"\x32")] if code < 0x80 else []
                self.out.append(
                    coap.encode(coap.ACK, code, message.mid, message.token, options, payload)
                )

    def poll(self, now):
        out, self.out = self.out, []
        return [(data, "ue") for data in out]

    def next_deadline(self):
        return 0 if self.out else None

    def requests(self, kind):
        found = [one for one in self.got if 0 < one.code < 32]
        return [one for one in found if json.loads(one.payload)["msgType"] == kind]

    def tell(self, payload, token, mid=None):
        if mid is None:
            self.mid += 1
            mid = self.mid
        options = [(coap.CONTENT_FORMAT, b"\x32")]
        self.out.append(coap.encode(coap.CON, coap.POST, mid, token, options, payload))


class Bench:
    def __init__(self, **settings):
        self.wire = Wire()
        self.gateway = self.wire.attach("gateway", Gateway())
        self.ue = self.wire.attach("ue", UeNode(1, **settings))

    def run(self, milliseconds):
        self.wire.run(self.wire.now + milliseconds)

    def to_waiting(self):
        self.ue.core.register(self.wire.now)
        self.run(100)
        assert self.ue.state == "waiting"
        return self.gateway.requests("REG")[-1]

    def to_registered(self):
        request = self.to_waiting()
        self.tell(registration.regresp(UE, SERVICE, True), request)
        assert self.ue.state == "registered"
        return request

    def tell(self, payload, request, mid=None):
        self.gateway.got.clear()
        self.gateway.tell(payload, request.token, mid)
        self.run(100)
        return self.gateway.got[0]


@pytest.mark.clause("6.3.5.1-p1", "6.3.5.3.1-a-c", "6.3.5.3.1-d1-d3", "6.3.5.3.1-d4")
@pytest.mark.clause("6.3.5.3.1-d5", "6.3.0-p4", "7.3.3.3-req", "S0-6.1-a")
def test_the_first_request_signs_up_to_the_gateway_service():
    bench = Bench(ue_id="urn:example:device:1", gateway_time_s=1200, server_host="server.example")
    bench.to_waiting()
    first = bench.gateway.got[0]
    assert (first.type, first.code) == (coap.CON, coap.POST)
    assert coap.URI_HOST not in [number for number, _ in first.options], "it is for the gateway"
    assert first.uri_path() == "msgin5g" and first.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(first.payload) == {
        "msgIden": SERVICE,
        "msgType": "GWREG",
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "oriUEAddr": {"oriAddrType": "UE", "addr": "urn:example:device:1"},
        "expiredTime": 1200,
    }


@pytest.mark.clause("6.3.4.2.1-p1", "6.3.4.2.1-ac", "6.3.4.2.1-b", "6.3.4.2.1-d1-d4")
@pytest.mark.clause("6.3.4.2.1-d3", "6.3.4.2.1-d5", "6.3.4.2.1-d6", "S0-6.1-a")
def test_a_registration_that_may_wait_on_the_wire():
    bench = Bench(wait_s=9, profile=PROFILE, server_host="server.example")
    message = bench.to_waiting()
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(message.payload) == {
        "msgIden": SERVICE,
        "msgType": "REG",
        "urgentTag": False,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "cliProfile": PROFILE,
        "reqExpTime": 9,
    }


@pytest.mark.clause("6.3.4.3.1-b2-ii")
def test_an_interim_answer_is_never_taken_for_success():
    bench = Bench(wait_s=5)
    bench.to_waiting()
    bench.run(10_000)
    assert "registered" not in bench.ue.states


@pytest.mark.clause("6.3.4.2.1-p2", "6.3.4.2.3-p1", "S0-6.1-a2", "S0-6.1-a3", "S0-6.1-a4")
@pytest.mark.parametrize("copied", [True, False])
def test_a_regresp_registers_and_is_answered_2_04_with_its_own_ids(copied):
    bench = Bench()
    request = bench.to_waiting()
    mid = request.mid if copied else 12_345
    answer = bench.tell(registration.regresp(UE, SERVICE, True), request, mid)
    assert (answer.type, answer.code) == (coap.ACK, coap.CHANGED)
    assert (answer.mid, answer.token, answer.payload) == (mid, request.token, b"")
    assert bench.ue.state == "registered"


@pytest.mark.clause("6.3.4.2.2-a-c", "6.3.4.2.2-d1-d3", "6.3.4.2.2-d4", "6.3.4.2.2-d5")
@pytest.mark.clause("6.3.4.2.2-p2", "6.3.4.2.4-p1")
def test_a_de_registration_that_may_wait_and_its_result():
    bench = Bench(wait_s=4, server_host="server.example")
    bench.to_registered()
    bench.gateway.got.clear()
    bench.ue.core.deregister(bench.wire.now)
    bench.run(100)
    (message,) = bench.gateway.requests("DEREG")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.options[0] == (coap.URI_HOST, b"server.example")
    assert message.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(message.payload) == {
        "msgIden": SERVICE,
        "msgType": "DEREG",
        "urgentTag": False,
        "oriAddr": {"oriAddrType": "UE", "addr": UE},
        "reqExpTime": 4,
    }
    assert bench.ue.state == "leaving"
    answer = bench.tell(registration.deregresp(UE, SERVICE, True), message, message.mid)
    assert (answer.type, answer.code, answer.mid) == (coap.ACK, coap.CHANGED, message.mid)
    assert answer.token == message.token and bench.ue.state == "deregistered"


@pytest.mark.clause("7.3.3.4")
def test_a_refusal_is_kept_with_its_cause_and_tried_again_rarely():
    bench = Bench(refused_retry_s=300)
    request = bench.to_waiting()
    bench.tell(registration.regresp(UE, SERVICE, False, "unknown UE Service ID"), request)
    assert bench.ue.state == "refused"
    assert bench.ue.infos[-1]["cause"] == "unknown UE Service ID"
    bench.gateway.got.clear()
    bench.run(200_000)
    assert not bench.gateway.got
    bench.run(200_000)
    assert bench.gateway.requests("GWREG")


@pytest.mark.parametrize("code", [0x80, 0x81, 0x83])
def test_a_4_xx_to_reg_is_a_refusal(code):
    bench = Bench()
    bench.gateway.script["REG"] = lambda: (code, b"oriAddr: missing")
    bench.ue.core.register(0)
    bench.run(100)
    assert bench.ue.state == "refused" and bench.ue.infos[-1]["cause"] == "oriAddr: missing"


def test_a_regresp_with_another_token_is_acknowledged_and_changes_nothing():
    bench = Bench()
    bench.to_waiting()
    bench.gateway.got.clear()
    bench.gateway.tell(registration.regresp(UE, SERVICE, True), b"other")
    bench.run(100)
    assert bench.gateway.got[0].code == coap.CHANGED and bench.ue.state == "waiting"


@pytest.mark.parametrize(
    "payload",
    [
        registration.regresp(ue_id(2), SERVICE, True),
        registration.regresp(UE, "urn:other:service", True),
        registration.reg(UE, SERVICE),
        b"{}",
        b"\x00",
    ],
)
def test_a_post_that_is_not_for_this_ue_gets_4_00(payload):
    bench = Bench()
    request = bench.to_waiting()
    assert bench.tell(payload, request).code == coap.BAD_REQUEST
    assert bench.ue.state == "waiting"


def test_a_duplicate_regresp_gets_the_same_answer_and_counts_once():
    bench = Bench()
    request = bench.to_waiting()
    payload = registration.regresp(UE, SERVICE, True)
    first = bench.tell(payload, request, 4711)
    second = bench.tell(payload, request, 4711)
    assert (first.mid, first.code) == (second.mid, second.code)
    assert bench.ue.core.counters["registrations"] == 1


def test_a_lost_registration_is_made_again():
    bench = Bench(backoff_min_s=1)
    request = bench.to_registered()
    bench.tell(registration.regresp(UE, SERVICE, False, "account closed"), request)
    assert bench.ue.state == "backoff"
    bench.run(3000)
    assert bench.gateway.requests("GWREG") and bench.gateway.requests("REG")


def test_without_a_result_the_ue_asks_again_with_a_new_token():
    bench = Bench(wait_s=5, backoff_min_s=1)
    first = bench.to_waiting()
    bench.gateway.got.clear()
    bench.run(60_000)
    again = bench.gateway.requests("REG")[0]
    assert again.token != first.token and again.mid != first.mid


def test_an_urgent_registration_is_final_at_once():
    bench = Bench(urgent=True)
    bench.gateway.script["REG"] = lambda: (coap.CREATED, registration.reg_answer(UE, True, 90))
    bench.ue.core.register(0)
    bench.run(100)
    assert bench.ue.state == "registered"
    request = json.loads(bench.gateway.requests("REG")[0].payload)
    assert request["urgentTag"] is True and "reqExpTime" not in request
    bench.gateway.got.clear()
    bench.run(80_000)
    assert bench.gateway.requests("REG"), "refreshed before the 90 s that the server gave"


def test_sign_up_and_registration_are_refreshed_in_time():
    bench = Bench(gateway_time_s=60, refresh_s=100)
    bench.gateway.script["GWREG"] = lambda: (
        coap.CHANGED,
        registration.gwreg_answer(UE, True, 60),
    )
    bench.to_registered()
    bench.gateway.got.clear()
    bench.run(58_000)
    assert bench.gateway.requests("GWREG") and bench.ue.state == "registered"
    assert bench.wire.run(140_000, lambda: bench.gateway.requests("REG"))
    bench.run(10)
    request = bench.gateway.requests("REG")[-1]
    bench.tell(registration.regresp(UE, SERVICE, True), request)
    assert bench.ue.core.counters["refreshes"] == 1


def test_a_reboot_never_repeats_a_message_id_or_token():
    seen, saved = set(), {}
    for _ in range(5):
        bench = Bench(saved=saved, backoff_min_s=1, backoff_max_s=1, wait_s=1, answer_margin_s=1)
        bench.ue.core.register(0)
        bench.run(100_000)
        used = {(one.mid, one.token) for one in bench.gateway.got if 0 < one.code < 32}
        assert len(used) > 20
        assert not {mid for mid, _ in used} & {mid for mid, _ in seen}
        assert not {token for _, token in used} & {token for _, token in seen}
        seen |= used
        saved = bench.ue.saved


def test_leaving_while_nobody_answers_goes_on_until_somebody_does():
    bench = Bench(backoff_min_s=1, backoff_max_s=4)
    bench.to_registered()
    bench.gateway.script["DEREG"] = lambda: (coap.UNAVAILABLE, b"later")
    bench.ue.core.deregister(bench.wire.now)
    bench.run(20_000)
    assert bench.ue.state in ("backoff", "deregistering")
    bench.gateway.script["DEREG"] = lambda: (
        coap.CHANGED,
        registration.dereg_answer(UE, False, "not registered"),
    )
    bench.run(20_000)
    assert bench.ue.state == "deregistered"
