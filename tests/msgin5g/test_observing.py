"""Notifications that come and go (RFC 7641) in the exchange layer, on bytes."""

import random

import pytest

from msgin5g import coap
from msgin5g.coap import ACK, CON, CONTENT, GET, NON, RST, decode, encode
from msgin5g.exchange import ACKED, FAILED, NOTICE, RESPONSE, Endpoint, Params
from msgin5g.notifying import notify
from msgin5g.observing import Observer
from tests.wire import Wire

PEER, OTHER = ("192.0.2.1", 5683), ("192.0.2.2", 5683)
OBSERVE = [(coap.OBSERVE, b"\x05"), (coap.CONTENT_FORMAT, b"\x32")]
TOKEN = b"tk"


def make(**params):
    return Endpoint(lambda n: 0, Params(**params), first_mid=100, first_token=1)


def observing():
    """An endpoint that observes with TOKEN at PEER."""
    endpoint = make()
    known = {(PEER, TOKEN): "temperature"}
    return endpoint, Observer(endpoint, lambda peer, token: known.get((peer, token)))


def notification(mid=7, kind=CON, token=TOKEN, options=OBSERVE):
    return encode(kind, CONTENT, mid, token, options, b"{}")


def sent(endpoint, now=0):
    return [bytes(data) for data, _ in endpoint.poll(now)]


def take(endpoint):
    """The next event, which is a NOTICE."""
    name, notice = endpoint.next_event()
    assert name == NOTICE
    return notice


# What comes


def test_a_notification_is_acknowledged_when_it_was_dealt_with_and_copies_likewise():
    endpoint, observer = observing()
    endpoint.receive(notification(), PEER, 0)
    notice = take(endpoint)
    assert (notice.context, notice.peer, bytes(notice.message.payload)) == (
        "temperature",
        PEER,
        b"{}",
    )
    endpoint.receive(notification(), PEER, 2_000)
    assert sent(endpoint) == [] and endpoint.next_event() is None
    observer.acknowledge(notice)
    assert sent(endpoint) == [encode(ACK, 0, 7)]
    endpoint.receive(notification(), PEER, 4_000)
    assert sent(endpoint) == [encode(ACK, 0, 7)] and endpoint.next_event() is None


@pytest.mark.parametrize("kind", [CON, NON])
def test_one_that_nobody_wants_is_rejected(kind):
    endpoint, observer = observing()
    endpoint.receive(notification(kind=kind), PEER, 0)
    observer.reject(take(endpoint))
    assert sent(endpoint) == [encode(RST, 0, 7)]


def test_one_that_is_postponed_comes_anew():
    endpoint, observer = observing()
    endpoint.receive(notification(), PEER, 0)
    observer.postpone(take(endpoint))
    endpoint.receive(notification(), PEER, 2_000)
    observer.acknowledge(take(endpoint))
    assert sent(endpoint) == [encode(ACK, 0, 7)]


def test_a_non_confirmable_one_needs_no_answer():
    endpoint, observer = observing()
    endpoint.receive(notification(kind=NON), PEER, 0)
    notice = take(endpoint)
    observer.acknowledge(notice)
    observer.postpone(notice)
    assert sent(endpoint) == []


@pytest.mark.parametrize(
    ("peer", "token", "options"),
    [(OTHER, TOKEN, OBSERVE), (PEER, b"no", OBSERVE), (PEER, TOKEN, [(9, b"critical")])],
)
def test_what_is_not_observed_or_not_understood_meets_a_reset(peer, token, options):
    endpoint, _ = observing()
    endpoint.receive(notification(token=token, options=options), peer, 0)
    assert endpoint.next_event() is None and sent(endpoint) == [encode(RST, 0, 7)]


def test_without_an_observer_every_notification_meets_a_reset():
    endpoint = make()
    endpoint.receive(notification(), PEER, 0)
    assert endpoint.next_event() is None and sent(endpoint) == [encode(RST, 0, 7)]


def test_the_answer_on_the_acknowledgement_is_the_requests_own():
    endpoint, _ = observing()
    exchange = endpoint.request(PEER, GET, "a", b"", 0, token=TOKEN)
    sent(endpoint)
    endpoint.receive(encode(ACK, CONTENT, exchange.mid, TOKEN, OBSERVE, b"{}"), PEER, 0)
    assert endpoint.next_event()[:2] == (RESPONSE, exchange)


def test_a_notification_that_overtakes_the_answer_is_a_notification():
    endpoint, observer = observing()
    exchange = endpoint.request(PEER, GET, "a", b"", 0, token=TOKEN)
    sent(endpoint)
    endpoint.receive(notification(), PEER, 0)
    observer.acknowledge(take(endpoint))
    endpoint.receive(encode(ACK, CONTENT, exchange.mid, TOKEN, OBSERVE, b"{}"), PEER, 0)
    assert endpoint.next_event()[:2] == (RESPONSE, exchange)


# What goes


def notified(endpoint, now=0, context="c"):
    exchange = notify(endpoint, PEER, TOKEN, b"{}", OBSERVE, now, context)
    return exchange, [decode(one) for one in sent(endpoint, now)]


def test_a_notification_is_a_confirmable_2_05_with_the_observers_token():
    endpoint = make()
    exchange, (message,) = notified(endpoint)
    assert (message.type, message.code, message.token) == (CON, CONTENT, TOKEN)
    assert message.options == OBSERVE and message.payload == b"{}"
    endpoint.receive(encode(ACK, 0, message.mid), PEER, 10)
    assert endpoint.next_event() == (ACKED, exchange) and exchange.context == "c"
    endpoint.receive(encode(ACK, 0, message.mid), PEER, 20)
    assert endpoint.next_event() is None


def test_a_reset_and_a_silence_are_told():
    endpoint = make()
    exchange, (message,) = notified(endpoint)
    endpoint.receive(encode(RST, 0, message.mid), PEER, 10)
    assert endpoint.next_event() == (FAILED, exchange, "reset")
    exchange, _ = notified(endpoint, 1_000)
    now, copies = 1_000, 0
    while (due := endpoint.next_deadline()) is not None:
        now = due
        copies += len(sent(endpoint, now))
    assert endpoint.next_event() == (FAILED, exchange, "timeout")
    assert copies == 4 and now == 1_000 + 2_000 * 31


def test_notifications_wait_for_their_turn_like_requests():
    endpoint = make(nstart=1, max_waiting=1)
    first, (message,) = notified(endpoint)
    second, nothing = notified(endpoint)
    third, _ = notified(endpoint)
    assert nothing == [] and endpoint.next_event() == (FAILED, third, "no room")
    endpoint.receive(encode(ACK, 0, message.mid), PEER, 10)
    assert endpoint.next_event() == (ACKED, first)
    (message,) = [decode(one) for one in sent(endpoint, 10)]
    assert message.mid == second.mid


class _Node:
    def __init__(self, seed):
        self.endpoint = Endpoint(random.Random(seed).randrange)
        self.poll = self.endpoint.poll
        self.next_deadline = self.endpoint.next_deadline
        self.receive = self.endpoint.receive


def test_at_30_percent_loss_what_is_acknowledged_arrived_once_and_in_order():
    for seed in range(20):
        wire = Wire(loss=0.3, delay_ms=(1, 200), duplication=0.2, seed=seed)
        server = wire.attach("server", _Node(seed))
        client = wire.attach("client", _Node(seed + 1))
        observer = Observer(client.endpoint, lambda peer, token: token == TOKEN or None)
        got = []
        receive = client.endpoint.receive

        def hear(data, peer, now, client=client, observer=observer, got=got, receive=receive):
            receive(data, peer, now)
            while event := client.endpoint.next_event():
                got.append(bytes(event[1].message.payload))
                observer.acknowledge(event[1])

        client.receive = hear
        said = [b"%d" % number for number in range(12)]
        for one in said:
            notify(server.endpoint, "client", TOKEN, one, OBSERVE, 0, one)
        wire.run(3_600_000)
        acked = []
        while event := server.endpoint.next_event():
            if event[0] == ACKED:
                acked.append(event[1].context)
        assert len(acked) > 6 and set(acked) <= set(got), seed
        assert got == [one for one in said if one in got], seed
