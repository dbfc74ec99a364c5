"""Urgent requests go to the server as they are, and its answer comes back (6.3.4.3.1 a, .4 a)."""

from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.payload_errors import BadMessage
from msgin5g.registration import parse_answer
from msgin5g_gateway.bulk import BulkHandler
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.own import OwnRegistration
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import of_token

MAX_FORWARDS = 1_000
FORWARD_TIMEOUT_MS = 20_000
_GATEWAY_UNKNOWN = (gaps.CAUSE_ONLY_THROUGH_GATEWAY, gaps.CAUSE_NOT_AUTHORISED_GATEWAY)


class Forward:
    """A request at the server until `until_ms`: `incoming` gets the server's answer.

    kind: "REG" or "DEREG"; peer, token: where and how the UE hears of it if the server ends its
    registration later; is_kept: whether the gateway refreshes the registration from then on.
    """

    def __init__(
        self,
        incoming: Any,
        kind: str,
        ue: str,
        payload: bytes,
        peer: str,
        token: bytes,
        is_kept: bool,
        now: int,
    ) -> None:
        self.incoming = incoming
        self.ue = ue
        self.kind = kind
        self.payload = payload
        self.peer = peer
        self.token = token
        self.is_kept = is_kept
        self.received_ms = now
        self.until_ms = now + FORWARD_TIMEOUT_MS
        # Names in logs: of the request that came, and of the one to the server.
        self.trace: str | None = of_token(token)
        self.north_trace = ""

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        """Pass an answer back to who asked."""
        how = (self.incoming, code, payload)
        shared.answer(*how, ue=self.ue, peer=self.peer, trace=self.trace)

    def unanswered(self) -> list[Any]:
        """Return every `incoming` that waits for this."""
        return [self.incoming]


class Forwarder:
    """Pass requests on, one of each UE at a time.

    A request waits while an older one of its UE, urgent or in a bulk request, is at the server:
    the order in which a UE sent them is the order in which the server gets them.
    """

    def __init__(self, shared: Shared, bulk: BulkHandler, own: OwnRegistration) -> None:
        self._shared = shared
        self._bulk = bulk
        self._own = own
        self._open: dict[Forward, None] = {}
        self._held: dict[Forward, None] = {}

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("forwards", len(self._open), MAX_FORWARDS)

    def forward(self, forward: Forward, now: int) -> None:
        """Take a request; the answer to its `incoming` comes later, 5.04 at the latest."""
        shared = self._shared
        ue = forward.ue
        if len(self._open) >= MAX_FORWARDS:
            shared.counters["forwards_full"] += 1
            text = b"too many urgent requests at once, try again later"
            forward.answer(shared, coap.UNAVAILABLE, text, now)
            return
        self._open[forward] = None
        self._bulk.supersede(ue, now)
        if self._must_wait(ue) or any(one.ue == ue for one in self._held):
            self._held[forward] = None
        else:
            self._send(forward)

    def answered(self, forward: Forward, code: int, payload: bytes, now: int) -> None:
        """Pass the server's answer back as it is, after noting what it changed."""
        if not self._close(forward):
            self._shared.counters["late_answers"] += 1
            return
        self._shared.server_answered(True)
        if code < coap.BAD_REQUEST:
            self._note(forward, payload, now)
        forward.answer(self._shared, code, payload, now)

    def failed(self, forward: Forward, reason: str, now: int) -> None:
        """The server did not answer."""
        if self._close(forward):
            self._shared.server_answered(False, reason)
            self._time_out(forward, now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return next(iter(self._open)).until_ms if self._open else None

    def poll(self, now: int) -> None:
        """Give up what the server has not answered in time, send what need not wait any more."""
        while self._open:
            oldest = next(iter(self._open))
            if now < oldest.until_ms:
                break
            if oldest in self._held:
                del self._open[oldest], self._held[oldest]
                self._time_out(oldest, now)
            else:
                self.failed(oldest, "no answer in time", now)
        for forward in list(self._held):
            if not self._must_wait(forward.ue):
                del self._held[forward]
                # What has come back from a bulk request without a result is older.
                self._bulk.supersede(forward.ue, now, received_until_ms=forward.received_ms)
                self._send(forward)

    def unanswered(self) -> list[Any]:
        """Return the `incoming` of all that is here."""
        return [incoming for one in self._open for incoming in one.unanswered()]

    def _must_wait(self, ue: str) -> bool:
        # A server that does not know this gateway yet would refuse what comes through it.
        first = not self._own.is_settled
        return first or self._bulk.carries(ue) or ue in self._shared.forwarding

    def _send(self, forward: Forward) -> None:
        shared = self._shared
        if forward.kind == n.DEREG:
            shared.store.drop_registered(forward.ue)
        shared.forwarding.add(forward.ue)
        shared.counters["forwarded"] += 1
        token = shared.new_token()
        forward.north_trace = of_token(token)
        named = {"ue": forward.ue, "trace": forward.north_trace}
        shared.log.event("forwarded", what=forward.kind, traces=[forward.trace], **named)
        shared.north(forward, forward.kind, forward.payload, token, detail="urgent", **named)

    def _close(self, forward: Forward) -> bool:
        if forward not in self._open:
            return False
        del self._open[forward]
        self._shared.forwarding.discard(forward.ue)
        return True

    def _note(self, forward: Forward, payload: bytes, now: int) -> None:
        try:
            answer = parse_answer(payload)
        except BadMessage:
            return
        if answer.result is not None:
            told = {"what": forward.kind, "result": answer.result, "cause": answer.cause}
            self._shared.log.step("answered", ue=forward.ue, trace=forward.trace, **told)
        if answer.result is False and answer.cause in _GATEWAY_UNKNOWN:
            self._own.renew(now)
        if forward.kind != n.REG or answer.result is None:
            return
        if answer.result and forward.is_kept:
            self._bulk.refreshes.note(
                *(forward.ue, forward.peer, forward.token, forward.payload),
                *(answer.lifetime_s, now),
            )
        else:
            # Refused, or not signed up: how long it stays registered is not the gateway's part.
            self._shared.store.drop_registered(forward.ue)

    def _time_out(self, forward: Forward, now: int) -> None:
        self._shared.counters["forwards_timed_out"] += 1
        text = gaps.CAUSE_SERVER_UNREACHABLE.encode()
        forward.answer(self._shared, coap.GATEWAY_TIMEOUT, text, now)
