"""What the MSGin5G Server does with a request: registration here (6.3.1.2, 6.3.4.4).

Messages and reports go on to `messages`.

No input or output but the registry's: payloads go in, codes and payloads come out. Whoever calls
`handle` answers a peer only after `commit`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps, jsontext
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g.registration import (
    Request,
    breg_answer,
    bulk_dereg_answer,
    dereg_answer,
    parse_request,
    reg_answer,
)
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_host.folder import StoreError
from msgin5g_host.log import EventLog
from msgin5g_host.log_fields import of_token
from msgin5g_host.words import element
from msgin5g_server.accounts import Accounts
from msgin5g_server.configuration_api import ConfigurationApi
from msgin5g_server.group_api import GroupApi
from msgin5g_server.message_store import MessageStore
from msgin5g_server.messages import MessageCore
from msgin5g_server.registry import Registration, Registry
from msgin5g_server.subscribing import Subscribing
from msgin5g_server.ue_ids import UeIds

_LOG_LINES_PER_S = 50
_OTHER_SERVICE = "not this service"
_MESSAGE_SIGNS = (b'"MSG', b'"IMDN')


class ServerCore:
    """Serve REG, DEREG, BREG and bulk DEREG over one registry, and messages over one store."""

    def __init__(self, settings: Settings, registry: Registry, log: EventLog) -> None:
        self.settings = settings
        self.registry = registry
        self.accounts = Accounts(settings.rows["ue"], settings["server.open"], registry)
        self.counters: Counter[str] = Counter()
        self._service_id: str = settings["server.service_id"]
        self._lifetime_s: int = settings["server.registration_lifetime_s"]
        self._log = log
        self._lines_left = _LOG_LINES_PER_S
        self._lines_second = 0
        self._lines_suppressed = 0
        self._staged_notes: list[tuple[str, dict[str, Any]]] = []
        # Of the request that is handled: lines of its registration are found by it.
        self._token = b""
        self._store = MessageStore(settings["server.data"])
        self.messages = MessageCore(
            settings, registry, self.accounts, self._store, log, self.counters
        )
        refuse = self.messages.origins.refuse
        topics = self.messages.topics
        self.subscribing = Subscribing(settings, topics, refuse, self.counters, log)
        self.groups = GroupApi(settings, self.messages, self.counters, log)
        self._ue_ids = UeIds(
            settings.rows["ue"],
            settings["server.new_ue_service_id"],
            settings["server.open"],
            self._store,
            self.messages.routes.is_own,
        )
        self.configurations = ConfigurationApi(
            settings, self.messages, self.accounts, self._ue_ids, self.counters, log
        )

    def fills(self) -> Iterator[Fill]:
        """Tell how full all tables are."""
        for part in (self.registry, *self.messages.bounded, self.groups, self._ue_ids):
            yield from part.fills()

    def handle(
        self, payload: bytes, source: str, now: int, token: bytes = b""
    ) -> tuple[int, bytes]:
        """Return the (code, payload) that answers a POST; changes are staged.

        source: "host:port" of the sender. A malformed payload gets 4.00 with a text that names
        the key; a refused UE gets 2.04 with `result` false and a cause.
        """
        self._token = token
        try:
            if b'"oriAddr"' not in payload or any(one in payload for one in _MESSAGE_SIGNS):
                # Cheaper than reading everything twice; what is no message comes back.
                try:
                    return self.messages.handle(payload, source, token, now)
                except UnsupportedType:
                    pass
            request = parse_request(payload)
            if request.service_id != self._service_id:
                raise BadMessage(n.MSG_IDEN, _OTHER_SERVICE)
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
            self._log_messages(request, source, token, code, answer)
        return code, answer

    def commit(self) -> None:
        """Make what was staged durable. Raises StoreError; then call `rollback`."""
        self.messages.commit()
        self.registry.commit()
        for event, fields in self._staged_notes:
            self._log.event(event, **fields)
        self._staged_notes.clear()

    def rollback(self) -> None:
        """Forget what was staged."""
        self.counters["store_failures"] += 1
        self.registry.rollback()
        self.accounts.reload()
        try:
            self.messages.rollback()
            self._ue_ids.start()
        except StoreError as problem:
            self._log.event("store-failed", reason=str(problem))
        self._staged_notes.clear()

    def close(self) -> None:
        """Close the store of messages."""
        self._store.close()

    def expire(self, now: int) -> None:
        """End the registrations whose time is over; staged like all else."""
        self._turn(now // 1000)
        self._token = b""
        for ue, row in self.registry.expire(now):
            self._expired(ue, row, now)

    def deregister(self, ue: str, now: int) -> bool:
        """The operator ends a registration; tells whether there was one. Staged like all else.

        The UE is not told: it, or its gateway, may register again.
        """
        self._token = b""
        if self._current(ue, now) is None:
            return False
        self._leave(ue, now, by="the operator")
        return True

    def _bulk(self, request: Request, source: str, now: int) -> tuple[int, bytes]:
        claimed = request.ue_service_id
        registering = request.msg_type == n.BREG
        for at, entry in enumerate(request.entries):
            if entry.service_id not in (None, self._service_id):
                name = gaps.REG_REQ_LIST if registering else gaps.DEREG_REQ_LIST
                raise BadMessage(f"{name}[{at}].{n.MSG_IDEN}", _OTHER_SERVICE)
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
            self.accounts.spoke_bulk(claimed, source)
        return code, (breg_answer if registering else bulk_dereg_answer)(answers)

    def _register(
        self, request: Request, source: str, now: int, claimed: str | None, bulk: bool
    ) -> tuple[int, bytes]:
        ue = request.ue_service_id
        cause = self.accounts.refuse(ue, source, claimed, bulk)
        cause = cause or self.messages.routes.refuse_ue(ue)
        if not cause:
            trigger = (request.profile or {}).get(n.TRI_INFO) or {}
            cause = self.accounts.refuse_ue_id(ue, trigger.get(n.UE_ID))
        before = self._current(ue, now)
        if not cause and before is None and self.registry.is_full():
            cause = gaps.CAUSE_CONGESTION
        if cause:
            return coap.CHANGED, self._refusal(request, cause, source, now)
        profile = None if request.profile is None else jsontext.dumps(request.profile)
        via = claimed or self.accounts.via(ue, source)
        if via == ue:
            via = ""
        expires = now + self._lifetime_s * 1000
        since = now if before is None else before.registered_at_ms
        self.registry.put(ue, Registration(via, source, profile, since, now, expires))
        if not bulk or ue == claimed:
            self.accounts.registered(ue, source)
        self.messages.registered(ue, now)
        answer = reg_answer(ue, True, self._lifetime_s)
        if before is None:
            self.counters["registered"] += 1
            self._note(now, "registered", ue=ue, via=via or None, peer=source, what=n.REG)
            return coap.CREATED, answer
        self.counters["refreshed"] += 1
        self._note(now, "refreshed", ue=ue, via=via or None, peer=source, what=n.REG)
        return coap.CHANGED, answer

    def _deregister(
        self, request: Request, source: str, now: int, claimed: str | None, bulk: bool
    ) -> bytes:
        ue = request.ue_service_id
        cause = self.accounts.refuse(ue, source, claimed, bulk)
        if not cause and self._current(ue, now) is None:
            cause = gaps.CAUSE_NOT_REGISTERED
        if cause:
            return self._refusal(request, cause, source, now)
        self._leave(ue, now, peer=source, what=n.DEREG)
        return dereg_answer(ue, True)

    def _leave(self, ue: str, now: int, **fields: Any) -> None:
        self.registry.remove(ue)
        self.accounts.ended(ue)
        self.messages.deregistered(ue)
        self.counters["deregistered"] += 1
        self._note(now, "deregistered", ue=ue, **fields)

    def _current(self, ue: str, now: int) -> Registration | None:
        """Return the registration of a UE; one that ended and was not noticed yet ends now."""
        row = self.registry.get(ue)
        if row is None or row.expires_at_ms > now:
            return row
        self.registry.remove(ue)
        self._expired(ue, row, now)
        return None

    def _expired(self, ue: str, row: Registration, now: int) -> None:
        self.counters["expired"] += 1
        self.accounts.ended(ue)
        self._note(now, "expired", ue=ue, via=row.via or None)

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
        self.counters["malformed: " + element(problem.key)] += 1
        text = str(problem)
        self._note(now, "malformed", reason=text, bytes=len(payload), peer=source)
        return coap.BAD_REQUEST, text.encode()

    def _note(self, now: int, event: str, **fields: Any) -> None:
        """Log an event once it is durable, at most _LOG_LINES_PER_S lines a second."""
        self._turn(now // 1000)
        if self._lines_left:
            self._lines_left -= 1
            if self._token:
                fields["trace"] = of_token(self._token)
            self._staged_notes.append((event, fields))
        else:
            self._lines_suppressed += 1

    def _turn(self, second: int) -> None:
        """Begin a new second of log lines; tell how many the one before was too short for."""
        if second != self._lines_second:
            if self._lines_suppressed:
                self._staged_notes.append(("suppressed", {"lines": self._lines_suppressed}))
            self._lines_second = second
            self._lines_left = _LOG_LINES_PER_S
            self._lines_suppressed = 0

    def _log_messages(
        self, request: Request, source: str, token: bytes, code: int, answer: bytes
    ) -> None:
        detail = None if request.entries is None else f"entries: {len(request.entries)}"
        fields = {"peer": source, "ue": request.ue_service_id, "trace": of_token(token)}
        self._log.message("rx", "MSGin5G-1", request.msg_type, detail=detail, **fields)
        self._log.message(
            "tx", "MSGin5G-1", code_text(code), detail=answer.decode()[:200], **fields
        )
