"""The constrained UE's registration procedures (6.3.4.2, 6.3.5.3), without socket and clock.

The way to "registered": sign up to the gateway service (GWREG), send REG, take the interim answer
for what it is, and wait for the gateway's REGRESP. Only an explicit `result` true registers.
De-registration mirrors it. One request is outstanding at a time.
"""

import gc

from msgin5g import checks, coap, gaps
from msgin5g import names as n
from msgin5g import registration as messages
from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g.sending import FAILED, NOTICE, REQUEST
from ue.kept import Kept
from ue.machine import Machine, sooner
from ue.requests import Requests, trace
from ue.states import (
    DEREGISTERED,
    DEREGISTERING,
    LEAVING,
    REGISTERED,
    REGISTERING,
    SIGNED_UP,
    SIGNING_UP,
    WAITING,
)

PEER = 0
_NEVER = 1 << 62

# A `result` false with one of these says "not now": that is an outage, not a refusal.
_TEMPORARY = (
    gaps.CAUSE_CONGESTION,
    gaps.CAUSE_SERVER_UNREACHABLE,
    gaps.CAUSE_NO_ANSWER,
    gaps.CAUSE_SUPERSEDED,
)


class UeCore(Machine):
    """One constrained UE with an MSGin5G client.

    config: see `ue.config`; endpoint: an `Endpoint` of its own; saved: what the last "save" event
    carried, {} at first; rng: a function of n returning an integer in [0, n).

    Handle its events before what `poll` returned is sent: a Message ID is saved as used before it
    is used.
    """

    def __init__(self, config, endpoint, saved, rng):
        super().__init__(config, Kept(saved, endpoint, rng), rng)
        self._ue = config["ue_service_id"]
        if config["direct"]:
            self.iface = "MSGin5G-1"
        self.endpoint = endpoint
        self._requests = Requests(config, endpoint.prepare)
        self._exchange = None
        # Until when the result of the open REG or DEREG is awaited.
        self._await_until = None
        self._tokens = {}
        self._signed_until = None
        self._renew_at = None
        self.max_frame_bytes = endpoint.params.max_datagram_bytes

    def register(self, now):
        """Register, and stay registered until `deregister`."""
        self._want(REGISTERED, True)
        self._signed_until = None
        self._advance(now)

    def deregister(self, now):
        """De-register; ends in "deregistered", or in "refused" if the server says no.

        A UE that no server can know is de-registered without a word.
        """
        self._want(DEREGISTERED, self._kept.known)
        if self._kept.known:
            self._advance(now)
        else:
            self._go(DEREGISTERED)

    def receive(self, data, now):
        """Take a datagram of the gateway."""
        self.endpoint.receive(data, PEER, now)
        self._drain(now)

    def poll(self, now):
        """Do what is due and return the datagrams to send, [(bytes-like, peer)]."""
        self._tick(now)
        self._post_due(now)
        out = self.endpoint.poll(now)
        self._drain(now)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        soonest = sooner(self.endpoint.next_deadline(), self._await_until)
        soonest = sooner(soonest, self._post_deadline())
        if self._exchange is None and not self._is_talking():
            if self._retry_at is not None:
                return sooner(soonest, self._retry_at)
            soonest = sooner(sooner(soonest, self._renew_at), self._refresh_at)
        return soonest

    # What is sent

    def _advance(self, now):
        """Take the next step to what is wanted: sign up if need be, then REG or DEREG."""
        if not self._config["direct"] and (
            self._signed_until is None or now >= self._signed_until
        ):
            self._sign_up(now)
        elif self._kept.wanted == DEREGISTERED:
            self._go(DEREGISTERING)
            self._send(n.DEREG, now)
        else:
            self._register_now(now)

    def _sign_up(self, now):
        if not self._is_registered and self._await_until is None:
            self._go(SIGNING_UP)
        self._send(n.GWREG, now)

    def _register_now(self, now):
        if not self._is_registered:
            self._go(REGISTERING)
            self.counters["attempts"] += 1
        self._refresh_at = None
        self._send(n.REG, now)

    def _send(self, what, now):
        """Send a request; callers see to it that none is outstanding."""
        self._retry_at = None
        payload, options = self._requests.build(what)
        self._is_dirty |= self._kept.spend()
        self._exchange = self.endpoint.send_request(
            PEER, coap.POST, options, payload, now, context=what
        )
        if what != n.GWREG:
            self._open = what
            self._await_until = None
            self._tokens[what] = self._exchange.token
        self._sent(what, {"mid": self._exchange.mid, "trace": trace(self._exchange)})

    def _drop_exchange(self):
        if self._exchange is not None:
            self.endpoint.cancel(self._exchange)
            self._exchange = None

    # What arrives

    def _drain(self, now):
        endpoint = self.endpoint
        while True:
            event = endpoint.next_event()
            if event is None:
                return
            if event[0] == REQUEST:
                self._on_request(event[1], now)
            elif event[0] == NOTICE:
                self._postman.topics().noticed(event[1], now)
            elif self._postman is not None and self._postman.owns(event[1]):
                if event[0] == FAILED:
                    self._postman.failed(event[2], now)
                else:
                    self._postman.answered(event[2], now)
            elif event[1] is self._exchange:
                what = event[1].context
                self._exchange = None
                if event[0] == FAILED:
                    self._back_off(now, event[2])
                else:
                    self._on_answer(what, event[2], now)

    def _on_answer(self, what, message, now):
        code = message.code
        if code >= coap.BAD_REQUEST:
            text = _text(message.payload)
            self._note(code_text(code), {"of": what, "cause": text})
            if code >= coap.INTERNAL_ERROR:
                self._back_off(now, self.answer_text(message))
            else:
                self._refuse(text or code_text(code), now)
            return
        try:
            answer = messages.parse_answer(message.payload)
            if answer.ue_service_id != self._ue:
                raise BadMessage(n.ORI_ADDR, "not this UE")
        except BadMessage as problem:
            self._back_off(now, "malformed answer: %s" % problem)
            return
        info = {"of": what, "result": answer.result, "cause": answer.cause}
        info["expected_s"], info["trace"] = answer.expected_s, trace(message)
        self._note(code_text(code), info)
        if what == n.GWREG:
            self._on_signed_up(answer, now)
        elif answer.result is None:
            wait_s = max(answer.expected_s or 0, self._config["wait_s"])
            self._await_until = now + (wait_s + self._config["answer_margin_s"]) * 1000
            if what == n.DEREG:
                self._go(LEAVING)
            elif not self._is_registered:
                self._go(WAITING, {"expected_s": answer.expected_s})
        else:
            self._finish(what, answer.result, answer.cause, answer.lifetime_s, now)

    def _on_signed_up(self, answer, now):
        if not answer.result:
            self._say_no(answer.cause or "the gateway gave no result", now)
            return
        self.counters["sign_ups"] += 1
        # Without an accepted time, what was asked for counts; without either there is no end.
        seconds = answer.accepted_s or self._config["gateway_time_s"]
        self._signed_until = now + seconds * 1000 if seconds else _NEVER
        renews = seconds and self._kept.wanted == REGISTERED
        self._renew_at = self._two_thirds(seconds, now) if renews else None
        if not self._is_registered and self._await_until is None:
            self._go(SIGNED_UP)
            self._advance(now)

    def _on_request(self, incoming, now):
        """A POST of the gateway: REGRESP or DEREGRESP (6.3.4.2.3, 6.3.4.2.4), or a message."""
        message = incoming.message
        endpoint = self.endpoint
        if not incoming.confirmable:
            # The answer to a Non-confirmable takes a Message ID of ours.
            self._is_dirty |= self._kept.spend()
        if message.code != coap.POST:
            endpoint.respond(incoming, coap.METHOD_NOT_ALLOWED, b"", now)
            return
        try:
            request = messages.parse_request(message.payload)
            if request.service_id not in (None, self._config["service_id"]):
                raise BadMessage(n.MSG_IDEN, "not this service")
            if request.msg_type not in (n.REGRESP, n.DEREGRESP):
                raise BadMessage(n.MSG_TYPE, "a UE takes REGRESP and DEREGRESP")
            if request.ue_service_id != self._ue:
                raise BadMessage(n.ORI_ADDR, "not this UE")
        except UnsupportedType:
            self._on_message(incoming, now)
            return
        except BadMessage as problem:
            endpoint.respond(incoming, coap.BAD_REQUEST, str(problem).encode(), now, options=b"")
            return
        endpoint.respond(incoming, coap.CHANGED, b"", now)
        info = {"result": request.result, "cause": request.cause, "trace": trace(incoming)}
        self._note(request.msg_type, info)
        self._sent("2.04", {"of": request.msg_type})
        what = n.REG if request.msg_type == n.REGRESP else n.DEREG
        if self._tokens.get(what) == incoming.token:
            if self._open == what:
                # It may come before the answer to the request itself, or after the wait for it,
                # when the UE has begun anew: that is not needed then.
                if self.state == SIGNING_UP or self._exchange and self._exchange.context == what:
                    self._drop_exchange()
                self._finish(what, request.result, request.cause, None, now)
                return
            if what == n.REG and self._is_registered and not request.result:
                self._back_off(now, request.cause or "registration lost")
                return
        self.counters["stray"] += 1

    def _on_message(self, incoming, now):
        """A message, a report, or what belongs to segments (6.4.1.1, 6.5)."""
        try:
            try:
                self.messages().receive(incoming, now)
            except MemoryError:
                gc.collect()
                self.messages().receive(incoming, now)
        except MemoryError:
            gc.collect()
            self.counters["no_memory"] += 1
            self.reply(incoming, coap.UNAVAILABLE, b"no memory, try again later", now)

    # What messages need

    def post(self, what, payload, info, now):
        """POST a message to the gateway; returns the exchange."""
        self._is_dirty |= self._kept.spend()
        options = self._requests.to_server
        exchange = self.endpoint.send_request(PEER, coap.POST, options, payload, now)
        info["mid"] = exchange.mid
        self._sent(what, info)
        return exchange

    def reply(self, incoming, code, text, now):
        """Answer a message."""
        self._sent(code_text(code), {"cause": text.decode() if text else None})
        self.endpoint.respond(incoming, code, text, now, options=b"")

    def answer_text(self, message):
        """Return the code of an answer, with its diagnostic text if there is one."""
        text = code_text(message.code)
        if message.code >= coap.BAD_REQUEST:
            text = (text + " " + _text(message.payload)).rstrip()
        return text

    def _make_postman(self):
        from ue.messaging import Messaging

        return Messaging(self, self._config, self._kept, self.max_frame_bytes)

    def _is_free(self):
        return self._exchange is None

    # What follows

    def _finish(self, what, result, cause, lifetime_s, now):
        """The final result of a REG or DEREG."""
        if not result and not (what == n.DEREG and cause == gaps.CAUSE_NOT_REGISTERED):
            self._say_no(cause or gaps.CAUSE_UNSPECIFIED, now)
            return
        again = self._is_registered
        self._open = None
        self._await_until = None
        self._retry_at = None
        self._failures = 0
        if what == n.DEREG:
            self._drop_exchange()
            self._is_dirty |= self._kept.note(DEREGISTERED, False)
            self._go(DEREGISTERED, {"cause": cause})
            return
        self._is_registered = True
        if self._postman is not None:
            self._postman.wake()
            if not again:
                self._postman.registered(now)
        self.counters["refreshes" if again else "registrations"] += 1
        refresh_s = self._config["refresh_s"]
        if refresh_s:
            self._refresh_at = now + self.spread(refresh_s * 1000)
        if lifetime_s:
            self._refresh_at = sooner(self._refresh_at, self._two_thirds(lifetime_s, now))
        self._go(REGISTERED, {"refresh": True} if again else {})

    def _say_no(self, cause, now):
        if cause in _TEMPORARY:
            self._back_off(now, cause)
        else:
            self._refuse(cause, now)

    def _refuse(self, cause, now):
        super()._refuse(cause, now)
        self._open = None

    def _halt(self):
        """Nothing is under way and nothing is taken for granted.

        The next renewal keeps its time, for a REGRESP that comes late after all.
        """
        self._drop_exchange()
        self._is_registered = False
        self._await_until = None
        self._signed_until = None
        self._refresh_at = None

    def _tick(self, now):
        if self._await_until is not None and now >= self._await_until:
            self.counters["unanswered"] += 1
            self._back_off(now, "no result came from the gateway")
        if self._exchange is not None or self._is_talking():
            return
        if self._retry_at is not None:
            if now >= self._retry_at:
                self._advance(now)
        elif self._renew_at is not None and now >= self._renew_at:
            self._sign_up(now)
        elif self._refresh_at is not None and now >= self._refresh_at:
            self._register_now(now)

    def _want(self, wanted, known):
        signed_until = self._signed_until
        self._halt()
        self._signed_until = signed_until
        self._is_dirty |= self._kept.note(wanted, known)
        self._open = None
        self._failures = 0
        self._retry_at = None
        self._renew_at = None

    def _two_thirds(self, seconds, now):
        return now + seconds * 600 + self._rng(seconds * 66 + 1)


def _text(payload):
    """Return a diagnostic payload, or "" if it is no plain text."""
    data = bytes(payload[:80])
    while True:
        try:
            text = data.decode()
            return "" if checks.has_controls(text) else text
        except UnicodeError:
            data = data[:-1]  # cut within a character
