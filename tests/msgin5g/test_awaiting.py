"""A request that is answered twice (6.2.3.3.3): the Token stays open after the first answer."""

import pytest

from msgin5g import coap
from msgin5g.awaiting import keep_open
from msgin5g.coap import ACK, CON, CONTENT, GET, NON, RST, decode, encode
from msgin5g.exchange import ACKED, FAILED, RESPONSE, Endpoint, Params
from msgin5g.notifying import notify

PEER = "gateway"
INTERIM, FINAL = b'{"maxConfTime":2}', b"{}"


def make(reuse, **params):
    return Endpoint(lambda n: 0, Params(**params), first_mid=100, first_token=1, reuse=reuse)


def answered(endpoint):
    """A GET at time 0 that got its first answer at 50."""
    exchange = endpoint.request(PEER, GET, "x", b"", 0, context="mine")
    endpoint.poll(0)
    endpoint.receive(encode(ACK, CONTENT, 100, exchange.token, b"", INTERIM), PEER, 50)
    assert endpoint.next_event()[0] == RESPONSE
    return exchange


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize(
    ("kind", "mid", "code"),
    [(CON, 100, CONTENT), (CON, 7, coap.NOT_FOUND), (NON, 7, CONTENT), (ACK, 100, CONTENT)],
)
@pytest.mark.clause("6.2.3.2.1-p2")
def test_the_second_answer_is_taken_in_any_form(reuse, kind, mid, code):
    endpoint = make(reuse)
    exchange = answered(endpoint)
    keep_open(endpoint, exchange, 10_000, 50)
    for now in (100, 5_000, 9_000):
        assert endpoint.poll(now) == []
    second = encode(kind, code, mid, exchange.token, b"", FINAL)
    endpoint.receive(second, PEER, 9_500)
    name, found, message = endpoint.next_event()
    assert (name, found.context, message.code) == (RESPONSE, "mine", code)
    assert bytes(message.payload) == FINAL
    wanted = [encode(ACK, 0, mid)] if kind == CON else []
    assert [bytes(data) for data, _ in endpoint.poll(9_500)] == wanted
    endpoint.receive(second, PEER, 11_000)
    assert [bytes(data) for data, _ in endpoint.poll(11_000)] == wanted
    assert endpoint.next_event() is None and endpoint.next_deadline() is None


@pytest.mark.parametrize("reuse", [False, True])
def test_after_the_time_it_is_a_failure_and_later_answers_meet_a_reset(reuse):
    endpoint = make(reuse)
    exchange = answered(endpoint)
    keep_open(endpoint, exchange, 10_000, 50)
    assert endpoint.next_deadline() == 10_050
    endpoint.poll(10_049)
    assert endpoint.next_event() is None
    endpoint.poll(10_050)
    assert endpoint.next_event()[:3:2] == (FAILED, "timeout")
    endpoint.receive(encode(CON, CONTENT, 7, exchange.token, b"", FINAL), PEER, 11_000)
    assert [bytes(data) for data, _ in endpoint.poll(11_000)] == [encode(RST, 0, 7)]


@pytest.mark.parametrize("reuse", [False, True])
def test_meanwhile_the_next_request_waits_and_then_goes(reuse):
    endpoint = make(reuse)
    exchange = answered(endpoint)
    token = bytes(exchange.token)
    keep_open(endpoint, exchange, 10_000, 50)
    endpoint.request(PEER, GET, "y", b"", 60)
    assert endpoint.poll(60) == []
    endpoint.receive(encode(NON, CONTENT, 7, token, b"", FINAL), PEER, 100)
    (sent,) = endpoint.poll(100)
    assert decode(bytes(sent[0])).uri_path() == "y"
    assert endpoint.next_event()[1].token == token


@pytest.mark.parametrize("reuse", [False, True])
def test_it_can_be_cancelled(reuse):
    endpoint = make(reuse)
    exchange = answered(endpoint)
    keep_open(endpoint, exchange, 10_000, 50)
    endpoint.cancel(exchange)
    endpoint.poll(20_000)
    assert endpoint.next_event() is None


@pytest.mark.clause("6.2.3.3.3-b1")
def test_between_two_endpoints_the_second_answer_has_token_and_message_id_and_is_acknowledged():
    ue, gateway = make(True), make(False)
    exchange = ue.request("gateway", GET, "x", b"", 0)
    (get,) = ue.poll(0)
    gateway.receive(bytes(get[0]), "ue", 0)
    incoming = gateway.next_event()[1]
    gateway.respond(incoming, CONTENT, INTERIM, 0)
    ue.receive(bytes(gateway.poll(0)[0][0]), "gateway", 0)
    assert ue.next_event()[0] == RESPONSE
    keep_open(ue, exchange, 10_000, 0)
    token, mid = incoming.token, incoming.mid
    notify(gateway, "ue", token, b"no", b"", 2_000, "ref", coap.NOT_FOUND, mid)
    (second,) = gateway.poll(2_000)
    message = decode(bytes(second[0]))
    assert (message.type, message.mid, message.code) == (CON, mid, coap.NOT_FOUND)
    assert message.token == token
    ue.receive(bytes(second[0]), "gateway", 2_000)
    assert ue.next_event()[2].code == coap.NOT_FOUND
    gateway.receive(bytes(ue.poll(2_000)[0][0]), "ue", 2_000)
    name, acked = gateway.next_event()
    assert (name, acked.context) == (ACKED, "ref")
