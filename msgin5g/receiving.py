"""The CoAP exchange layer of a UE (RFC 7252 sections 4 and 5), without socket and clock.

Datagrams and the time go in through `receive`, requests and answers through `request` and
`respond`; datagrams come out of `poll`, events out of `next_event`, and `next_deadline` says when
`poll` is due even if nothing arrives. Times are whole milliseconds that never go back.

Nothing that a peer sends raises. What is kept per peer is bounded: the Message IDs of its last
requests with the answers they got, and at most NSTART requests to it, the others waiting.
"""

from msgin5g.coap import (
    ACK,
    BAD_OPTION,
    CON,
    JSON_FORMAT,
    NON,
    PROXY_SCHEME,
    PROXY_URI,
    PROXYING_NOT_SUPPORTED,
    RST,
    SIZE1,
    TOO_LARGE,
    FormatError,
    Message,
    decode,
    encode,
    uint,
)
from msgin5g.options import format_only, review
from msgin5g.sending import (
    ACKED,
    EXCHANGE_LIFETIME_MS,
    NEVER,
    NON_LIFETIME_MS,
    REQUEST,
    RESPONSE,
    Params,
    Sender,
)

# A bit for each class of codes that is not reserved: 0, 2, 4 and 5 (RFC 7252 12.1).
_CLASSES = 0b110101

__all__ = ["Incoming", "Params", "Receiver"]


class Incoming:
    """A request of a peer. `message` holds it; `respond` answers it, once.

    record: [when it came, the datagram that answered it or None].
    """

    __slots__ = ("peer", "message", "mid", "token", "confirmable", "ack_at", "record")


class Receiver(Sender):
    """A CoAP endpoint that speaks with one peer and answers at once, as a UE does.

    rng: a function of n that returns an integer in [0, n). known: option rules of the application
    (see `msgin5g.options`). first_mid, first_token: where own Message IDs and Tokens start.
    reuse: keep one buffer and one message object, so that a steady request costs a board almost
    no heap; a received payload is then valid until the next `receive` only.

    observer: an `msgin5g.observing.Observer` where notifications are expected, else None.
    """

    def __init__(self, rng, params, known=None, first_mid=0, first_token=0, reuse=False):
        super().__init__(rng, params, known, first_mid, first_token, reuse)
        self.observer = None
        self._message = Message() if reuse else None

    def receive(self, data, peer, now):
        """Take one datagram of `peer`; its effects are events and datagrams to poll."""
        self._tally("received")
        if len(data) > self.params.max_datagram_bytes:
            self._oversize(data, peer)
            return
        try:
            message = decode(data, self._message)
            code = message.code
            if not _CLASSES >> (code >> 5) & 1:
                raise FormatError("reserved class")
        except FormatError:
            self._malformed(data, peer)
            return
        if not code:
            self._on_empty(message, peer, now)
            return
        kind = message.type
        if code < 32:
            if kind > NON:
                self._tally("ignored")
                return
            state = self.state_of(peer)
        else:
            state = self.find_state(peer)
        if state is not None and (kind == CON or code < 32):
            record = state.seen.get(message.mid)
            if record is not None and now - record[0] < (
                EXCHANGE_LIFETIME_MS if kind == CON else NON_LIFETIME_MS
            ):
                self._tally("duplicates")
                if record[1]:
                    self._send(record[1], peer)
                return
        if code >= 32:
            self._on_response(message, peer, state, now)
            return
        incoming = Incoming()
        incoming.peer = peer
        incoming.message = message
        incoming.mid = message.mid
        incoming.token = bytes(message.token)
        incoming.confirmable = kind == CON
        incoming.record = state.remember(message.mid, now, self.params.remembered_ids)
        problem = review(message, self._known)
        if problem:
            self._refuse_option(incoming, problem, now)
        else:
            self._arrived(incoming, now)

    def respond(self, incoming, code, payload, now, content_format=JSON_FORMAT, options=None):
        """Answer a request: on its ACK while that is still ours to send, else separately.

        options: a ready list of (number, bytes) instead of the Content-Format alone.
        """
        if options is None:
            options = format_only(content_format) if payload else b""
        peer = incoming.peer
        record = incoming.record
        if record[1] is not None:
            self._respond_late(incoming, code, payload, now, options)
            return
        if incoming.confirmable:
            datagram = encode(ACK, code, incoming.mid, incoming.token, options, payload)
            record[1] = datagram
        else:
            mid = self._own_mid(self.state_of(peer), None, now)
            datagram = encode(NON, code, mid, incoming.token, options, payload)
        self._send(datagram, peer)

    def _respond_late(self, incoming, code, payload, now, options):
        """Answer a request separately, where the ACK was sent without the answer."""

    def poll(self, now):
        """Return the datagrams to send now as [(bytes-like, peer)], valid until the next call."""
        if now >= self._wake:
            self._run_timers(now)
        out = self._out
        self._out = self._spare_out
        self._spare_out = out
        self._out.clear()
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None if nothing is being waited for."""
        if self._out:
            return 0
        return None if self._wake == NEVER else self._wake

    # What arrives

    def _refuse_option(self, incoming, problem, now):
        self._tally("bad_option")
        if incoming.confirmable:
            is_proxy = problem == PROXY_URI or problem == PROXY_SCHEME
            code = PROXYING_NOT_SUPPORTED if is_proxy else BAD_OPTION
            text = b"option %d is not supported" % problem
            self.respond(incoming, code, text, now, options=b"")

    def _arrived(self, incoming, now):
        self._events.append((REQUEST, incoming))

    def _on_empty(self, message, peer, now):
        kind = message.type
        if kind == CON:
            self._tally("pings")
            self._reset(message.mid, peer)
            return
        state = self.find_state(peer)
        if kind == NON or state is None:
            self._tally("ignored")
            return
        found = None
        for exchange in state.active:
            if exchange.mid == message.mid:
                found = exchange
        if found is None:
            self._tally("unmatched")
        elif kind == RST:
            self._tally("resets_received")
            self._fail_exchange(found, state, now, "reset")
        elif found.is_response:
            self._finish_exchange(found, state, now)
            if found.context is not None:
                self._events.append((ACKED, found))
        elif not found.acked:
            found.acked = True
            found.deadline = now + self.params.response_wait_ms

    def _on_response(self, message, peer, state, now):
        kind = message.type
        mid = message.mid
        is_good = not review(message, self._known)
        observer = self.observer
        if is_good and kind < ACK and observer and observer.take(message, peer, now):
            return
        found = None
        if is_good and state is not None and kind != RST:
            for exchange in state.active:
                if exchange.is_response or exchange.token != message.token:
                    continue
                if kind != ACK or exchange.mid == mid:
                    found = exchange
                    break
        if found is None:
            self._tally("unmatched")
            if kind == CON:
                self._reset(mid, peer)
            return
        if kind == CON:
            record = state.remember(mid, now, self.params.remembered_ids)
            record[1] = self._send_empty(ACK, mid, peer)
        self._finish_exchange(found, state, now)
        self._events.append((RESPONSE, found, message))

    def _malformed(self, data, peer):
        """A message format error: Reset for a Confirmable, silence for all else (4.2, 4.3)."""
        if len(data) < 4 or data[0] >> 6 != 1:
            self._tally("ignored")
            return
        self._tally("malformed")
        if data[0] >> 4 & 3 == CON:
            mid = data[2] << 8 | data[3]
            self._reset(mid, peer)

    def _oversize(self, data, peer):
        """Answer a Confirmable: a request with 4.13 and the largest size taken, else Reset."""
        self._tally("oversize")
        if data[0] >> 4 != 4:
            return
        mid = data[2] << 8 | data[3]
        if data[0] & 15 > 8 or not 0 < data[1] < 32:
            self._reset(mid, peer)
            return
        limit = self.params.max_datagram_bytes
        token = bytes(data[4 : 4 + (data[0] & 15)])
        text = b"the datagram is over %d bytes" % limit
        self._send(encode(ACK, TOO_LARGE, mid, token, [(SIZE1, uint(limit))], text), peer)
