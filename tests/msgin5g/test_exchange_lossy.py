"""Two endpoints over a network that loses, doubles and reorders: exactly once, or failed."""

import random
from collections import Counter

import pytest

from msgin5g.coap import ACK, CHANGED, CON, POST, URI_PATH, decode
from msgin5g.exchange import FAILED, REQUEST, RESPONSE, Endpoint, Params
from msgin5g.receiving import Receiver
from tests.wire import Wire

HOUR_MS = 3_600_000


class Client:
    """Sends all its requests at once; the endpoint paces them. Notes each outcome."""

    def __init__(self, seed, payloads, confirmable=True, **params):
        rng = random.Random(seed).randrange
        # Each other one is a UE.
        kind = Receiver if seed % 2 else Endpoint
        self.endpoint = kind(rng, Params(**params))
        self.outcomes = []
        self.confirmable = confirmable
        for payload in payloads:
            self.endpoint.send_request(
                "server",
                POST,
                [(URI_PATH, b"a")],
                payload,
                0,
                confirmable=confirmable,
                context=payload,
            )

    def receive(self, data, peer, now):
        self.endpoint.receive(data, peer, now)
        self.note(now)

    def poll(self, now):
        out = self.endpoint.poll(now)
        self.note(now)
        return out

    def next_deadline(self):
        return self.endpoint.next_deadline()

    def note(self, now):
        while event := self.endpoint.next_event():
            answer = bytes(event[2].payload) if event[0] == RESPONSE else event[2]
            self.outcomes.append((now, event[0], event[1].context, answer))


class Server:
    """Answers each request with its payload, after 0 to `slowest_ms`."""

    def __init__(self, seed, slowest_ms=0, **params):
        self.random = random.Random(seed)
        self.endpoint = Endpoint(self.random.randrange, Params(**params))
        self.slowest_ms = slowest_ms
        self.delivered = []
        self.due = []

    def receive(self, data, peer, now):
        self.endpoint.receive(data, peer, now)
        while event := self.endpoint.next_event():
            assert event[0] == REQUEST
            self.delivered.append((event[1].peer, bytes(event[1].message.payload)))
            wait = self.random.randint(0, self.slowest_ms)
            self.due.append((now + wait, len(self.delivered), event[1]))
        self.answer(now)

    def answer(self, now):
        for due in sorted(self.due):
            if due[0] <= now:
                self.due.remove(due)
                payload = bytes(due[2].message.payload)
                self.endpoint.respond(due[2], CHANGED, payload, now)

    def poll(self, now):
        self.answer(now)
        return self.endpoint.poll(now)

    def next_deadline(self):
        times = [due[0] for due in self.due]
        deadline = self.endpoint.next_deadline()
        return min(times if deadline is None else [*times, deadline], default=None)


def assert_nstart(wire, name, client, nstart):
    """No request goes out while NSTART earlier ones have no outcome."""
    ends = {payload: now for now, _, payload, _ in client.outcomes}
    begins = {}
    for now, source, _, data in wire.log:
        message = decode(data)
        if source == name and message.code == POST:
            begins.setdefault(message.payload, now)
    for payload, begin in begins.items():
        others = [
            one
            for one, start in begins.items()
            if one != payload and start <= begin < ends.get(one, HOUR_MS)
        ]
        assert len(others) < nstart, (payload, others)


@pytest.mark.parametrize("slowest_ms", [0, 15_000], ids=["piggybacked", "slow"])
@pytest.mark.parametrize(("nstart", "remembered"), [(1, 8), (4, 64)])
def test_rfc7252_4_2_delivered_once_or_failed_td_coap_core_15_16(
    nstart, remembered, slowest_ms
) -> None:
    """20 requests a seed: with NSTART 1, the last 8 Message IDs are enough to know a duplicate.

    A peer with a larger NSTART needs more: one request may be repeated for 45 s while others pass.
    """
    totals = Counter()
    for seed in range(200):
        wire = Wire(loss=0.3, duplication=0.2, delay_ms=(5, 900), seed=seed)
        payloads = [b"%02d" % number for number in range(20)]
        client = wire.attach("client", Client(seed, payloads, nstart=nstart))
        server = wire.attach("server", Server(seed, slowest_ms, remembered_ids=remembered))
        wire.run(HOUR_MS, lambda client=client: len(client.outcomes) == 20)
        wire.run(wire.now + HOUR_MS)
        totals.update(wire.counts)
        assert sorted(outcome[2] for outcome in client.outcomes) == payloads, "one outcome each"
        delivered = Counter(payload for _, payload in server.delivered)
        assert max(delivered.values(), default=0) <= 1, (seed, delivered)
        for _, kind, payload, answer in client.outcomes:
            totals[kind] += 1
            if kind == RESPONSE:
                assert (delivered[payload], answer) == (1, payload)
            else:
                assert (kind, answer) == (FAILED, "timeout")
        assert_nstart(wire, "client", client, nstart)
        assert client.next_deadline() is None and server.next_deadline() is None
        totals["duplicates"] += server.endpoint.counters["duplicates"]
        totals["separate"] += server.endpoint.counters["separate"]
    assert totals["lost"] > 0.28 * totals["sent"] and totals["duplicated"] > 0.1 * totals["sent"]
    assert totals[RESPONSE] > 3000
    assert totals[FAILED] > 50
    assert totals["duplicates"] > 200
    assert (totals["separate"] > 200) == bool(slowest_ms)


@pytest.mark.clause("S0-6.1-a", "S0-6.1-a2", "S0-6.1-a3", "S0-6.1-a4", "6.1-coap")
def test_rfc7252_5_2_1_every_datagram_is_a_request_or_the_answer_on_its_acknowledgement() -> None:
    for seed in range(20):
        wire = Wire(loss=0.3, duplication=0.2, delay_ms=(5, 900), seed=seed)
        client = wire.attach("client", Client(seed, [b"%d" % number for number in range(8)]))
        wire.attach("server", Server(seed, slowest_ms=3000))
        assert wire.run(HOUR_MS, lambda client=client: len(client.outcomes) == 8)
        asked = {}
        for _, source, _, data in wire.log:
            message = decode(data)
            if source == "client":
                assert (message.type, message.code) == (CON, POST)
                asked[message.mid] = message
            else:
                assert (message.type, message.code) == (ACK, CHANGED)
                assert message.token == asked[message.mid].token
                assert message.payload == asked[message.mid].payload


def test_rfc7252_4_3_non_confirmable_is_delivered_at_most_once() -> None:
    totals = Counter()
    for seed in range(50):
        wire = Wire(loss=0.3, duplication=0.3, delay_ms=(5, 900), seed=seed)
        payloads = [b"%d" % number for number in range(4)]
        client = wire.attach("client", Client(seed, payloads, confirmable=False, nstart=4))
        server = wire.attach("server", Server(seed))
        assert wire.run(HOUR_MS, lambda client=client: len(client.outcomes) == 4)
        delivered = Counter(payload for _, payload in server.delivered)
        assert max(delivered.values(), default=0) <= 1
        assert sorted(outcome[2] for outcome in client.outcomes) == payloads
        totals.update(outcome[1] for outcome in client.outcomes)
    assert totals[RESPONSE] > 60 and totals[FAILED] > 60


def test_many_clients_at_one_server() -> None:
    wire = Wire(loss=0.3, duplication=0.1, delay_ms=(5, 300), seed=1)
    clients = {}
    for number in range(100):
        payloads = [b"%d.%d" % (number, one) for one in range(3)]
        name = f"client{number}"
        clients[name] = wire.attach(name, Client(number, payloads))
    server = wire.attach("server", Server(1, 100))
    assert wire.run(HOUR_MS, lambda: all(len(one.outcomes) == 3 for one in clients.values()))
    assert max(Counter(server.delivered).values()) == 1
    for name, client in clients.items():
        assert_nstart(wire, name, client, 1)
        for _, kind, payload, _ in client.outcomes:
            assert kind == FAILED or (name, payload) in server.delivered


@pytest.mark.parametrize("blackout_ms", [5_000, 30_000])
def test_rfc7252_4_2_a_short_outage_is_ridden_out(blackout_ms) -> None:
    """The last retransmission goes out after 30 to 45 s."""
    for seed in range(20):
        wire = Wire(blackouts=[(0, blackout_ms)], seed=seed)
        client = wire.attach("client", Client(seed, [b"x"]))
        server = wire.attach("server", Server(seed))
        assert wire.run(HOUR_MS, lambda client=client: client.outcomes)
        assert [outcome[1] for outcome in client.outcomes] == [RESPONSE]
        assert len(server.delivered) == 1


def test_a_long_outage_fails_after_max_transmit_wait() -> None:
    wire = Wire(blackouts=[(0, HOUR_MS)])
    client = wire.attach("client", Client(1, [b"x", b"y"]))
    wire.attach("server", Server(1))
    assert wire.run(HOUR_MS, lambda: len(client.outcomes) == 2)
    assert [outcome[1:] for outcome in client.outcomes] == [
        (FAILED, b"x", "timeout"),
        (FAILED, b"y", "timeout"),
    ]
    assert 62_000 <= client.outcomes[0][0] <= 93_000
    assert len(wire.log) == 10
