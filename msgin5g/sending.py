"""What an endpoint sends: requests, retransmission, NSTART, Message IDs (RFC 7252 4.2-4.8)."""

from msgin5g.coap import CON, NON, RST, encode, encode_into, encode_options
from msgin5g.errors import CallerError
from msgin5g.limits import (
    MAX_DATAGRAM_BYTES,
    MAX_HELD_REQUESTS,
    MAX_PEERS,
    MAX_REMEMBERED_IDS,
    MAX_WAITING_REQUESTS,
)
from msgin5g.options import json_to, path_only
from msgin5g.peers import PeerTable

EXCHANGE_LIFETIME_MS = 247000
NON_LIFETIME_MS = 145000
NEVER = 1 << 62
_MANY = 64  # from this many busy peers on, timers are looked at every _COARSE_MS only
_COARSE_MS = 50

REQUEST = "request"
RESPONSE = "response"
FAILED = "failed"
ACKED = "acked"
NOTICE = "notice"

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


class Params:
    """Transmission parameters (RFC 7252 section 4.8) and the limits of one endpoint.

    `separate_after_ms`: how long an answer may take before an empty ACK goes ahead of it. It is
    long because clause 6.1 a) wants the answer on the ACK; duplicates are absorbed meanwhile.
    """

    def __init__(
        self,
        ack_timeout_ms=2000,
        ack_random_permille=1500,
        max_retransmit=4,
        nstart=1,
        response_wait_ms=93000,
        separate_after_ms=8000,
        max_datagram_bytes=MAX_DATAGRAM_BYTES,
        max_peers=MAX_PEERS,
        remembered_ids=MAX_REMEMBERED_IDS,
        max_waiting=MAX_WAITING_REQUESTS,
        max_held=MAX_HELD_REQUESTS,
    ):
        self.ack_timeout_ms = ack_timeout_ms
        self.ack_random_permille = ack_random_permille
        self.max_retransmit = max_retransmit
        self.nstart = nstart
        self.response_wait_ms = response_wait_ms
        self.separate_after_ms = separate_after_ms
        self.max_datagram_bytes = max_datagram_bytes
        self.max_peers = max_peers
        self.remembered_ids = remembered_ids
        self.max_waiting = max_waiting
        self.max_held = max_held


class Exchange:
    """A message of ours that waits for its acknowledgement or its response."""

    __slots__ = (
        "peer",
        "code",
        "mid",
        "token",
        "confirmable",
        "datagram",
        "buffer",
        "view",
        "deadline",
        "timeout_ms",
        "sent",
        "acked",
        "is_response",
        "context",
    )

    def __init__(self):
        self.buffer = None


class Sender:
    """The sending half of an endpoint: requests, their retransmission, and who waits for what.

    See `msgin5g.exchange.Endpoint`, which adds the receiving half.
    """

    def __init__(
        self, rng, params=None, known=None, first_mid=None, first_token=None, reuse=False
    ):
        self.params = params or Params()
        self.counters = {name: 0 for name in COUNTERS}
        self.first_mid = first_mid
        self.next_token_number = rng(1 << 24) if first_token is None else first_token
        self._rng = rng
        self._known = known
        self._peers = PeerTable(self.params.max_peers, self.counters, self._first_mid)
        self._events = []
        self._out = []
        self._spare_out = []
        self._wake = NEVER
        self._reuse = reuse
        self._spare_exchange = None

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
        """Send a request, or queue it behind the NSTART requests that `peer` has not answered.

        path: Uri-Path joined by "/"; a payload is announced as JSON; `options` replaces both by a
        ready list. token (bytes) and mid (int) are chosen here unless given; a given Message ID
        that this peer got within EXCHANGE_LIFETIME is replaced. Returns the Exchange; its outcome
        is one RESPONSE or FAILED event. Raises CallerError for what cannot be encoded.
        """
        if options is None:
            options = json_to(path) if payload else path_only(path)
        if token is None:
            token = (self.next_token_number & 0xFFFFFFFF).to_bytes(4, "big")
            self.next_token_number += 1
        exchange = self._exchange(peer, context, False)
        exchange.token = token
        exchange.code = code
        state = self._peers.get(peer)
        exchange.mid = self._own_mid(state, mid, now)
        self._encode(exchange, CON if confirmable else NON, options, payload)
        exchange.confirmable = confirmable
        return self._submit(exchange, state, now)

    def cancel(self, exchange):
        """Forget an exchange; no event follows. A late answer meets a Reset or silence."""
        for event in self._events:
            if event[1] is exchange:
                self._events.remove(event)
                break
        state = self._peers.find(exchange.peer)
        if state is not None:
            if exchange in state.waiting:
                state.waiting.remove(exchange)
            elif exchange in state.active:
                state.active.remove(exchange)
                if state.waiting:
                    self._wake = 0  # the next poll starts the one that waits
            self._settle(exchange.peer, state)

    def next_event(self):
        """Return the next event or None.

        (REQUEST, incoming), (RESPONSE, exchange, message), or (FAILED, exchange, reason) with
        reason "timeout", "reset" or "no room"; with notifications (RFC 7641) also
        (NOTICE, notice) for one that came and (ACKED, exchange) for one that was sent.
        """
        return self._events.pop(0) if self._events else None

    def peer_count(self):
        """Return how many peers are remembered."""
        return len(self._peers)

    def _acknowledge_held(self, now):
        """The receiving half's timers; returns when the next one is due."""
        return NEVER

    def _first_mid(self):
        return self._rng(65536) if self.first_mid is None else self.first_mid

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

    def _exchange(self, peer, context, is_response):
        exchange = self._spare_exchange
        if exchange is None:
            exchange = Exchange()
        else:
            self._spare_exchange = None
        exchange.peer = peer
        exchange.context = context
        exchange.is_response = is_response
        exchange.acked = False
        exchange.sent = 0
        return exchange

    def _encode(self, exchange, kind, options, payload):
        code, mid, token = exchange.code, exchange.mid, exchange.token
        if not self._reuse:
            exchange.datagram = encode(kind, code, mid, token, options, payload)
            if len(exchange.datagram) > self.params.max_datagram_bytes:
                raise CallerError("the request does not fit a datagram; send less at once")
            return
        if exchange.buffer is None:
            exchange.buffer = bytearray(self.params.max_datagram_bytes)
            exchange.view = memoryview(exchange.buffer)
        if options.__class__ is not bytes:
            options = encode_options(options)
        size = encode_into(exchange.buffer, kind, code, mid, token, options, payload)
        exchange.datagram = exchange.view[:size]

    def _submit(self, exchange, state, now):
        """Send what is encoded, or let it wait for its turn; returns the exchange."""
        if len(state.active) < self.params.nstart:
            self._start(exchange, state, now)
        elif len(state.waiting) < self.params.max_waiting:
            state.waiting.append(exchange)
        else:
            self.counters["no_room"] += 1
            self._events.append((FAILED, exchange, "no room"))
        return exchange

    def _start(self, exchange, state, now):
        params = self.params
        timeout = params.ack_timeout_ms
        spread = params.ack_random_permille - 1000
        exchange.timeout_ms = timeout + timeout * self._rng(spread + 1) // 1000
        exchange.sent = 1
        if exchange.confirmable:
            exchange.deadline = now + exchange.timeout_ms
        else:
            exchange.acked = True
            exchange.deadline = now + params.response_wait_ms
        state.active.append(exchange)
        self._peers.busy(exchange.peer, state)
        if exchange.deadline < self._wake:
            self._wake = exchange.deadline
        self._send(exchange.datagram, exchange.peer)

    def _finish(self, exchange, state, now):
        state.active.remove(exchange)
        self._recycle(exchange)
        self._start_waiting(state, now)
        self._settle(exchange.peer, state)

    def _settle(self, peer, state):
        self._peers.settle(peer, state)
        if not self._held and self._peers.idle():
            self._wake = NEVER

    def _start_waiting(self, state, now):
        while state.waiting and len(state.active) < self.params.nstart:
            exchange = state.waiting.pop(0)
            state.use(exchange.mid, now)
            self._start(exchange, state, now)

    def _recycle(self, exchange):
        """Keep an ended exchange and its buffer for the next request of a board."""
        if self._reuse and exchange.buffer is not None:
            self._spare_exchange = exchange

    def _run_timers(self, now):
        wake = NEVER
        busy = self._peers.all_busy()
        for state in busy:
            if state.waiting:
                self._start_waiting(state, now)
            for exchange in list(state.active):
                if now >= exchange.deadline:
                    self._expire(exchange, state, now)
        for state in busy:
            for exchange in state.active:
                if exchange.deadline < wake:
                    wake = exchange.deadline
        wake = min(wake, self._acknowledge_held(now))
        if len(busy) > _MANY and wake < now + _COARSE_MS:
            wake = now + _COARSE_MS
        self._wake = wake

    def _expire(self, exchange, state, now):
        if exchange.acked or exchange.sent > self.params.max_retransmit:
            self.counters["timeouts"] += 1
            self._finish(exchange, state, now)
            self._fail(exchange, "timeout")
            return
        exchange.sent += 1
        exchange.timeout_ms *= 2
        exchange.deadline = now + exchange.timeout_ms
        self.counters["retransmissions"] += 1
        self._send(exchange.datagram, exchange.peer)

    def _fail(self, exchange, reason):
        # Of an answer, only a notification has somebody who waits for its outcome.
        if not exchange.is_response or exchange.context is not None:
            self._events.append((FAILED, exchange, reason))

    def _reset(self, mid, peer):
        self.counters["resets_sent"] += 1
        self._send(encode(RST, 0, mid), peer)

    def _send(self, datagram, peer):
        self._out.append((datagram, peer))
