"""The constrained UE's registration procedures (6.3.4.2, 6.3.5.3), without socket and clock.

The way to "registered": sign up to the gateway service (GWREG), send REG, take the interim answer
for what it is, and wait for the gateway's REGRESP. Only an explicit `result` true registers.
"""

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g import registration as messages
from msgin5g.errors import BadMessage
from msgin5g.exchange import FAILED, REQUEST

PEER = 0
_STRIDE = 64
_JITTER_PERCENT = 25

IDLE = "idle"
SIGNING_UP = "signing-up"
SIGNED_UP = "signed-up"
REGISTERING = "registering"
WAITING = "waiting"
REGISTERED = "registered"
DEREGISTERING = "deregistering"
LEAVING = "leaving"
DEREGISTERED = "deregistered"
REFUSED = "refused"
BACKOFF = "backoff"


class UeCore:
    """One constrained UE with an MSGin5G client.

    config: see `ue.config`; endpoint: an `Endpoint` of its own; saved: what the last "save" event
    carried, {} at first; rng: a function of n returning an integer in [0, n).

    Events: ("state", name, info), ("message", "tx" or "rx", what, info), ("save", dict).
    """

    def __init__(self, config, endpoint, saved, rng):
        self.state = IDLE
        self.counters = {
            "registrations": 0,
            "refreshes": 0,
            "outages": 0,
            "refusals": 0,
            "unanswered": 0,
            "stray": 0,
        }
        self._config = config
        self._ue = config["ue_service_id"]
        self._service = config["service_id"]
        self._endpoint = endpoint
        self._rng = rng
        self._events = []
        self._wanted = None
        self._exchange = None
        self._is_registered = False
        self._awaiting = None
        self._await_until = 0
        self._tokens = {}
        self._retry_at = None
        self._renew_at = None
        self._refresh_at = None
        self._failures = 0
        self._saved = {"wanted": saved.get("wanted")}
        mid, token = saved.get("mid"), saved.get("token")
        endpoint.first_mid = rng(65536) if mid is None else mid & 65535
        endpoint.next_token_number = rng(1 << 24) if token is None else token
        self._left = 0

    @property
    def wanted(self):
        """What was asked for last, across reboots: "registered", "deregistered" or None."""
        return self._wanted or self._saved["wanted"]

    def register(self, now):
        """Register, and stay registered until `deregister`."""
        self._want(REGISTERED)
        self._is_registered = False
        self._sign_up(now)

    def deregister(self, now):
        """De-register; ends in "deregistered", or in "refused" if the server says no."""
        never = self.state == IDLE and self._saved["wanted"] != REGISTERED
        self._want(DEREGISTERED)
        self._renew_at = self._refresh_at = None
        if never:
            self._go(DEREGISTERED)
        else:
            self._send_dereg(now)

    def receive(self, data, now):
        """Take a datagram of the gateway."""
        self._endpoint.receive(data, PEER, now)
        self._drain(now)

    def poll(self, now):
        """Do what is due and return the datagrams to send, [(bytes-like, peer)]."""
        self._tick(now)
        out = self._endpoint.poll(now)
        self._drain(now)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        soonest = self._endpoint.next_deadline()
        if self._exchange is None:
            for at in (
                self._retry_at,
                self._renew_at,
                self._refresh_at,
                self._await_until if self._awaiting else None,
            ):
                if at is not None and (soonest is None or at < soonest):
                    soonest = at
        return soonest

    def next_event(self):
        """Return the next event or None."""
        return self._events.pop(0) if self._events else None

    # What is sent

    def _sign_up(self, now):
        if self._config["direct"]:
            self._send_reg(now)
            return
        if not self._is_registered:
            self._go(SIGNING_UP)
        payload = messages.gwreg(
            self._ue,
            self._service,
            self._config["ue_id"] or None,
            self._config["gateway_time_s"] or None,
        )
        self._renew_at = None
        self._send(n.GWREG, payload, now, False)

    def _send_reg(self, now):
        if not self._is_registered:
            self._go(REGISTERING)
        payload = messages.reg(
            self._ue, self._service, *self._urgency(), self._config["profile"] or None
        )
        self._refresh_at = None
        self._send(n.REG, payload, now, True)

    def _send_dereg(self, now):
        self._go(DEREGISTERING)
        payload = messages.dereg(self._ue, self._service, *self._urgency())
        self._send(n.DEREG, payload, now, True)

    def _urgency(self):
        """Return (urgentTag, reqExpTime): both belong to the way through a gateway only."""
        config = self._config
        if config["direct"]:
            return None, None
        return config["urgent"], None if config["urgent"] else config["wait_s"] or None

    def _send(self, what, payload, now, to_server):
        """Send a request; there is one at a time, so an older one is given up."""
        if self._exchange is not None:
            self._endpoint.cancel(self._exchange)
        self._retry_at = None
        self._awaiting = None
        options = None
        if to_server and self._config["server_host"]:
            options = [(coap.URI_HOST, self._config["server_host"].encode())]
            for segment in self._config["path"].split("/"):
                options.append((coap.URI_PATH, segment.encode()))
            options.append((coap.CONTENT_FORMAT, coap.uint(coap.JSON_FORMAT)))
        if self._left == 0:
            self._reserve()
        self._left -= 1
        self._exchange = self._endpoint.request(
            PEER, coap.POST, self._config["path"], payload, now, options=options, context=what
        )
        self._tokens[what] = self._exchange.token
        self._events.append(("message", "tx", what, {"mid": self._exchange.mid}))

    # What arrives

    def _drain(self, now):
        endpoint = self._endpoint
        while True:
            event = endpoint.next_event()
            if event is None:
                return
            if event[0] == REQUEST:
                self._on_request(event[1], now)
            elif event[1] is self._exchange:
                what = event[1].context
                self._exchange = None
                if event[0] == FAILED:
                    self._back_off(now, event[2])
                else:
                    self._on_answer(what, event[2], now)

    def _on_answer(self, what, message, now):
        code = message.code
        if code >= 0x80:
            text = _text(message.payload)
            self._note(coap.code_text(code), {"of": what, "cause": text})
            if code >= 0xA0:
                self._back_off(now, coap.code_text(code) + " " + text)
            else:
                self._refuse(text or coap.code_text(code), now)
            return
        try:
            answer = messages.parse_answer(message.payload)
            if answer.ue_service_id != self._ue:
                raise BadMessage(n.ORI_ADDR, "not this UE")
        except BadMessage as problem:
            self._back_off(now, "malformed answer: %s" % problem)
            return
        self._note(
            coap.code_text(code),
            {
                "of": what,
                "result": answer.result,
                "expected_s": answer.expected_s,
                "cause": answer.cause,
            },
        )
        if what == n.GWREG:
            self._on_signed_up(answer, now)
        elif answer.result is None:
            wait = max(answer.expected_s or 0, self._config["wait_s"] or 0)
            self._awaiting = what
            self._await_until = now + (wait + self._config["answer_margin_s"]) * 1000
            if what == n.DEREG:
                self._go(LEAVING)
            elif not self._is_registered:
                self._go(WAITING, {"expected_s": answer.expected_s})
        else:
            self._finish(what, answer.result, answer.cause, answer.lifetime_s, now)

    def _on_signed_up(self, answer, now):
        if not answer.result:
            self._refuse(answer.cause or "the gateway gave no result", now)
            return
        self._failures = 0
        if answer.accepted_s:
            self._renew_at = self._two_thirds(answer.accepted_s, now)
        if not self._is_registered:
            self._go(SIGNED_UP)
            self._send_reg(now)

    def _on_request(self, incoming, now):
        """A POST of the gateway: REGRESP or DEREGRESP (6.3.4.2.3, 6.3.4.2.4)."""
        message = incoming.message
        respond = self._endpoint.respond
        if message.code != coap.POST:
            respond(incoming, coap.METHOD_NOT_ALLOWED, b"", now)
            return
        try:
            request = messages.parse_request(message.payload)
            if request.service_id not in (None, self._service):
                raise BadMessage(n.MSG_IDEN, "not this service")
            if request.msg_type not in (n.REGRESP, n.DEREGRESP):
                raise BadMessage(n.MSG_TYPE, "a UE takes REGRESP and DEREGRESP")
            if request.ue_service_id != self._ue:
                raise BadMessage(n.ORI_ADDR, "not this UE")
        except BadMessage as problem:
            respond(incoming, coap.BAD_REQUEST, str(problem).encode(), now, options=b"")
            return
        respond(incoming, coap.CHANGED, b"", now)
        self._note(request.msg_type, {"result": request.result, "cause": request.cause})
        self._events.append(("message", "tx", "2.04", {"of": request.msg_type}))
        what = n.REG if request.msg_type == n.REGRESP else n.DEREG
        if self._tokens.get(what) != incoming.token:
            self.counters["stray"] += 1
            return
        if what == self._awaiting or (self._exchange and self._exchange.context == what):
            if self._exchange is not None and self._exchange.context == what:
                self._endpoint.cancel(self._exchange)
                self._exchange = None
            self._finish(what, request.result, request.cause, None, now)
        elif what == n.REG and self._is_registered and not request.result:
            self._is_registered = False
            self._back_off(now, request.cause or "registration lost")

    # What follows

    def _finish(self, what, result, cause, lifetime_s, now):
        """The final result of a REG or DEREG."""
        self._awaiting = None
        self._failures = 0
        if what == n.DEREG:
            if result or cause == gaps.CAUSE_NOT_REGISTERED:
                self._is_registered = False
                self._go(DEREGISTERED, {"cause": cause})
            else:
                self._refuse(cause or "no cause given", now)
            return
        if self._wanted != REGISTERED:
            return
        if not result:
            self._is_registered = False
            self._refuse(cause or "no cause given", now)
            return
        again = self._is_registered
        self._is_registered = True
        self.counters["refreshes" if again else "registrations"] += 1
        refresh_s = self._config["refresh_s"]
        self._refresh_at = now + self._spread(refresh_s * 1000) if refresh_s else None
        if lifetime_s:
            at = self._two_thirds(lifetime_s, now)
            if self._refresh_at is None or at < self._refresh_at:
                self._refresh_at = at
        self._go(REGISTERED, {"refresh": True} if again else {})

    def _refuse(self, cause, now):
        self.counters["refusals"] += 1
        self._is_registered = False
        self._renew_at = self._refresh_at = None
        self._retry_at = now + self._spread(self._config["refused_retry_s"] * 1000)
        self._go(REFUSED, {"cause": cause})

    def _back_off(self, now, reason):
        self.counters["outages"] += 1
        self._awaiting = None
        self._is_registered = False
        self._renew_at = self._refresh_at = None
        longest = self._config["backoff_max_s"]
        delay = min(self._config["backoff_min_s"] << min(self._failures, 16), longest)
        self._failures += 1
        delay_ms = self._spread(delay * 1000)
        self._retry_at = now + delay_ms
        self._go(BACKOFF, {"reason": reason, "retry_s": delay_ms // 1000})

    def _tick(self, now):
        if self._awaiting and now >= self._await_until:
            self.counters["unanswered"] += 1
            self._back_off(now, "no result came from the gateway")
        if self._exchange is not None:
            return
        if self._retry_at is not None and now >= self._retry_at:
            if self._wanted == DEREGISTERED:
                self._send_dereg(now)
            else:
                self._sign_up(now)
        elif self._awaiting:
            return
        elif self._renew_at is not None and now >= self._renew_at:
            self._sign_up(now)
        elif self._refresh_at is not None and now >= self._refresh_at:
            self._send_reg(now)

    def _want(self, wanted):
        self._wanted = wanted
        self._failures = 0
        self._retry_at = None
        if self._saved["wanted"] != wanted:
            self._saved["wanted"] = wanted
            if self._left:
                self._save()

    def _reserve(self):
        """Reserve the next counters on disk, so that a reboot never repeats one of them."""
        self._left = _STRIDE
        endpoint = self._endpoint
        mid = self._saved.get("mid")
        self._saved["mid"] = ((endpoint.first_mid if mid is None else mid) + _STRIDE) & 65535
        self._saved["token"] = endpoint.next_token_number + _STRIDE
        self._save()

    def _save(self):
        self._events.append(("save", dict(self._saved)))

    def _go(self, state, info=None):
        self.state = state
        self._events.append(("state", state, info or {}))

    def _note(self, what, info):
        self._events.append(("message", "rx", what, info))

    def _spread(self, delay_ms):
        """Return the delay plus or minus a quarter of it at random."""
        part = delay_ms * _JITTER_PERCENT // 100
        return delay_ms - part + self._rng(2 * part + 1)

    def _two_thirds(self, seconds, now):
        return now + seconds * 600 + self._rng(seconds * 66 + 1)


def _text(payload):
    try:
        return bytes(payload[:80]).decode()
    except UnicodeError:
        return ""
