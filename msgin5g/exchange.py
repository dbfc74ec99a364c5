"""The CoAP exchange layer of a gateway or server: many peers, and answers that take their time.

`Endpoint` is a `msgin5g.receiving.Receiver`, which says how one is used, that speaks with any
number of peers over one link. A peer is any hashable value that the link uses.
"""

from msgin5g.coap import ACK, CON, UNAVAILABLE, encode, encode_options
from msgin5g.paths import json_options, path_only
from msgin5g.peers import PeerTable
from msgin5g.receiving import Incoming, Receiver
from msgin5g.sending import (
    ACKED,
    EXCHANGE_LIFETIME_MS,
    FAILED,
    NEVER,
    NON_LIFETIME_MS,
    NOTICE,
    REQUEST,
    RESPONSE,
    Exchange,
    Params,
)

__all__ = [
    "ACKED",
    "COUNTERS",
    "EXCHANGE_LIFETIME_MS",
    "FAILED",
    "NON_LIFETIME_MS",
    "NOTICE",
    "REQUEST",
    "RESPONSE",
    "Endpoint",
    "Exchange",
    "Incoming",
    "Params",
]

_MAX_CACHED_PATHS = 8
_MANY = 64  # from this many busy peers on, timers are looked at every _COARSE_MS only
_COARSE_MS = 50

COUNTERS = (
    "received",
    "sent",
    "malformed",
    "ignored",
    "oversize",
    "duplicates",
    "retransmissions",
    "timeouts",
    "resets_received",
    "resets_sent",
    "pings",
    "bad_option",
    "unmatched",
    "separate",
    "id_replaced",
    "no_room",
    "peers_forgotten",
)


class Endpoint(Receiver):
    """One CoAP endpoint on one link.

    The parameters are those of `Receiver`; first_mid, first_token: random if not given.
    counters: how often what happened, by name.
    """

    def __init__(
        self, rng, params=None, known=None, first_mid=None, first_token=None, reuse=False
    ):
        if first_token is None:
            first_token = rng(1 << 24)
        super().__init__(rng, params or Params(), known, first_mid, first_token, reuse)
        self.counters = {name: 0 for name in COUNTERS}
        peers = PeerTable(self.params.max_peers, self.counters, self._first_mid)
        self._peers = peers
        self.state_of, self.find_state = peers.state_of, peers.find_state
        self._note_busy = peers.note_busy
        self._encoded = {}
        self._held = []
        self._fresh = []

    def request(
        self,
        peer,
        code,
        path,
        payload,
        now,
        token=None,
        mid=None,
        confirmable=True,
        options=None,
        context=None,
    ):
        """Send a request to a path, as `send_request` does.

        path: Uri-Path joined by "/"; a payload is announced as JSON; `options` replaces both.
        """
        if options is None:
            options = self._json_to(path) if payload else path_only(path)
        return self.send_request(
            peer, code, options, payload, now, token, mid, confirmable, context
        )

    def _json_to(self, path):
        """Return the encoded options of a request with JSON; the last few paths' are kept."""
        encoded = self._encoded.get(path)
        if encoded is None:
            encoded = encode_options(json_options(path))
            if len(self._encoded) >= _MAX_CACHED_PATHS:
                self._encoded.clear()
            self._encoded[path] = encoded
        return encoded

    def _respond_late(self, incoming, code, payload, now, options):
        peer = incoming.peer
        state = self.state_of(peer)
        self.counters["separate"] += 1
        exchange = self._new_exchange(peer, None, True)
        exchange.token = incoming.token
        exchange.code = code
        exchange.mid = self._own_mid(state, None, now)
        exchange.is_confirmable = True
        exchange.datagram = encode(CON, code, exchange.mid, incoming.token, options, payload)
        self._start_exchange(exchange, state, now)

    def poll(self, now):
        """Return the datagrams to send now as [(bytes-like, peer)], valid until the next call."""
        if self._fresh:
            self._hold()
        out = Receiver.poll(self, now)
        self.counters["sent"] += len(out)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None if nothing is being waited for."""
        return 0 if self._fresh else super().next_deadline()

    def peer_count(self):
        """Return how many peers are remembered."""
        return len(self._peers)

    def _tally(self, what):
        self.counters[what] += 1

    # Message IDs, a row for each peer

    def _first_mid(self):
        return self._rng(65536) if self.first_mid is None else self.first_mid

    def _note_mid(self, state, mid, now):
        state.use(mid, now)

    def _own_mid(self, state, mid, now):
        """Return the Message ID to use: `mid`, if this peer has not had it recently."""
        if mid is None or state.has_used(mid, now - EXCHANGE_LIFETIME_MS):
            if mid is not None:
                self.counters["id_replaced"] += 1
            mid = state.next_mid
            while state.has_used(mid, now - EXCHANGE_LIFETIME_MS):
                mid = mid + 1 & 65535
            state.next_mid = mid + 1 & 65535
        state.use(mid, now)
        return mid

    # Requests that are not answered at once

    def _arrived(self, incoming, now):
        if incoming.confirmable:
            open_requests = len(self._held) + len(self._fresh)
            if open_requests >= self.params.max_held and not self._make_room():
                self.counters["no_room"] += 1
                text = b"too many requests at once"
                self.respond(incoming, UNAVAILABLE, text, now, options=b"")
                return
            incoming.ack_at = now + self.params.separate_after_ms
            self._fresh.append(incoming)
        self._events.append((REQUEST, incoming))

    def _make_room(self):
        self._hold()
        self._held = [incoming for incoming in self._held if incoming.record[1] is None]
        return len(self._held) < self.params.max_held

    def _hold(self):
        """Put the requests that were not answered at once under the empty-ACK timer."""
        for incoming in self._fresh:
            if incoming.record[1] is None:
                self._held.append(incoming)
                self._wake_at(incoming.ack_at)
        self._fresh.clear()

    def _settle(self, peer, state):
        self._peers.settle(peer, state)
        if not self._held and self._peers.at_rest():
            self._wake = NEVER

    def _run_timers(self, now):
        self._wake = NEVER
        busy = self._peers.all_busy()
        for state in busy:
            self._run_timers_of(state, now)
        self._acknowledge_held(now)
        if self._wake < now + _COARSE_MS and len(busy) > _MANY:
            self._wake = now + _COARSE_MS

    def _acknowledge_held(self, now):
        """Send the empty ACKs that are due (RFC 7252 5.2.2)."""
        held = []
        for incoming in self._held:
            if incoming.record[1] is not None:
                continue
            if now >= incoming.ack_at:
                incoming.record[1] = self._send_empty(ACK, incoming.mid, incoming.peer)
                continue
            held.append(incoming)
            self._wake_at(incoming.ack_at)
        self._held = held
