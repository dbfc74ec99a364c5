"""What an endpoint sends: requests, retransmission, NSTART, Message IDs (RFC 7252 4.2-4.8)."""

from msgin5g.coap import CON, NON, RST, encode, encode_options
from msgin5g.errors import CallerError
from msgin5g.limits import (
    MAX_DATAGRAM_BYTES,
    MAX_HELD_REQUESTS,
    MAX_PEERS,
    MAX_REMEMBERED_IDS,
    MAX_WAITING_REQUESTS,
)
from msgin5g.peers import PeerState

EXCHANGE_LIFETIME_MS = 247000
NON_LIFETIME_MS = 145000
NEVER = 1 << 62

REQUEST = "request"
RESPONSE = "response"
FAILED = "failed"
ACKED = "acked"
NOTICE = "notice"


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
        "is_confirmable",
        "datagram",
        "buffer",
        "deadline",
        "timeout_ms",
        "sent",
        "acked",
        "is_response",
        "context",
    )


class Sender(PeerState):
    """The sending half of an endpoint: requests, their retransmission, and who waits for what.

    A UE has one peer, so that what is remembered of it is in the same object, which costs a board
    less than a second one. See `msgin5g.receiving.Receiver`, which adds the receiving half.
    """

    def __init__(self, rng, params, known=None, first_mid=0, first_token=0, reuse=False):
        super().__init__(0)
        self.params = params
        self.first_mid = first_mid
        self.next_token_number = first_token
        self._rng = rng
        self._known = known
        self._events = []
        self._out = []
        self._spare_out = []
        self._wake = NEVER
        self._reuse = reuse
        self._spare_exchange = None

    def prepare(self, options):
        """Return the options of many requests encoded, once for all of them."""
        return encode_options(options)

    def send_request(
        self,
        peer,
        code,
        options,
        payload,
        now,
        token=None,
        mid=None,
        confirmable=True,
        context=None,
    ):
        """Send a request, or queue it behind the NSTART requests that `peer` has not answered.

        options: a list of (number, bytes) in order of number, or what `prepare` made of one.
        token (bytes) and mid (int) are chosen here unless given; a given Message ID that this
        peer got within EXCHANGE_LIFETIME is replaced. Returns the Exchange; its outcome is one
        RESPONSE or FAILED event. Raises CallerError for what cannot be encoded.
        """
        if token is None:
            token = (self.next_token_number & 0xFFFFFFFF).to_bytes(4, "big")
            self.next_token_number += 1
        exchange = self._new_exchange(peer, context, False)
        exchange.token = token
        exchange.code = code
        state = self.state_of(peer)
        exchange.mid = self._own_mid(state, mid, now)
        self._encode_exchange(exchange, CON if confirmable else NON, options, payload)
        exchange.is_confirmable = confirmable
        return self._submit(exchange, state, now)

    def cancel(self, exchange):
        """Forget an exchange; no event follows. A late answer meets a Reset or silence."""
        for event in self._events:
            if event[1] is exchange:
                self._events.remove(event)
                break
        state = self.find_state(exchange.peer)
        if state is not None:
            for queue in (state.waiting, state.active):
                if exchange in queue:
                    queue.remove(exchange)
                    self._wake = 0  # the next poll starts the one that waits
            self._settle(exchange.peer, state)

    def next_event(self):
        """Return the next event or None.

        (REQUEST, incoming), (RESPONSE, exchange, message), or (FAILED, exchange, reason) with
        reason "timeout", "reset" or "no room"; with notifications (RFC 7641) also
        (NOTICE, notice) for one that came and (ACKED, exchange) for one that was sent.
        """
        return self._events.pop(0) if self._events else None

    # Who the peers are: here, the only one

    def state_of(self, peer):
        """Return what is remembered of a peer, from now on."""
        return self

    def find_state(self, peer):
        """Return what is remembered of a peer, None of one that is not known."""
        return self

    def _note_busy(self, peer, state):
        """Keep a peer, as it has an open exchange."""

    def _settle(self, peer, state):
        """Let a peer go if it has no open exchange any more."""
        if not (state.active or state.waiting):
            self._wake = NEVER

    def _tally(self, what):
        """Count what happened, where somebody reads it."""

    def _note_mid(self, state, mid, now):
        """Note when a Message ID of ours is used, where it may be used again."""

    def _own_mid(self, state, mid, now):
        """Return the Message ID to use: `mid` or the next one."""
        if mid is not None:
            return mid
        own = self.first_mid
        self.first_mid = own + 1 & 65535
        return own

    def _new_exchange(self, peer, context, is_response):
        exchange = self._spare_exchange
        self._spare_exchange = None
        if exchange is None:
            exchange = Exchange()
            exchange.buffer = None
        exchange.peer = peer
        exchange.context = context
        exchange.is_response = is_response
        exchange.acked = False
        exchange.sent = 0
        return exchange

    def _encode_exchange(self, exchange, kind, options, payload):
        if self._reuse and exchange.buffer is None:
            exchange.buffer = memoryview(bytearray(self.params.max_datagram_bytes))
        buffer = exchange.buffer
        made = encode(kind, exchange.code, exchange.mid, exchange.token, options, payload, buffer)
        if self._reuse:
            exchange.datagram = buffer[:made]
            return
        if len(made) > self.params.max_datagram_bytes:
            raise CallerError("the request does not fit a datagram; send less at once")
        exchange.datagram = made

    def _submit(self, exchange, state, now):
        """Send what is encoded, or let it wait for its turn; returns the exchange."""
        if len(state.active) < self.params.nstart:
            self._start_exchange(exchange, state, now)
        elif len(state.waiting) < self.params.max_waiting:
            state.waiting.append(exchange)
        else:
            self._tally("no_room")
            self._events.append((FAILED, exchange, "no room"))
        return exchange

    def _start_exchange(self, exchange, state, now):
        params = self.params
        timeout = params.ack_timeout_ms
        spread = params.ack_random_permille - 1000
        exchange.timeout_ms = timeout + timeout * self._rng(spread + 1) // 1000
        exchange.sent = 1
        if exchange.is_confirmable:
            exchange.deadline = now + exchange.timeout_ms
        else:
            exchange.acked = True
            exchange.deadline = now + params.response_wait_ms
        state.active.append(exchange)
        self._note_busy(exchange.peer, state)
        if exchange.deadline < self._wake:
            self._wake = exchange.deadline
        self._send(exchange.datagram, exchange.peer)

    def _finish_exchange(self, exchange, state, now):
        state.active.remove(exchange)
        if self._reuse:
            # Its buffer is good for the next request.
            self._spare_exchange = exchange
        if state.waiting:
            self._start_waiting(state, now)
        self._settle(exchange.peer, state)

    def _fail_exchange(self, exchange, state, now, reason):
        self._finish_exchange(exchange, state, now)
        # Of an answer, only a notification has somebody who waits for its outcome.
        if not exchange.is_response or exchange.context is not None:
            self._events.append((FAILED, exchange, reason))

    def _start_waiting(self, state, now):
        while state.waiting and len(state.active) < self.params.nstart:
            exchange = state.waiting.pop(0)
            self._note_mid(state, exchange.mid, now)
            self._start_exchange(exchange, state, now)

    def _wake_at(self, then):
        """Run the timers at that time at the latest."""
        if then < self._wake:
            self._wake = then

    def _run_timers(self, now):
        self._wake = NEVER
        self._run_timers_of(self, now)

    def _run_timers_of(self, state, now):
        """Repeat what a peer has not acknowledged, and give up what has waited long enough."""
        self._start_waiting(state, now)
        for exchange in list(state.active):
            if now >= exchange.deadline:
                if exchange.acked or exchange.sent > self.params.max_retransmit:
                    self._tally("timeouts")
                    self._fail_exchange(exchange, state, now, "timeout")
                    continue
                exchange.sent += 1
                exchange.timeout_ms *= 2
                exchange.deadline = now + exchange.timeout_ms
                self._tally("retransmissions")
                self._send(exchange.datagram, exchange.peer)
            self._wake_at(exchange.deadline)

    def _reset(self, mid, peer):
        self._tally("resets_sent")
        return self._send_empty(RST, mid, peer)

    def _send_empty(self, kind, mid, peer):
        """Send an ACK or RST without a message in it; returns the datagram."""
        datagram = encode(kind, 0, mid)
        self._send(datagram, peer)
        return datagram

    def _send(self, datagram, peer):
        self._out.append((datagram, peer))
