"""The CoAP exchange layer (RFC 7252 sections 4 and 5) without socket and clock.

One `Endpoint` speaks with any number of peers over one link. Datagrams and the time go in through
`receive`, requests and answers through `request` and `respond`; datagrams come out of `poll`,
events out of `next_event`, and `next_deadline` says when `poll` is due even if nothing arrives.
Times are whole milliseconds that never go back. A peer is any hashable value that the link uses.

Nothing that a peer sends raises. What is kept per peer is bounded: the Message IDs of its last
requests with the answers they got, and at most NSTART requests to it, the others waiting.
"""

from msgin5g.coap import (
    ACK,
    BAD_OPTION,
    CON,
    NON,
    POST,
    PROXY_SCHEME,
    PROXY_URI,
    PROXYING_NOT_SUPPORTED,
    RST,
    SIZE1,
    TOO_LARGE,
    UNAVAILABLE,
    FormatError,
    Message,
    decode,
    encode,
    encode_into,
    encode_options,
    uint,
)
from msgin5g.errors import CallerError
from msgin5g.limits import (
    MAX_DATAGRAM_BYTES,
    MAX_HELD_REQUESTS,
    MAX_PEERS,
    MAX_REMEMBERED_IDS,
    MAX_WAITING_REQUESTS,
)
from msgin5g.options import format_only, json_to, path_only, review
from msgin5g.peers import PeerTable

EXCHANGE_LIFETIME_MS = 247000
NON_LIFETIME_MS = 145000
_NEVER = 1 << 62
_MANY = 64  # from this many busy peers on, timers are looked at every _COARSE_MS only
_COARSE_MS = 50

REQUEST = "request"
RESPONSE = "response"
FAILED = "failed"

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


class Incoming:
    """A request of a peer. `message` holds it; `Endpoint.respond` answers it, once."""

    __slots__ = ("peer", "message", "mid", "token", "confirmable", "acked", "ack_at", "record")


class Endpoint:
    """One CoAP endpoint on one link.

    rng: a function of n that returns an integer in [0, n). known: option rules of the application
    (see `msgin5g.options`). first_mid, first_token: where own Message IDs and Tokens start; random
    if not given. reuse: keep one buffer and one message object, so that a steady request costs a
    board almost no heap; a received payload is then valid until the next `receive` only.
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
        self._held = []
        self._fresh = []
        self._events = []
        self._out = []
        self._spare_out = []
        self._wake = _NEVER
        self._reuse = reuse
        self._spare_exchange = None
        self._message = Message() if reuse else None

    def receive(self, data, peer, now):
        """Take one datagram of `peer`; its effects are events and datagrams to poll."""
        counters = self.counters
        counters["received"] += 1
        if len(data) > self.params.max_datagram_bytes:
            self._oversize(data, peer)
            return
        try:
            message = decode(data, self._message)
        except FormatError:
            self._malformed(data, peer)
            return
        code = message.code
        if 0 < code < 32:
            if message.type == CON or message.type == NON:
                self._on_request(message, peer, now)
            else:
                counters["ignored"] += 1
        elif not code:
            self._on_empty(message, peer, now)
        elif code >> 5 in (2, 4, 5):
            self._on_response(message, peer, now)
        else:
            self._malformed(data, peer)

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
        if len(state.active) < self.params.nstart:
            self._start(exchange, state, now)
        elif len(state.waiting) < self.params.max_waiting:
            state.waiting.append(exchange)
        else:
            self.counters["no_room"] += 1
            self._events.append((FAILED, exchange, "no room"))
        return exchange

    def respond(self, incoming, code, payload, now, content_format=50, options=None):
        """Answer a request: on its ACK while that is still ours to send, else separately.

        options: a ready list of (number, bytes) instead of the Content-Format alone.
        """
        if options is None:
            options = format_only(content_format) if payload else b""
        peer = incoming.peer
        if incoming.confirmable and not incoming.acked:
            datagram = encode(ACK, code, incoming.mid, incoming.token, options, payload)
            incoming.acked = True
            incoming.record[1] = datagram
            self._send(datagram, peer)
            return
        state = self._peers.get(peer)
        mid = self._own_mid(state, None, now)
        if not incoming.confirmable:
            self._send(encode(NON, code, mid, incoming.token, options, payload), peer)
            return
        self.counters["separate"] += 1
        exchange = self._exchange(peer, None, True)
        exchange.token = incoming.token
        exchange.code = code
        exchange.mid = mid
        exchange.confirmable = True
        exchange.datagram = encode(CON, code, mid, incoming.token, options, payload)
        self._start(exchange, state, now)

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
        reason "timeout", "reset" or "no room".
        """
        return self._events.pop(0) if self._events else None

    def poll(self, now):
        """Return the datagrams to send now as [(bytes-like, peer)], valid until the next call."""
        if self._fresh:
            self._hold()
        if now >= self._wake:
            self._run_timers(now)
        out = self._out
        self._out = self._spare_out
        self._spare_out = out
        if self._out:
            self._out.clear()
        self.counters["sent"] += len(out)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None if nothing is being waited for."""
        if self._out or self._fresh:
            return 0
        return None if self._wake == _NEVER else self._wake

    def peer_count(self):
        """Return how many peers are remembered."""
        return len(self._peers)

    # What arrives

    def _on_request(self, message, peer, now):
        state = self._peers.get(peer)
        mid = message.mid
        record = state.seen.get(mid)
        lifetime = EXCHANGE_LIFETIME_MS if message.type == CON else NON_LIFETIME_MS
        if record is not None and now - record[0] < lifetime:
            self.counters["duplicates"] += 1
            if record[1]:
                self._send(record[1], peer)
            return
        record = state.remember(mid, now, self.params.remembered_ids)
        incoming = Incoming()
        incoming.peer = peer
        incoming.message = message
        incoming.mid = mid
        incoming.token = bytes(message.token)
        incoming.confirmable = message.type == CON
        incoming.acked = False
        incoming.record = record
        problem = review(message, self._known)
        if problem:
            self.counters["bad_option"] += 1
            if incoming.confirmable:
                proxy = problem == PROXY_URI or problem == PROXY_SCHEME
                code = PROXYING_NOT_SUPPORTED if proxy else BAD_OPTION
                text = b"option %d is not supported" % problem
                self.respond(incoming, code, text, now, options=())
            return
        if incoming.confirmable:
            open_requests = len(self._held) + len(self._fresh)
            if open_requests >= self.params.max_held and not self._make_room():
                self.counters["no_room"] += 1
                self.respond(incoming, UNAVAILABLE, b"too many requests at once", now, options=())
                return
            incoming.ack_at = now + self.params.separate_after_ms
            self._fresh.append(incoming)
        self._events.append((REQUEST, incoming))

    def _make_room(self):
        self._hold()
        self._held = [incoming for incoming in self._held if not incoming.acked]
        return len(self._held) < self.params.max_held

    def _hold(self):
        """Put the requests that were not answered at once under the empty-ACK timer."""
        for incoming in self._fresh:
            if not incoming.acked:
                self._held.append(incoming)
                if incoming.ack_at < self._wake:
                    self._wake = incoming.ack_at
        self._fresh.clear()

    def _on_empty(self, message, peer, now):
        kind = message.type
        if kind == CON:
            self.counters["pings"] += 1
            self._reset(message.mid, peer)
            return
        state = self._peers.find(peer)
        if kind == NON or state is None:
            self.counters["ignored"] += 1
            return
        for exchange in state.active:
            if exchange.mid == message.mid:
                break
        else:
            self.counters["unmatched"] += 1
            return
        if kind == RST:
            self.counters["resets_received"] += 1
            self._finish(exchange, state, now)
            if not exchange.is_response:
                self._events.append((FAILED, exchange, "reset"))
        elif exchange.is_response:
            self._finish(exchange, state, now)
        elif not exchange.acked:
            exchange.acked = True
            exchange.deadline = now + self.params.response_wait_ms

    def _on_response(self, message, peer, now):
        kind = message.type
        mid = message.mid
        state = self._peers.find(peer)
        found = None
        if state is not None and kind != RST:
            if kind == CON:
                record = state.seen.get(mid)
                if record is not None and now - record[0] < EXCHANGE_LIFETIME_MS:
                    self.counters["duplicates"] += 1
                    if record[1]:
                        self._send(record[1], peer)
                    return
            for exchange in state.active:
                if exchange.is_response or exchange.token != message.token:
                    continue
                if kind != ACK or exchange.mid == mid:
                    found = exchange
                    break
        if found is None or review(message, self._known):
            self.counters["unmatched"] += 1
            if kind == CON:
                self._reset(mid, peer)
            return
        if kind == CON:
            record = state.remember(mid, now, self.params.remembered_ids)
            record[1] = encode(ACK, 0, mid)
            self._send(record[1], peer)
        self._finish(found, state, now)
        self._events.append((RESPONSE, found, message))

    def _malformed(self, data, peer):
        """A message format error: Reset for a Confirmable, silence for all else (4.2, 4.3)."""
        if len(data) < 4 or data[0] >> 6 != 1:
            self.counters["ignored"] += 1
            return
        self.counters["malformed"] += 1
        if data[0] >> 4 & 3 == CON:
            self._reset(data[2] << 8 | data[3], peer)

    def _oversize(self, data, peer):
        """Answer a Confirmable: a request with 4.13 and the largest size taken, else Reset."""
        self.counters["oversize"] += 1
        limit = self.params.max_datagram_bytes
        if data[0] >> 4 != 4:
            return
        if data[0] & 15 > 8 or not 0 < data[1] < 32:
            self._reset(data[2] << 8 | data[3], peer)
        else:
            token = bytes(data[4 : 4 + (data[0] & 15)])
            options = ((SIZE1, uint(limit)),)
            text = b"the datagram is over %d bytes" % limit
            mid = data[2] << 8 | data[3]
            self._send(encode(ACK, TOO_LARGE, mid, token, options, text), peer)

    # Exchanges

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
            self._wake = _NEVER

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
        wake = _NEVER
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
        held = []
        for incoming in self._held:
            if incoming.acked:
                continue
            if now >= incoming.ack_at:
                incoming.acked = True
                incoming.record[1] = encode(ACK, 0, incoming.mid)
                self._send(incoming.record[1], incoming.peer)
                continue
            held.append(incoming)
            if incoming.ack_at < wake:
                wake = incoming.ack_at
        self._held = held
        if len(busy) > _MANY and wake < now + _COARSE_MS:
            wake = now + _COARSE_MS
        self._wake = wake

    def _expire(self, exchange, state, now):
        if exchange.acked or exchange.sent > self.params.max_retransmit:
            self.counters["timeouts"] += 1
            self._finish(exchange, state, now)
            if not exchange.is_response:
                self._events.append((FAILED, exchange, "timeout"))
            return
        exchange.sent += 1
        exchange.timeout_ms *= 2
        exchange.deadline = now + exchange.timeout_ms
        self.counters["retransmissions"] += 1
        self._send(exchange.datagram, exchange.peer)

    def _reset(self, mid, peer):
        self.counters["resets_sent"] += 1
        self._send(encode(RST, 0, mid), peer)

    def _send(self, datagram, peer):
        self._out.append((datagram, peer))


def post(endpoint, peer, path, payload, now, token=None, mid=None, context=None):
    """Send a Confirmable POST with JSON, the form of every request of clause 6."""
    return endpoint.request(peer, POST, path, payload, now, token=token, mid=mid, context=context)
