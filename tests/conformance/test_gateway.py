"""MSGin5G-6 and MSGin5G-1 at the Gateway: clauses 6.3.4 and 6.3.5, on the wire.

The gateway stands between scripted UEs and a scripted server; every datagram is decoded.
"""

import json

import pytest

from msgin5g import coap, registration
from tests.wire import Wire
from tests.world import GATEWAY, SERVICE, GatewayNode, gateway_settings, ue_id

PATH = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]


class Peer:
    """A scripted CoAP peer: sends what it is told, keeps what it gets."""

    def __init__(self, bench, name):
        self.bench, self.name = bench, name
        self.got, self.out = [], []
        self.answering = True

    def receive(self, data, peer, now):
        message = coap.decode(data)
        self.got.append(message)
        if self.answering and message.type == coap.CON:
            self.answer(message, coap.CHANGED, b"")

    def poll(self, now):
        out, self.out = self.out, []
        return [(data, "gateway") for data in out]

    def next_deadline(self):
        return 0 if self.out else None

    def post(self, payload, mid, token=b"tk", options=PATH):
        self.out.append(coap.encode(coap.CON, coap.POST, mid, token, options, payload))

    def answer(self, message, code, payload):
        options = [(coap.CONTENT_FORMAT, b"\x32")] if payload else []
        self.out.append(coap.encode(coap.ACK, code, message.mid, message.token, options, payload))

    def take(self, kind=None):
        """Remove and return the oldest message; `kind`: the oldest of that msgType."""
        for message in self.got:
            if kind is None or (message.payload and body(message).get("msgType") == kind):
                self.got.remove(message)
                return message
        raise AssertionError(f"{self.name} got no {kind}")

    def count(self, kind):
        return sum(1 for one in self.got if one.payload and body(one).get("msgType") == kind)


class Server(Peer):
    """A scripted server: says yes to everything unless told otherwise."""

    def __init__(self, bench):
        super().__init__(bench, "server")
        self.refuse = {}
        self.drop = set()
        self.lifetime_s = 3600

    def receive(self, data, peer, now):
        message = coap.decode(data)
        self.got.append(message)
        if self.answering and message.type == coap.CON:
            code, payload = self.reply(body(message))
            self.answer(message, code, payload)

    def reply(self, request):
        ue = request["oriAddr"]["addr"]
        if "regReqList" in request:
            return coap.CREATED, registration.breg_answer(
                self.verdicts(request["regReqList"], self.registered)
            )
        if "deregReqList" in request:
            return coap.CHANGED, registration.bulk_dereg_answer(
                self.verdicts(request["deregReqList"], self.removed)
            )
        return coap.CREATED, (
            self.registered(ue) if request["msgType"] == "REG" else self.removed(ue)
        )

    def verdicts(self, entries, build):
        ues = [one["oriAddr"]["addr"] for one in entries]
        return [build(ue) for ue in ues if ue not in self.drop]

    def registered(self, ue):
        if ue in self.refuse:
            return registration.reg_answer(ue, False, cause=self.refuse[ue])
        return registration.reg_answer(ue, True, self.lifetime_s)

    def removed(self, ue):
        return registration.dereg_answer(ue, ue not in self.refuse, self.refuse.get(ue))


class Bench:
    """A gateway with `count` scripted UEs that are signed up, and a scripted server."""

    def __init__(self, folder, count=2, bulk=None, sign_up=True, **settings):
        self.wire = Wire()
        ues = [ue_id(number) for number in range(1, count + 1)]
        settings = gateway_settings(str(folder), ues, bulk, **settings)
        self.server = self.wire.attach("server", Server(self))
        self.gateway = self.wire.attach("gateway", GatewayNode(settings))
        self.ues = [self.wire.attach(ue, Peer(self, ue)) for ue in ues]
        self.run(100)
        self.server.got.clear()
        if sign_up:
            for ue in self.ues:
                ue.post(registration.gwreg(ue.name, SERVICE), 1, b"gw")
            self.run(100)
            for ue in self.ues:
                ue.got.clear()

    def run(self, milliseconds):
        self.wire.run(self.wire.now + milliseconds)

    def close(self):
        self.gateway.store.close()


def body(message):
    return json.loads(message.payload)


def reg(ue, urgent=False, wait_s=None, **more):
    return registration.reg(ue.name, SERVICE, urgent, wait_s, **more)


def dereg(ue, urgent=False, wait_s=None):
    return registration.dereg(ue.name, SERVICE, urgent, wait_s)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()


# Sign-up to the gateway service, 6.3.5


@pytest.mark.clause("6.3.5.2.1-p1", "6.3.5.2.1-b", "6.3.5.2.1-b2-i-ii", "6.3.5.2.1-b2-iii")
@pytest.mark.clause("7.3.3.3-resp", "S0-6.1-a2", "S0-6.1-a3", "S0-6.1-a4")
def test_a_sign_up_is_answered_by_the_gateway_and_never_forwarded(tmp_path):
    bench = Bench(tmp_path, sign_up=False, gateway_time_s=600)
    (ue, _) = bench.ues
    ue.post(registration.gwreg(ue.name, SERVICE, "urn:example:dev:1", 3600), 7, b"abc")
    bench.run(100)
    answer = ue.take()
    assert (answer.type, answer.code, answer.mid, answer.token) == (2, 0x41, 7, b"abc")
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    assert body(answer) == {
        "oriAddr": {"oriAddrType": "UE", "addr": ue.name},
        "result": True,
        "acceptedTime": 600,
    }
    assert not bench.server.got
    ue.post(registration.gwreg(ue.name, SERVICE), 8)
    bench.run(100)
    assert ue.take().code == coap.CHANGED
    bench.close()


@pytest.mark.clause("6.3.5.2.1-a", "6.3.5.2.1-b2-iv")
def test_a_ue_that_is_not_in_the_table_is_refused_with_a_failure_reason(bench):
    stranger = bench.wire.attach("urn:x:stranger", Peer(bench, "urn:x:stranger"))
    stranger.post(registration.gwreg(stranger.name, SERVICE), 1)
    bench.run(100)
    answer = body(stranger.take())
    assert answer["result"] is False and answer["failure reason"]
    assert "acceptedTime" not in answer
    assert stranger.name not in bench.gateway.store.signups
    for request in (reg(stranger), reg(stranger, True), dereg(stranger)):
        stranger.post(request, 2 + len(stranger.got))
        bench.run(100)
        assert body(stranger.take())["cause"] == "UE may not use this gateway"
    bench.run(60_000)
    assert not bench.server.count("BREG") and not bench.server.count("DEREG")


@pytest.mark.clause("6.3.5.2.1-a")
def test_the_ue_id_is_checked_too_when_one_is_configured(tmp_path):
    bench = Bench(tmp_path, sign_up=False)
    ue = bench.ues[0]
    bench.gateway.core._table[ue.name] = "urn:example:dev:1"
    for mid, shown, result in ((1, "urn:example:dev:2", False), (2, "urn:example:dev:1", True)):
        ue.post(registration.gwreg(ue.name, SERVICE, shown), mid)
        bench.run(100)
        assert body(ue.take())["result"] is result
    bench.close()


# Urgent requests, 6.3.4.3.1 a, 6.3.4.3.4 a


@pytest.mark.clause("6.3.4.3.1-p1", "6.3.4.3.1-a", "6.3.4.3.4-p1", "6.3.4.3.4-a")
@pytest.mark.parametrize("make", [reg, dereg])
def test_an_urgent_request_goes_unchanged_to_the_server_and_its_answer_comes_back(bench, make):
    ue = bench.ues[0]
    payload = make(ue, True).replace(b'"urgentTag"', b' "x":[1, 2] ,"urgentTag"')
    ue.post(payload, 9, b"urgent")
    bench.run(100)
    assert bench.server.take().payload == payload
    answer = ue.take()
    assert (answer.type, answer.mid, answer.token) == (coap.ACK, 9, b"urgent")
    assert body(answer)["result"] is True and not ue.got


@pytest.mark.clause("6.3.0-p4")
def test_a_ue_that_never_signed_up_is_forwarded_unbulked(tmp_path):
    bench = Bench(tmp_path, sign_up=False)
    ue = bench.ues[0]
    ue.post(reg(ue), 1)
    bench.run(100)
    assert bench.server.count("REG") == 1 and body(ue.take())["result"] is True
    bench.close()


def test_an_urgent_request_gets_5_04_when_the_server_does_not_answer(bench):
    bench.server.answering = False
    ue = bench.ues[0]
    ue.post(reg(ue, True), 5, b"u")
    bench.run(60_000)
    answers = [one for one in ue.got if one.code]
    assert answers[0].code == coap.GATEWAY_TIMEOUT and answers[0].token == b"u"


# Requests that may wait, 6.3.4.3.1 b, 6.3.4.3.4 b


@pytest.mark.clause("6.3.4.3.1-p1", "6.3.4.3.1-b1", "6.3.4.3.1-b2", "6.3.4.3.1-b2-ii")
@pytest.mark.clause("6.3.4.3.1-b2-ii-time", "7.3.3.1-interim")
@pytest.mark.clause("6.3.4.3.4-p1", "6.3.4.3.4-b1", "6.3.4.3.4-b2", "6.3.4.3.4-b2-ii")
@pytest.mark.clause("6.3.4.3.4-b2-ii-time")
@pytest.mark.parametrize("make", [reg, dereg])
def test_a_request_that_may_wait_is_cached_whole_and_gets_an_interim_answer(bench, make):
    ue = bench.ues[0]
    ue.post(make(ue, wait_s=4), 0x4242, b"later")
    bench.run(100)
    answer = ue.take()
    assert (answer.type, answer.code) == (coap.ACK, coap.CHANGED)
    assert (answer.mid, answer.token) == (0x4242, b"later")
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    interim = body(answer)
    assert set(interim) == {"oriAddr", "expectedTime"}
    assert interim["oriAddr"]["addr"] == ue.name and 1 <= interim["expectedTime"] <= 5
    assert not bench.server.got
    (row,) = bench.gateway.store.pending.values()
    assert (row.payload, row.mid, row.token) == (make(ue, wait_s=4), 0x4242, b"later")
    assert row.peer.endswith(ue.name)


@pytest.mark.clause("6.3.4.3.1-b3", "6.3.4.3.1-b3-val", "6.3.4.3.2-trig-a", "6.3.4.3.2-n")
@pytest.mark.clause("6.3.4.3.4-b3", "6.3.4.3.4-b3-val", "6.3.4.3.5-trig-a", "6.3.4.3.5-n")
@pytest.mark.parametrize(("make", "kind"), [(reg, "BREG"), (dereg, "DEREG")])
def test_the_per_ue_timer_is_the_ues_own_wait_time(tmp_path, make, kind):
    bench = Bench(tmp_path, bulk={"interval_s": 60.0})
    ue = bench.ues[0]
    ue.post(make(ue, wait_s=3), 2)
    bench.run(100)
    (row,) = bench.gateway.store.pending.values()
    assert row.due_ms - row.received_ms == 3000
    bench.run(2300)
    assert bench.server.count(kind) == 0
    bench.run(600)
    assert bench.server.count(kind) == 1, "before the UE's time is over, with room for the answer"
    bench.close()


@pytest.mark.clause("6.3.4.3.1-p2", "6.3.4.3.2-trig-b", "6.3.4.3.5-trig-b")
@pytest.mark.parametrize(("make", "kind"), [(reg, "BREG"), (dereg, "DEREG")])
def test_the_periodic_timer_starts_with_the_first_request(tmp_path, make, kind):
    bench = Bench(tmp_path, bulk={"interval_s": 2.0})
    for ue, pause in zip(bench.ues, (1500, 600), strict=True):
        assert bench.server.count(kind) == 0
        ue.post(make(ue, wait_s=60), 2)
        bench.run(pause)
    assert bench.server.count(kind) == 1
    bench.close()


@pytest.mark.clause("6.3.4.3.2-trig-c", "6.3.4.3.5-trig-c", "6.3.4.3.2-all", "6.3.4.3.5-all")
@pytest.mark.parametrize(("make", "kind"), [(reg, "BREG"), (dereg, "DEREG")])
def test_more_than_the_maximum_count_leave_at_once_and_all_of_them(tmp_path, make, kind):
    bench = Bench(tmp_path, 4, bulk={"max_requests": 3, "interval_s": 60.0})
    for ue in bench.ues:
        assert bench.server.count(kind) == 0
        ue.post(make(ue, wait_s=60), 2)
        bench.run(50)
    entries = body(bench.server.take(kind))["regReqList" if kind == "BREG" else "deregReqList"]
    assert [one["oriAddr"]["addr"] for one in entries] == [ue.name for ue in bench.ues]
    bench.run(120_000)
    assert bench.server.count(kind) == 0, "each one once"
    bench.close()


@pytest.mark.clause("6.3.4.3.2-a-c", "6.3.4.3.2-d1-d2", "6.3.4.3.2-d3", "6.3.4.3.2-d4")
@pytest.mark.clause("6.3.4.3.2-d5", "6.3.4.1-p1", "S0-6.1-a")
def test_the_bulk_registration_on_the_wire(bench):
    sent = [reg(ue, wait_s=1) for ue in bench.ues]
    for ue, payload in zip(bench.ues, sent, strict=True):
        ue.post(payload, 2)
    bench.run(2000)
    message = bench.server.take("BREG")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
    request = body(message)
    assert request["msgIden"] == SERVICE
    assert request["oriAddr"] == {"oriAddrType": "UE", "addr": GATEWAY}
    assert request["regReqNum"] == 2
    assert request["regReqList"] == [json.loads(payload) for payload in sent]


@pytest.mark.clause("6.3.4.3.5-a-c", "6.3.4.3.5-d1-d2", "6.3.4.3.5-d3", "6.3.4.3.5-d4")
@pytest.mark.clause("6.3.4.3.5-d5", "6.3.4.1-p1")
def test_the_bulk_de_registration_on_the_wire(bench):
    sent = [dereg(ue, wait_s=1) for ue in bench.ues]
    for ue, payload in zip(bench.ues, sent, strict=True):
        ue.post(payload, 2)
    bench.run(2000)
    message = bench.server.take("DEREG")
    assert (message.type, message.code) == (coap.CON, coap.POST)
    assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
    request = body(message)
    assert (request["msgIden"], request["msgType"]) == (SERVICE, "DEREG")
    assert request["oriAddr"]["addr"] == GATEWAY
    assert request["deregReqNum"] == 2
    assert request["deregReqList"] == [json.loads(payload) for payload in sent]


# The answer, split: 6.3.4.3.3, 6.3.4.3.6


@pytest.mark.clause("6.3.4.3.3-a", "6.3.4.3.3-b", "6.3.4.3.3-b1", "S0-6.3.4.3.3-b1", "S0-6.1-b")
@pytest.mark.clause("6.3.4.3.3-b2-i-ii", "6.3.4.3.3-b2-iii", "6.3.4.3.3-b2-iv")
@pytest.mark.clause("6.3.4.3.3-b2-v", "6.3.4.1-p2", "7.3.3.4")
@pytest.mark.clause("6.3.4.3.6-a", "6.3.4.3.6-b", "6.3.4.3.6-b1", "S0-6.3.4.3.6-b1")
@pytest.mark.clause("6.3.4.3.6-b2-i-ii", "6.3.4.3.6-b2-iii", "6.3.4.3.6-b2-iv")
@pytest.mark.clause("6.3.4.3.6-b2-v", "7.3.3.5")
@pytest.mark.parametrize(("make", "kind"), [(reg, "REGRESP"), (dereg, "DEREGRESP")])
def test_every_ue_is_told_its_own_result_with_token_and_message_id_of_its_request(
    bench, make, kind
):
    good, bad = bench.ues
    bench.server.refuse[bad.name] = "not today"
    for number, ue in enumerate(bench.ues):
        if make is dereg:
            # An older registration of the same UE must not lend its Token.
            ue.post(reg(ue, True), 90, b"old")
            bench.run(100)
            ue.got.clear()
        ue.post(make(ue, wait_s=1), 500 + number, b"tok%d" % number)
    bench.run(2000)
    for number, ue in enumerate(bench.ues):
        message = ue.take(kind)
        assert (message.type, message.code) == (coap.CON, coap.POST)
        assert (message.mid, message.token) == (500 + number, b"tok%d" % number)
        assert message.uint(coap.CONTENT_FORMAT) == 50
        result = body(message)
        assert (result["msgIden"], result["msgType"]) == (SERVICE, kind)
        assert result["oriAddr"] == {"oriAddrType": "UE", "addr": ue.name}
        assert result["result"] is (ue is good)
        assert result.get("cause") == (None if ue is good else "not today")
        assert ue.count(kind) == 0, "only its own, only once"
    assert not bench.gateway.store.pending


@pytest.mark.clause("S0-6.1-b")
def test_without_the_policy_only_the_token_is_copied(tmp_path):
    bench = Bench(tmp_path, copy_message_id=False)
    ue = bench.ues[0]
    ue.post(reg(ue, wait_s=1), 777, b"mine")
    bench.run(2000)
    message = ue.take("REGRESP")
    assert message.token == b"mine" and message.mid != 777
    bench.close()


def test_an_entry_that_the_server_left_out_stays_cached_and_is_sent_again(bench):
    one, two = bench.ues
    bench.server.drop.add(two.name)
    for ue in bench.ues:
        ue.post(reg(ue, wait_s=1), 2)
    bench.run(3000)
    assert one.count("REGRESP") == 1 and two.count("REGRESP") == 0
    bench.server.drop.clear()
    bench.run(20_000)
    assert two.count("REGRESP") == 1


def test_a_result_is_repeated_and_then_dropped_when_the_ue_is_gone(bench):
    ue = bench.ues[0]
    ue.answering = False
    ue.post(reg(ue, wait_s=1), 2)
    bench.run(15 * 60_000)
    assert ue.count("REGRESP") == 3 * 5, "three attempts of CoAP's five transmissions"
    assert not bench.gateway.store.pending
    assert bench.gateway.core.counters["ue_gone"] == 1


def test_while_the_server_is_away_everything_stays_cached(bench):
    bench.server.answering = False
    for ue in bench.ues:
        ue.post(reg(ue, wait_s=1), 2)
    bench.run(10 * 60_000)
    assert len(bench.gateway.store.pending) == 2
    assert not any(ue.count("REGRESP") for ue in bench.ues)
    bench.server.answering = True
    bench.run(5 * 60_000)
    assert all(ue.count("REGRESP") == 1 for ue in bench.ues)


def test_a_request_that_is_never_answered_is_refused_after_its_lifetime(tmp_path):
    bench = Bench(tmp_path, bulk={"pending_lifetime_s": 300.0})
    bench.server.answering = False
    ue = bench.ues[0]
    ue.post(reg(ue, wait_s=1), 2)
    bench.run(20 * 60_000)
    assert body(ue.take("REGRESP"))["cause"] == "server unreachable"
    bench.close()


def test_one_bad_entry_does_not_keep_the_others_from_registering(bench):
    one, two = bench.ues
    real = bench.server.reply

    def picky(request):
        entries = request.get("regReqList", [])
        if any(entry["oriAddr"]["addr"] == two.name for entry in entries):
            return coap.BAD_REQUEST, b"regReqList[1]: nonsense"
        return real(request)

    bench.server.reply = picky
    for ue in bench.ues:
        ue.post(reg(ue, wait_s=1), 2)
    bench.run(5000)
    assert body(one.take("REGRESP"))["result"] is True
    assert "nonsense" in body(two.take("REGRESP"))["cause"]


def test_the_last_request_of_a_ue_counts(bench):
    ue = bench.ues[0]
    ue.post(reg(ue, wait_s=3), 10, b"first")
    bench.run(100)
    ue.post(reg(ue, wait_s=3), 11, b"second")
    bench.run(100)
    ue.post(dereg(ue, wait_s=1), 12, b"third")
    bench.run(5000)
    assert bench.server.count("BREG") == 0
    result = ue.take("REGRESP")
    assert result.token == b"second"
    assert body(result)["cause"] == "superseded by a later request"
    assert ue.take("DEREGRESP").token == b"third"


def test_the_gateway_refreshes_at_the_server_while_the_ue_is_signed_up(tmp_path):
    bench = Bench(tmp_path, gateway_time_s=150)
    bench.server.lifetime_s = 60
    ue = bench.ues[0]
    ue.post(reg(ue, wait_s=1), 2)
    bench.run(2000)
    bench.server.got.clear()
    bench.run(100_000)
    assert 1 < bench.server.count("BREG") < 4
    assert ue.count("REGRESP") == 1, "a refresh on behalf of the UE is not its business"
    bench.run(100_000)
    bench.server.got.clear()
    bench.run(300_000)
    assert bench.server.count("BREG") == 0, "its sign-up is over"
    bench.close()


def test_a_ue_is_told_when_the_server_no_longer_takes_its_refresh(bench):
    bench.server.lifetime_s = 60
    ue = bench.ues[0]
    ue.post(reg(ue, wait_s=1), 2, b"reg")
    bench.run(2000)
    ue.got.clear()
    bench.server.refuse[ue.name] = "account closed"
    bench.run(60_000)
    told = ue.take("REGRESP")
    assert told.token == b"reg"
    assert body(told)["result"] is False and body(told)["cause"] == "account closed"


def test_the_gateway_registers_itself_and_refreshes(tmp_path):
    bench = Bench(tmp_path, sign_up=False)
    bench.server.lifetime_s = 100
    bench.run(1)
    assert bench.gateway.core.own.registered
    bench.close()


@pytest.mark.clause("7.1-values")
@pytest.mark.parametrize("msg_type", ["BREG", "REGRESP", "MSG", "NOPE"])
def test_a_gateway_refuses_the_message_types_that_are_not_for_it(bench, msg_type):
    ue = bench.ues[0]
    request = json.loads(reg(ue))
    request |= {"msgType": msg_type, "result": True, "regReqNum": 0, "regReqList": []}
    ue.post(json.dumps(request).encode(), 3)
    bench.run(100)
    assert ue.take().code == coap.BAD_REQUEST
    assert not bench.server.got


def test_a_full_cache_answers_5_03_and_keeps_nothing(tmp_path):
    bench = Bench(tmp_path, 3, bulk={"max_pending": 2})
    for ue in bench.ues:
        ue.post(reg(ue, wait_s=2), 2)
    bench.run(100)
    assert [ue.take().code for ue in bench.ues] == [0x44, 0x44, coap.UNAVAILABLE]
    assert len(bench.gateway.store.pending) == 2
    bench.close()
