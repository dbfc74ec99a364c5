"""The exchange layer of a UE: one peer, answers at once. What it shares with an `Endpoint` is
tested there; names start with the section of RFC 7252."""

import pytest

from msgin5g import coap
from msgin5g.coap import ACK, CHANGED, CON, CONTENT, NON, POST, RST, decode, encode
from msgin5g.exchange import Endpoint
from msgin5g.receiving import Params, Receiver
from msgin5g.sending import FAILED, REQUEST, RESPONSE

OPTIONS = [(coap.URI_PATH, b"a")]
PEER = 0
both = pytest.mark.parametrize("kind", [Receiver, Endpoint])


def make(kind=Receiver, reuse=True, **params):
    return kind(lambda n: 0, Params(**params), first_mid=100, first_token=1, reuse=reuse)


def sent(endpoint, now):
    return [bytes(data) for data, _ in endpoint.poll(now)]


def events(endpoint):
    listed = []
    while event := endpoint.next_event():
        listed.append(event)
    return listed


def asked(endpoint, mid=7, kind=CON, now=0):
    """Let a request arrive; return its Incoming or None."""
    endpoint.receive(encode(kind, POST, mid, b"tk", [(11, b"a")], b"x"), PEER, now)
    event = endpoint.next_event()
    return event and event[1]


def test_rfc7252_4_4_message_ids_follow_each_other_from_the_first() -> None:
    endpoint = make(nstart=9)
    endpoint.first_mid = 65535
    mids = [endpoint.send_request(PEER, POST, OPTIONS, b"{}", 0).mid for _ in range(2)]
    incoming = asked(endpoint, kind=NON)
    endpoint.respond(incoming, CHANGED, b"", 0)
    answer = decode(sent(endpoint, 0)[-1])
    assert [*mids, answer.mid] == [65535, 0, 1]
    assert (answer.type, answer.code, answer.token) == (NON, CHANGED, b"tk")
    assert endpoint.send_request(PEER, POST, OPTIONS, b"{}", 0, mid=9).mid == 9


@both
def test_rfc7252_4_5_a_duplicate_gets_the_same_bytes_again(kind) -> None:
    endpoint = make(kind)
    incoming = asked(endpoint)
    assert asked(endpoint) is None and sent(endpoint, 0) == []
    endpoint.respond(incoming, CHANGED, b"{}", 0)
    (answer,) = sent(endpoint, 0)
    assert answer == encode(ACK, CHANGED, 7, b"tk", [(12, b"\x32")], b"{}")
    assert asked(endpoint, now=246_999) is None
    assert sent(endpoint, 0) == [answer]
    assert asked(endpoint, now=247_000) is not None


@both
def test_rfc7252_4_2_requests_are_repeated_and_the_next_ones_wait(kind) -> None:
    endpoint = make(kind, max_waiting=1)
    first, second, third = (
        endpoint.send_request(PEER, POST, OPTIONS, b"%d" % n, 0) for n in range(3)
    )
    assert events(endpoint) == [(FAILED, third, "no room")]
    at = []
    while (then := endpoint.next_deadline()) is not None and then < 62_000:
        at += [then for _ in sent(endpoint, then)]
    assert at == [0, 2000, 6000, 14_000, 30_000]
    (data,) = sent(endpoint, 62_000)
    assert events(endpoint) == [(FAILED, first, "timeout")]
    assert decode(data).mid == second.mid
    endpoint.receive(encode(ACK, CONTENT, second.mid, second.token, (), b"y"), PEER, 62_001)
    ((what, exchange, message),) = events(endpoint)
    assert (what, exchange, bytes(message.payload)) == (RESPONSE, second, b"y")
    assert endpoint.next_deadline() is None


@both
def test_a_cancelled_request_lets_the_next_one_go(kind) -> None:
    endpoint = make(kind)
    first, second = (endpoint.send_request(PEER, POST, OPTIONS, b"{}", 0) for _ in range(2))
    sent(endpoint, 0)
    endpoint.cancel(first)
    assert [decode(data).mid for data in sent(endpoint, 1)] == [second.mid]
    endpoint.cancel(second)
    assert (endpoint.next_deadline(), sent(endpoint, 10**6), events(endpoint)) == (None, [], [])


@both
def test_a_peers_message_ids_are_bounded(kind) -> None:
    endpoint = make(kind, remembered_ids=3)
    for mid in range(100):
        assert asked(endpoint, mid=mid) is not None
        assert len(endpoint.state_of(PEER).seen) <= 3


def test_rfc7252_5_9_2_9_what_is_too_long_is_told_how_long_it_may_be() -> None:
    endpoint = make(max_datagram_bytes=64)
    endpoint.receive(encode(CON, POST, 7, b"tok", [(11, b"a")], bytes(64)), PEER, 0)
    endpoint.receive(encode(NON, POST, 8, b"tok", [(11, b"a")], bytes(64)), PEER, 0)
    endpoint.receive(encode(CON, coap.CONTENT, 9, b"tok", [], bytes(64)), PEER, 0)
    told, reset = sent(endpoint, 0)
    answer = decode(told)
    assert (answer.type, answer.code, answer.mid) == (ACK, coap.TOO_LARGE, 7)
    assert (bytes(answer.token), answer.uint(coap.SIZE1)) == (b"tok", 64)
    assert reset == encode(RST, 0, 9) and events(endpoint) == []


@both
def test_rfc7252_5_4_1_an_unknown_critical_option_is_refused(kind) -> None:
    endpoint = make(kind)
    endpoint.receive(encode(CON, POST, 7, b"tok", [(9, b"a")]), PEER, 0)
    (data,) = sent(endpoint, 0)
    answer = decode(data)
    assert (answer.type, answer.code, answer.options) == (ACK, coap.BAD_OPTION, [])
    endpoint.receive(encode(CON, POST, 8, b"", [(35, b"coap://x")]), PEER, 0)
    (data,) = sent(endpoint, 0)
    assert decode(data).code == coap.PROXYING_NOT_SUPPORTED
    endpoint.receive(encode(NON, POST, 9, b"", [(9, b"a")]), PEER, 0)
    assert (events(endpoint), sent(endpoint, 0)) == ([], [])


def test_an_answer_comes_once() -> None:
    endpoint = make()
    incoming = asked(endpoint)
    endpoint.respond(incoming, CHANGED, b"", 0)
    endpoint.respond(incoming, CONTENT, b"", 0)
    assert [decode(data).code for data in sent(endpoint, 0)] == [CHANGED]
    assert REQUEST not in [event[0] for event in events(endpoint)]
