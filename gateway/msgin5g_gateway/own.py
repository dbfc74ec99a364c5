"""The gateway's own registration at the server (6.3.1.1): a client like any other."""

from msgin5g import names as n
from msgin5g.payload_errors import BadMessage
from msgin5g.registration import dereg, parse_answer, reg
from msgin5g_gateway.effects import Shared
from msgin5g_host.log_fields import of_token

# As for what is forwarded: sooner than CoAP gives up, so that a server that is not there is told.
_TIMEOUT_MS = 20_000
_LONGEST_PAUSE_MS = 60_000
_REFUSED_PAUSE_MS = 60_000
_RENEW_PAUSE_MS = 10_000
_DEFAULT_REFRESH_MS = 1_800_000


class OwnRegistration:
    """Register at once, refresh at 60 % of the lifetime, back off while nobody answers."""

    def __init__(self, shared: Shared) -> None:
        self.registered = False
        self.refused = False
        self.trace = ""
        self._shared = shared
        self._at = 0
        self.until_ms = 0
        self._in_flight = False
        self._failures = 0
        self._wanted: bool = shared.settings["gateway.register"]
        self._renew_from = 0

    @property
    def is_settled(self) -> bool:
        """Tell whether the server knows of us all that it is going to know."""
        return not self._wanted or self.registered or self.refused

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        if not self._wanted:
            return None
        return self.until_ms if self._in_flight else self._at

    def poll(self, now: int) -> None:
        """Send the REG that is due, give up one that nobody answers."""
        if not self._wanted:
            return
        if self._in_flight:
            if now >= self.until_ms:
                self.failed(f"no answer within {_TIMEOUT_MS // 1000} s", now)
        elif now >= self._at:
            self._in_flight = True
            self.until_ms = now + _TIMEOUT_MS
            shared = self._shared
            token = shared.new_token()
            self.trace = of_token(token)
            payload = reg(shared.gateway_id, shared.service_id)
            named = {"ue": shared.gateway_id, "trace": self.trace}
            shared.north(self, n.REG, payload, token, **named)

    def renew(self, now: int) -> None:
        """The server does not seem to know us any more: register again soon."""
        if now >= self._renew_from:
            self._renew_from = now + _RENEW_PAUSE_MS
            self._at = min(self._at, now)

    def leave(self) -> bool:
        """De-register; tells whether there is anything to de-register."""
        self._wanted = False
        if not self.registered:
            return False
        self.registered = False
        shared = self._shared
        payload = dereg(shared.gateway_id, shared.service_id)
        token = shared.new_token()
        shared.north(None, n.DEREG, payload, token, ue=shared.gateway_id, trace=of_token(token))
        return True

    def answered(self, code: int, payload: bytes, now: int) -> None:
        """The server's answer to our REG."""
        self._in_flight = False
        cause: str | None = f"code {code >> 5}.{code & 31:02d}"
        lifetime_s = None
        ok = False
        if code < 0x80:
            try:
                answer = parse_answer(payload)
                ok, cause, lifetime_s = answer.result is True, answer.cause, answer.lifetime_s
            except BadMessage as problem:
                cause = str(problem)
        shared = self._shared
        shared.server_answered(True)
        if not ok:
            self.registered = False
            self.refused = True
            shared.counters["own_refused"] += 1
            named = {"ue": shared.gateway_id, "trace": self.trace}
            shared.log.event("own-refused", cause=cause, **named)
            self._at = now + _REFUSED_PAUSE_MS
            return
        if not self.registered:
            named = {"ue": shared.gateway_id, "trace": self.trace}
            shared.log.event("own-registered", lifetime_s=lifetime_s, **named)
        self.registered = True
        self.refused = False
        self._failures = 0
        self._at = now + (lifetime_s * 600 if lifetime_s else _DEFAULT_REFRESH_MS)

    def failed(self, reason: str, now: int) -> None:
        """Nobody answered; the shell may say so once more, as it takes the REG back then."""
        if not self._in_flight:
            return
        self._in_flight = False
        self.registered = self.refused = False
        self._shared.server_answered(False, reason)
        self._at = now + self._shared.back_off_ms(self._failures, _LONGEST_PAUSE_MS)
        self._failures += 1
