"""The MSGin5G Gateway Client without sockets: what it does with each request and answer.

Effects come out of `take` after `commit`: nothing is acknowledged before it is on disk.
"""

from collections.abc import Callable
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.errors import BadMessage, UnsupportedType
from msgin5g.registration import (
    Request,
    dereg_answer,
    gwreg_answer,
    parse_answer,
    parse_request,
    reg_answer,
)
from msgin5g_gateway.bulk import BulkHandler, BulkRequest
from msgin5g_gateway.effects import Effect, Shared
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.store import Pending, SignUp, Store
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog

MAX_SIGNUPS = 100_000
MAX_FORWARDS = 1_000
_FORWARD_TIMEOUT_MS = 20_000
_SWEEP_MS = 60_000


class Forward:
    """An urgent request that is at the server; its answer goes back to the UE (6.3.4.3.1 a)."""

    def __init__(
        self, incoming: Any, request: Request, payload: bytes, peer: str, token: bytes, until: int
    ) -> None:
        self.incoming = incoming
        self.ue: str = request.ue_service_id
        self.kind: str = request.msg_type
        self.payload = payload
        self.peer = peer
        self.token = token
        self.until_ms = until


class GatewayCore:
    """Serve constrained UEs on MSGin5G-6 and speak for them on MSGin5G-1.

    Peers are transport identifiers as text, such as "udp://127.0.0.1:40001".
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        log: EventLog,
        rng: Callable[[int], int],
        now: int,
    ) -> None:
        self._shared = Shared(settings, store, log, rng)
        self._settings = settings
        self._store = store
        self._log = log
        self._table = {row["ue_service_id"]: row["ue_id"] for row in settings.rows["ue"]}
        self._forwards: list[Forward] = []
        self._sweep_at = now + _SWEEP_MS
        self.counters = self._shared.counters
        self.own = OwnRegistration(self._shared)
        self.bulk = BulkHandler(self._shared, now)

    def receive(
        self, incoming: Any, payload: bytes, peer: str, mid: int, token: bytes, now: int
    ) -> None:
        """Take a POST of a constrained UE. `incoming` comes back in the "answer" effect."""
        shared = self._shared
        try:
            request = parse_request(payload)
            if request.service_id != shared.service_id:
                raise BadMessage(n.MSG_IDEN, "not this service")
            if request.entries is not None:
                raise BadMessage(n.MSG_TYPE, "a gateway takes no bulk request")
            if request.msg_type not in (n.REG, n.DEREG, n.GWREG):
                raise UnsupportedType(n.MSG_TYPE, f"a gateway takes no {request.msg_type}")
        except BadMessage as problem:
            shared.counters["malformed"] += 1
            self._log.event("malformed", peer=peer, reason=str(problem), bytes=len(payload))
            shared.answer(incoming, coap.BAD_REQUEST, str(problem).encode(), peer=peer)
            return
        what, ue = request.msg_type, request.ue_service_id
        self._log.message("rx", "MSGin5G-6", what, ue=ue, peer=peer, mid=mid)
        if what == n.GWREG:
            self._sign_up(incoming, request, peer, now)
        elif not self._may_speak_for(ue):
            self._refuse(incoming, request, gaps.CAUSE_NOT_ALLOWED, peer)
        elif self._is_urgent(request) or not self._is_signed_up(ue, now):
            self._forward(incoming, request, payload, peer, token, now)
        elif len(self._store.pending) >= self._settings["bulk.max_pending"]:
            shared.counters["cache_full"] += 1
            text = b"too many cached requests, try again later"
            shared.answer(incoming, coap.UNAVAILABLE, text, ue=ue, peer=peer)
        else:
            answer = self.bulk.cache(request, payload, peer, mid, token, now)
            shared.answer(incoming, coap.CHANGED, answer, ue=ue, peer=peer, detail="interim")

    def north_answer(self, ref: Any, code: int, payload: bytes, now: int) -> None:
        """Take the server's answer to a "north" effect."""
        text = coap.code_text(code)
        if isinstance(ref, BulkRequest):
            self._log.message("rx", "MSGin5G-1", text, ue=self._shared.gateway_id)
            self.bulk.answered(ref, code, payload, now)
        elif isinstance(ref, OwnRegistration):
            self._log.message("rx", "MSGin5G-1", text, ue=self._shared.gateway_id)
            ref.answered(code, payload, now)
        elif isinstance(ref, Forward) and ref in self._forwards:
            self._forwards.remove(ref)
            self._shared.server_answered(True)
            self._log.message("rx", "MSGin5G-1", text, ue=ref.ue)
            self._forwarded(ref, code, payload, now)

    def north_failed(self, ref: Any, reason: str, now: int) -> None:
        """The server did not answer a "north" effect."""
        if isinstance(ref, BulkRequest):
            self.bulk.failed(ref, reason, now)
        elif isinstance(ref, OwnRegistration):
            ref.failed(reason, now)
        elif isinstance(ref, Forward) and ref in self._forwards:
            self._give_up(ref, reason)

    def south_answer(self, ref: Pending, code: int, now: int) -> None:
        """Take a UE's answer to a "post" effect."""
        self._log.message("rx", "MSGin5G-6", coap.code_text(code), ue=ref.ue, peer=ref.peer)
        self.bulk.teller.acknowledged(ref, code, now)

    def south_failed(self, ref: Pending, reason: str, now: int) -> None:
        """A UE did not answer a "post" effect."""
        self.bulk.teller.failed(ref, reason, now)

    def poll(self, now: int) -> None:
        """Do what is due: own registration, bulk requests, results to tell again, time-outs."""
        self.own.poll(now)
        self.bulk.poll(now)
        for forward in [one for one in self._forwards if now >= one.until_ms]:
            self._give_up(forward, "no answer in time")
        if now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_MS
            for signup in [one for one in self._store.signups.values() if one.until_ms <= now]:
                self._store.drop_signup(signup.ue)
                self._log.event("signed-off", ue=signup.ue, reason="its time is over")

    def next_deadline(self) -> int:
        """Return when `poll` is due at the latest."""
        times = [self._sweep_at, *(one.until_ms for one in self._forwards[:1])]
        times += [one for one in (self.own.next_deadline(), self.bulk.next_deadline()) if one]
        if self.own.next_deadline() == 0 or self.bulk.next_deadline() == 0:
            return 0
        return min(times)

    def leave(self) -> bool:
        """De-register the gateway before it stops; tells whether an effect came of it."""
        return self.own.leave()

    def commit(self) -> None:
        """Put on disk what the effects promise. Raises StoreError; then call `rollback`."""
        self._store.commit()

    def take(self) -> list[Effect]:
        """Return the effects of this batch; call `commit` first."""
        out, self._shared.out = self._shared.out, []
        return out

    def _may_speak_for(self, ue: str) -> bool:
        return ue in self._table or bool(self._settings["gateway.open"])

    def _is_urgent(self, request: Request) -> bool:
        if request.urgent is None:
            return bool(self._settings["gateway.absent_is_urgent"])
        return bool(request.urgent)

    def _is_signed_up(self, ue: str, now: int) -> bool:
        signup = self._store.signups.get(ue)
        return signup is not None and signup.until_ms > now

    def _sign_up(self, incoming: Any, request: Request, peer: str, now: int) -> None:
        """GWREG (6.3.5.2.1): check, note, answer; never forwarded."""
        ue = request.ue_service_id
        before = self._store.signups.get(ue)
        wanted_id = self._table.get(ue)
        cause = None
        if not self._may_speak_for(ue):
            cause = gaps.CAUSE_NOT_ALLOWED
        elif wanted_id is not None and request.ue_id not in (None, wanted_id):
            cause = gaps.CAUSE_WRONG_UE_ID
        elif before is None and len(self._store.signups) >= MAX_SIGNUPS:
            cause = gaps.CAUSE_CONGESTION
        if cause:
            self._refuse(incoming, request, cause, peer)
            return
        longest: int = self._settings["gateway.gateway_time_s"]
        accepted = longest if request.expires_s is None else min(request.expires_s, longest)
        if before is not None and before.peer != peer:
            self._shared.counters["moved"] += 1
        self._store.put_signup(SignUp(ue, peer, now + accepted * 1000))
        new = before is None or before.until_ms <= now
        self._log.event("signed-up", ue=ue, peer=peer, seconds=accepted, again=not new or None)
        code = coap.CREATED if new else coap.CHANGED
        self._shared.answer(incoming, code, gwreg_answer(ue, True, accepted), ue=ue, peer=peer)

    def _refuse(self, incoming: Any, request: Request, cause: str, peer: str) -> None:
        ue = request.ue_service_id
        self._shared.counters["refused"] += 1
        self._log.event("refused", ue=ue, what=request.msg_type, cause=cause, peer=peer)
        if request.msg_type == n.GWREG:
            payload = gwreg_answer(ue, False, cause=cause)
        elif request.msg_type == n.REG:
            payload = reg_answer(ue, False, cause=cause)
        else:
            payload = dereg_answer(ue, False, cause=cause)
        self._shared.answer(incoming, coap.CHANGED, payload, ue=ue, peer=peer, detail=cause)

    def _forward(
        self, incoming: Any, request: Request, payload: bytes, peer: str, token: bytes, now: int
    ) -> None:
        shared = self._shared
        ue = request.ue_service_id
        if len(self._forwards) >= MAX_FORWARDS:
            shared.counters["forwards_full"] += 1
            text = b"too many urgent requests at once, try again later"
            shared.answer(incoming, coap.UNAVAILABLE, text, ue=ue, peer=peer)
            return
        self.bulk.supersede(ue, now)
        until = now + _FORWARD_TIMEOUT_MS
        forward = Forward(incoming, request, payload, peer, token, until)
        self._forwards.append(forward)
        shared.counters["forwarded"] += 1
        self._log.event("forwarded", ue=ue, what=request.msg_type)
        shared.north(forward, request.msg_type, payload, ue=ue, detail="urgent")

    def _forwarded(self, forward: Forward, code: int, payload: bytes, now: int) -> None:
        """Pass the server's answer back as it is, after noting what it changed."""
        ue = forward.ue
        if code < coap.BAD_REQUEST:
            try:
                answer = parse_answer(payload)
            except BadMessage:
                answer = None
            if answer is not None and answer.result:
                if forward.kind == n.DEREG:
                    self._store.drop_registered(ue)
                elif self._is_signed_up(ue, now):
                    self.bulk.note_registered(
                        *(ue, forward.peer, forward.token, forward.payload),
                        *(answer.lifetime_s, now),
                    )
        self._shared.answer(forward.incoming, code, payload, ue=ue, peer=forward.peer)

    def _give_up(self, forward: Forward, reason: str) -> None:
        self._forwards.remove(forward)
        self._shared.server_answered(False, reason)
        text = gaps.CAUSE_SERVER_UNREACHABLE.encode()
        self._shared.answer(
            forward.incoming, coap.GATEWAY_TIMEOUT, text, ue=forward.ue, peer=forward.peer
        )
