"""What the MSGin5G Server does with a request of the registration family (6.3.1.2, 6.3.4.4).

No input or output but the registry's: payloads go in, codes and payloads come out. Whoever calls
`handle` answers a peer only after `commit`.
"""

from collections import Counter
from typing import Any

from msgin5g import coap, gaps, jsontext
from msgin5g import names as n
from msgin5g.errors import BadMessage, UnsupportedType
from msgin5g.registration import (
    Request,
    breg_answer,
    bulk_dereg_answer,
    dereg_answer,
    parse_request,
    reg_answer,
)
from msgin5g_host.config import Settings
from msgin5g_host.log import EventLog
from msgin5g_server.accounts import Accounts
from msgin5g_server.registry import Registration, Registry

_LOG_LINES_PER_S = 50
_MAX_COUNTED_KEYS = 64


class ServerCore:
    """Serve REG, DEREG, BREG and bulk DEREG over one registry."""

    def __init__(self, settings: Settings, registry: Registry, log: EventLog) -> None:
        self.registry = registry
        self.accounts = Accounts(settings.rows["ue"], settings["server.open"], registry)
        self.counters: Counter[str] = Counter()
        self._service_id: str = settings["server.service_id"]
        self._lifetime_s: int = settings["server.registration_lifetime_s"]
        self._log = log
        self._lines_left = _LOG_LINES_PER_S
        self._lines_second = 0
        self._lines_suppressed = 0

    def handle(self, payload: bytes, source: str, now: int) -> tuple[int, bytes]:
        """Return the (code, payload) that answers a POST; changes are staged.

        source: "host:port" of the sender. A malformed payload gets 4.00 with a text that names
        the key; a refused UE gets 2.04 with `result` false and a cause.
        """
        try:
            request = parse_request(payload)
            if request.service_id != self._service_id:
                raise BadMessage(n.MSG_IDEN, "not this service")
            if request.entries is not None:
                code, answer = self._bulk(request, source, now)
            elif request.msg_type == n.REG:
                code, answer = self._register(request, source, now, None, False)
            elif request.msg_type == n.DEREG:
                code, answer = coap.CHANGED, self._deregister(request, source, now, None, False)
            else:
                raise UnsupportedType(n.MSG_TYPE, f"a server takes no {request.msg_type}")
        except BadMessage as problem:
            return self._malformed(problem, payload, source, now)
        if self._log.messages:
            self._log_messages(request, source, code, answer)
        return code, answer

    def commit(self) -> None:
        """Make what was staged durable. Raises StoreError; then call `rollback`."""
        self.registry.commit()

    def rollback(self) -> None:
        """Forget what was staged."""
        self.counters["store_failures"] += 1
        self.registry.rollback()

    def expire(self, now: int) -> None:
        """End the registrations whose time is over; staged like all else."""
        for ue, row in self.registry.expire(now):
            self.counters["expired"] += 1
            self.accounts.ended(ue)
            self._note(now, "expired", ue=ue, via=row.via or None)

    def _bulk(self, request: Request, source: str, now: int) -> tuple[int, bytes]:
        claimed = request.ue_service_id
        registering = request.msg_type == n.BREG
        self.counters["bulk_requests"] += 1
        self.counters["bulk_entries"] += len(request.entries)
        refused = self.accounts.refuse_gateway(claimed, source)
        code = coap.CHANGED
        answers = []
        for entry in request.entries:
            if refused:
                answers.append(self._refusal(entry, refused, source, now))
            elif registering:
                entry_code, answer = self._register(entry, source, now, claimed, True)
                answers.append(answer)
                if entry_code == coap.CREATED:
                    code = coap.CREATED
            else:
                answers.append(self._deregister(entry, source, now, claimed, True))
        if claimed and not refused:
            row = self.registry.get(claimed)
            if row is not None and row.peer == source:
                self.accounts.registered(claimed, source, spoke_bulk=True)
        return code, (breg_answer if registering else bulk_dereg_answer)(answers)

    def _register(
        self, request: Request, source: str, now: int, claimed: str | None, bulk: bool
    ) -> tuple[int, bytes]:
        ue = request.ue_service_id
        cause = self.accounts.refuse(ue, source, claimed, bulk)
        before = self.registry.get(ue)
        if not cause and before is None and self.registry.is_full():
            cause = gaps.CAUSE_CONGESTION
        if cause:
            return coap.CHANGED, self._refusal(request, cause, source, now)
        profile = None if request.profile is None else jsontext.dumps(request.profile)
        via = claimed or (self.accounts.speaker(source) if not bulk else "")
        if via == ue:
            via = ""
        expires = now + self._lifetime_s * 1000
        since = now if before is None else before.registered_at_ms
        self.registry.put(ue, Registration(via, source, profile, since, now, expires))
        if not bulk:
            self.accounts.registered(ue, source)
        answer = reg_answer(ue, True, self._lifetime_s)
        if before is None:
            self.counters["registered"] += 1
            self._note(now, "registered", ue=ue, via=via or None, peer=source)
            return coap.CREATED, answer
        self.counters["refreshed"] += 1
        self._note(now, "refreshed", ue=ue, via=via or None, peer=source)
        return coap.CHANGED, answer

    def _deregister(
        self, request: Request, source: str, now: int, claimed: str | None, bulk: bool
    ) -> bytes:
        ue = request.ue_service_id
        cause = self.accounts.refuse(ue, source, claimed, bulk)
        if not cause and ue not in self.registry:
            cause = gaps.CAUSE_NOT_REGISTERED
        if cause:
            return self._refusal(request, cause, source, now)
        self.registry.remove(ue)
        self.accounts.ended(ue)
        self.counters["deregistered"] += 1
        self._note(now, "deregistered", ue=ue, peer=source)
        return dereg_answer(ue, True)

    def _refusal(self, request: Request, cause: str, source: str, now: int) -> bytes:
        self.counters["refused: " + cause] += 1
        what = request.msg_type
        self._note(now, "refused", ue=request.ue_service_id, what=what, cause=cause, peer=source)
        if what == n.REG:
            return reg_answer(request.ue_service_id, False, cause=cause)
        return dereg_answer(request.ue_service_id, False, cause=cause)

    def _malformed(
        self, problem: BadMessage, payload: bytes, source: str, now: int
    ) -> tuple[int, bytes]:
        key = "malformed: " + (problem.key.partition("[")[0] or "payload")
        if key not in self.counters and len(self.counters) > _MAX_COUNTED_KEYS:
            key = "malformed: other"
        self.counters[key] += 1
        text = str(problem)
        self._note(now, "malformed", reason=text, bytes=len(payload), peer=source)
        return coap.BAD_REQUEST, text.encode()

    def _note(self, now: int, event: str, **fields: Any) -> None:
        """Log an event, at most _LOG_LINES_PER_S lines a second."""
        second = now // 1000
        if second != self._lines_second:
            if self._lines_suppressed:
                self._log.event("suppressed", lines=self._lines_suppressed)
            self._lines_second = second
            self._lines_left = _LOG_LINES_PER_S
            self._lines_suppressed = 0
        if self._lines_left:
            self._lines_left -= 1
            self._log.event(event, **fields)
        else:
            self._lines_suppressed += 1

    def _log_messages(self, request: Request, source: str, code: int, answer: bytes) -> None:
        detail = None if request.entries is None else f"entries: {len(request.entries)}"
        fields = {"peer": source, "ue": request.ue_service_id}
        self._log.message("rx", "MSGin5G-1", request.msg_type, detail=detail, **fields)
        self._log.message(
            "tx", "MSGin5G-1", coap.code_text(code), detail=answer.decode()[:200], **fields
        )
