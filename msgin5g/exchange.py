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
    uint,
)
from msgin5g.options import format_only, review
from msgin5g.sending import (
    ACKED,
    COUNTERS,
    EXCHANGE_LIFETIME_MS,
    FAILED,
    NEVER,
    NON_LIFETIME_MS,
    NOTICE,
    REQUEST,
    RESPONSE,
    Exchange,
    Params,
    Sender,
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
    "post",
]


class Incoming:
    """A request of a peer. `message` holds it; `Endpoint.respond` answers it, once."""

    __slots__ = ("peer", "message", "mid", "token", "confirmable", "acked", "ack_at", "record")


class Endpoint(Sender):
    """One CoAP endpoint on one link.

    rng: a function of n that returns an integer in [0, n). known: option rules of the application
    (see `msgin5g.options`). first_mid, first_token: where own Message IDs and Tokens start; random
    if not given. reuse: keep one buffer and one message object, so that a steady request costs a
    board almost no heap; a received payload is then valid until the next `receive` only.

    observer: an `msgin5g.observing.Observer` where notifications are expected, else None.
    """

    def __init__(
        self, rng, params=None, known=None, first_mid=None, first_token=None, reuse=False
    ):
        super().__init__(rng, params, known, first_mid, first_token, reuse)
        self.observer = None
        self._held = []
        self._fresh = []
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
        return None if self._wake == NEVER else self._wake

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
            self._fail(exchange, "reset")
        elif exchange.is_response:
            self._finish(exchange, state, now)
            if exchange.context is not None:
                self._events.append((ACKED, exchange))
        elif not exchange.acked:
            exchange.acked = True
            exchange.deadline = now + self.params.response_wait_ms

    def _on_response(self, message, peer, now):
        kind = message.type
        mid = message.mid
        state = self._peers.find(peer)
        found = None
        if state is not None and kind == CON:
            record = state.seen.get(mid)
            if record is not None and now - record[0] < EXCHANGE_LIFETIME_MS:
                self.counters["duplicates"] += 1
                if record[1]:
                    self._send(record[1], peer)
                return
        if kind < ACK and self.observer is not None and self.observer.take(message, peer, now):
            return
        if state is not None and kind != RST:
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

    def _acknowledge_held(self, now):
        """Send the empty ACKs that are due; return when the next one is (RFC 7252 5.2.2)."""
        wake = NEVER
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
        return wake


def post(endpoint, peer, path, payload, now, token=None, mid=None, context=None):
    """Send a Confirmable POST with JSON, the form of every request of clause 6."""
    return endpoint.request(peer, POST, path, payload, now, token=token, mid=mid, context=context)
