"""Bulk handling (6.3.4.3): cache, send one request upwards, split its answer."""

from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g.payload_errors import BadMessage
from msgin5g.registration import Answer, Request, breg, bulk_dereg, interim, parse_answer
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.refresh import Refreshes
from msgin5g_gateway.schedule import Schedule
from msgin5g_gateway.store import ANSWERED, CACHED, Pending, Registered
from msgin5g_gateway.tell import Teller
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import of_token

_KINDS = (n.REG, n.DEREG)
_LONGEST_PAUSE_MS = 30_000
_HELD_MS = 1_000
# The server looked at the request and found fault with what is in it, not with who sent it.
_BAD_CONTENT = (coap.BAD_REQUEST, coap.TOO_LARGE)


class BulkRequest:
    """A bulk request under way: the cached requests and the refreshes that it carries."""

    def __init__(self, kind: str, rows: list[Pending], refreshes: list[Registered]) -> None:
        self.kind = kind
        self.rows = rows
        self.refreshes = refreshes
        self.ues = {row.ue for row in rows} | {row.ue for row in refreshes}
        self.trace = ""


class BulkHandler:
    """Hold the cached requests, decide when they leave, and bring every UE its own result.

    One bulk request is under way at a time, so that a UE's registration and de-registration
    reach the server in the order in which the UE sent them.
    """

    def __init__(self, shared: Shared, now: int) -> None:
        settings = shared.settings
        self._shared = shared
        self._interval_ms = int(settings["bulk.interval_s"] * 1000)
        self._lifetime_ms = int(settings["bulk.pending_lifetime_s"] * 1000)
        self._default_wait_ms = int(settings["bulk.default_wait_s"] * 1000)
        margin_ms = int(settings["bulk.answer_margin_s"] * 1000)
        self._schedules = {
            kind: Schedule(settings["bulk.max_requests"], self._interval_ms, margin_ms)
            for kind in _KINDS
        }
        self.teller = Teller(shared)
        self.refreshes = Refreshes(shared, self.teller, self._interval_ms)
        self._by_ue: dict[tuple[str, str], Pending] = {}
        self._under_way: BulkRequest | None = None
        self._alone: list[BulkRequest] = []
        self._failures = 0
        self._not_before = 0
        self._resume(now)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("bulk_pending", len(self._by_ue), self._shared.settings["bulk.max_pending"])
        yield from self.refreshes.fills()

    def cached(self) -> int:
        """Return how many requests wait for a bulk request or its answer."""
        return len(self._by_ue)

    def cached_of(self, ue: str) -> int:
        """Return how many requests of a UE wait so."""
        return sum((ue, kind) in self._by_ue for kind in _KINDS)

    def carries(self, ue: str) -> bool:
        """Tell whether the bulk request under way speaks for this UE."""
        return self._under_way is not None and ue in self._under_way.ues

    def would_replace(self, ue: str, kind: str) -> bool:
        """Tell whether caching such a request takes the room of an older one."""
        row = self._by_ue.get((ue, kind))
        return row is not None and not row.in_flight

    def cache(
        self, request: Request, payload: bytes, peer: str, mid: int, token: bytes, now: int
    ) -> bytes:
        """Keep a request that is not urgent; return the interim answer's payload (…3.1 b2)."""
        shared = self._shared
        kind, ue = request.msg_type, request.ue_service_id
        self.supersede(ue, now, but=kind)
        older = self._by_ue.pop((ue, kind), None)
        if older is not None:
            shared.counters["replaced"] += 1
            if not older.in_flight:
                self._unschedule(older)
                shared.store.drop_pending(older)
        self.teller.forget(ue, kind)
        if kind == n.DEREG:
            shared.store.drop_registered(ue)
        wait_ms = self._default_wait_ms if request.wait_s is None else request.wait_s * 1000
        due = now + wait_ms
        row = Pending(
            *(shared.store.new_id(), ue, kind, peer, mid, token, payload),
            *(CACHED, None, None, now, due),
        )
        shared.store.put_pending(row)
        self._by_ue[ue, kind] = row
        row.waiting = True
        leaves = max(self._schedules[kind].add(now, due, now), self._not_before)
        shared.counters["cached"] += 1
        wait_s = round((leaves - now) / 1000, 1)
        # What becomes of this one becomes of the one that it replaces.
        replaced = None if older is None or older.trace == row.trace else [older.trace]
        named = {"ue": ue, "trace": row.trace, "traces": replaced}
        shared.log.event("cached", what=kind, leaves_in_s=wait_s, **named)
        return interim(ue, max(leaves - now, 0) // 1000 + 1)

    def supersede(
        self, ue: str, now: int, but: str | None = None, received_until_ms: int | None = None
    ) -> None:
        """A later request of this UE counts: refuse its cached ones of another kind than `but`.

        received_until_ms: only those that came until then.
        """
        for kind in _KINDS:
            row = self._by_ue.get((ue, kind))
            if kind == but or row is None or row.in_flight:
                continue
            if received_until_ms is None or row.received_ms <= received_until_ms:
                self._finish(row, False, gaps.CAUSE_SUPERSEDED, now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times = [self.teller.next_deadline()]
        if self._under_way is None:
            sending = [schedule.due_at() for schedule in self._schedules.values()]
            sending += [self.refreshes.next_deadline(), 0 if self._alone else None]
            times += [max(one, self._not_before) for one in sending if one is not None]
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Tell UEs again that did not answer, and send the bulk request that is due."""
        self.teller.poll(now)
        if self._under_way is not None or now < self._not_before:
            return
        while self._alone:
            if self._send_alone(self._alone.pop(0), now):
                return
        for kind in _KINDS:
            due = self._schedules[kind].due_at()
            if due is not None and now >= due:
                self._leave(kind, now)
                if self._under_way is not None:
                    return
        due = self.refreshes.next_deadline()
        if due is not None and now >= due:
            self._leave(n.REG, now)

    def answered(self, bulk: BulkRequest, code: int, payload: bytes, now: int) -> None:
        """Split the server's answer into one result per UE (6.3.4.3.3 a, 6.3.4.3.6 a)."""
        if not self._is_current(bulk):
            return
        if code in _BAD_CONTENT:
            self._rejected(bulk, code, payload, now)
            return
        try:
            if code >= coap.BAD_REQUEST:
                raise BadMessage("", _error(code, payload))
            entries = parse_answer(payload).entries
            if entries is None:
                raise BadMessage("", "the answer to a bulk request has no list")
        except BadMessage as problem:
            self.failed(bulk, str(problem), now)
            return
        self._done()
        results: dict[str, Answer] = {entry.ue_service_id: entry for entry in entries}
        for row in bulk.rows:
            row.in_flight = False
            entry = results.pop(row.ue, None)
            if entry is None or entry.result is None:
                self._keep(row, gaps.CAUSE_NO_ANSWER, now)
                continue
            if row.kind == n.REG and entry.result:
                self.refreshes.note(
                    *(row.ue, row.peer, row.token, row.payload), *(entry.lifetime_s, now)
                )
            elif row.kind == n.REG:
                self._shared.store.drop_registered(row.ue)
            self._finish(row, entry.result, entry.cause, now)
        for refreshed in bulk.refreshes:
            self.refreshes.answered(refreshed, results.pop(refreshed.ue, None), now)
        for ue in results:
            self._shared.counters["stray_answers"] += 1
            self._shared.log.event("dropped", ue=ue, reason="an answer without a request")

    def failed(self, bulk: BulkRequest, reason: str, now: int) -> None:
        """The server did not answer: everything stays cached and is sent again later."""
        if not self._is_current(bulk):
            return
        self._under_way = None
        self._shared.server_answered(False, reason)
        self._not_before = now + self._shared.back_off_ms(self._failures, _LONGEST_PAUSE_MS)
        self._failures += 1
        for row in bulk.rows:
            row.in_flight = False
            self._keep(row, gaps.CAUSE_SERVER_UNREACHABLE, now)
        self.refreshes.postpone(bulk.refreshes, self._not_before)

    def _resume(self, now: int) -> None:
        """After a restart: what is cached leaves at once, what is answered is told again."""
        store = self._shared.store
        for row in list(store.pending.values()):
            if row.state == ANSWERED:
                self.teller.tell(row, now)
                continue
            # Both may have been cached while one of them was under way: the later one counts.
            self.supersede(row.ue, now, but=row.kind)
            older = self._by_ue.pop((row.ue, row.kind), None)
            if older is not None:
                self._unschedule(older)
                store.drop_pending(older)
            self._by_ue[row.ue, row.kind] = row
            self._reschedule(row, now)

    def _leave(self, kind: str, now: int) -> None:
        """Send all cached requests of one kind, and with the registrations the refreshes."""
        forwarding = self._shared.forwarding
        rows = [
            row
            for row in self._by_ue.values()
            if row.kind == kind and row.waiting and row.ue not in forwarding
        ]
        more = len(rows) > MAX_BULK_ENTRIES
        rows = rows[:MAX_BULK_ENTRIES]
        self._schedules[kind].left(len(rows), now if more else now + _HELD_MS)
        for row in rows:
            row.waiting = False
        refreshes = []
        if kind == n.REG:
            refreshes = self.refreshes.take(self._is_busy, MAX_BULK_ENTRIES - len(rows), now)
        if rows or refreshes:
            self._send(BulkRequest(kind, rows, refreshes))

    def _is_busy(self, ue: str) -> bool:
        by_ue = self._by_ue
        return any((ue, kind) in by_ue for kind in _KINDS) or ue in self._shared.forwarding

    def _send(self, bulk: BulkRequest) -> None:
        shared = self._shared
        for row in bulk.rows:
            row.in_flight = True
            if row.kind == n.DEREG:
                # A registration that was under way before may have been noted meanwhile.
                shared.store.drop_registered(row.ue)
        self._under_way = bulk
        payloads = [row.payload for row in bulk.rows] + [row.payload for row in bulk.refreshes]
        build = breg if bulk.kind == n.REG else bulk_dereg
        what = n.BREG if bulk.kind == n.REG else n.DEREG
        shared.counters["bulk_requests"] += 1
        shared.counters["bulk_entries"] += len(payloads)
        token = shared.new_token()
        bulk.trace = of_token(token)
        named = {"ue": shared.gateway_id, "trace": bulk.trace}
        inside = [row.trace for row in bulk.rows]
        counts = {"ues": len(bulk.rows), "refreshes": len(bulk.refreshes) or None}
        shared.log.event("bulk", what=what, traces=inside, **counts, **named)
        detail = f"{len(payloads)} UE" + "s" * (len(payloads) > 1)
        payload = build(shared.gateway_id, shared.service_id, payloads)
        shared.north(bulk, what, payload, token, detail=detail, **named)

    def _send_alone(self, bulk: BulkRequest, now: int) -> bool:
        """Send one request out of a rejected bulk request, unless it is no longer wanted."""
        for row in bulk.rows:
            if self._by_ue.get((row.ue, row.kind)) is not row:
                return False
            if row.ue in self._shared.forwarding:
                self._reschedule(row, now + _HELD_MS)
                return False
        for refresh in bulk.refreshes:
            if self._is_busy(refresh.ue):
                self.refreshes.postpone([refresh], now + self._interval_ms)
                return False
            if self._shared.store.registered.get(refresh.ue) is not refresh:
                return False
        self._send(bulk)
        return True

    def _is_current(self, bulk: BulkRequest) -> bool:
        """Tell whether this is the bulk request under way, not one of before a store failure."""
        if bulk is self._under_way:
            return True
        self._shared.counters["late_answers"] += 1
        return False

    def _done(self) -> None:
        self._under_way = None
        self._failures = 0
        self._not_before = 0
        self._shared.server_answered(True)

    def _rejected(self, bulk: BulkRequest, code: int, payload: bytes, now: int) -> None:
        """The server took offence at the content: find the bad entry by sending one at a time."""
        self._done()
        reason = _error(code, payload)
        self._shared.counters["bulk_rejected"] += 1
        self._shared.log.event("bulk-rejected", ues=len(bulk.ues), reason=reason)
        for row in bulk.rows:
            row.in_flight = False
        if len(bulk.rows) + len(bulk.refreshes) > 1:
            self._alone += [BulkRequest(bulk.kind, [row], []) for row in bulk.rows]
            self._alone += [BulkRequest(bulk.kind, [], [row]) for row in bulk.refreshes]
            return
        for row in bulk.rows:
            self._finish(row, False, reason, now)
        for refresh in bulk.refreshes:
            self.refreshes.refused(refresh, reason, now)

    def _keep(self, row: Pending, cause: str, now: int) -> None:
        """A request that came back without a result stays cached until its lifetime ends."""
        other = n.DEREG if row.kind == n.REG else n.REG
        later = self._by_ue.get((row.ue, other))
        if self._by_ue.get((row.ue, row.kind)) is not row:
            self._shared.store.drop_pending(row)
        elif later is not None and later.id > row.id:
            self._finish(row, False, gaps.CAUSE_SUPERSEDED, now)
        elif now - row.received_ms >= self._lifetime_ms:
            self._finish(row, False, cause, now)
        else:
            self._reschedule(row, max(now + self._interval_ms, self._not_before))

    def _reschedule(self, row: Pending, until_ms: int) -> None:
        row.waiting = True
        self._schedules[row.kind].back(until_ms)

    def _unschedule(self, row: Pending) -> None:
        if row.waiting:
            row.waiting = False
            self._schedules[row.kind].remove()

    def _finish(self, row: Pending, result: bool, cause: str | None, now: int) -> None:
        """The final result of a cached request: onto disk, then to the UE."""
        self._unschedule(row)
        if self._by_ue.get((row.ue, row.kind)) is not row:
            # The UE has sent it again since; the newer one gets its own result.
            self._shared.store.drop_pending(row)
            return
        del self._by_ue[row.ue, row.kind]
        row.state, row.result, row.cause = ANSWERED, result, cause
        self._shared.store.put_pending(row)
        self._shared.counters["answered"] += 1
        told = {"what": row.kind, "result": result, "cause": cause}
        self._shared.log.event("answered", ue=row.ue, trace=row.trace, **told)
        self.teller.tell(row, now)


def _error(code: int, payload: Any) -> str:
    text = bytes(payload[:80]).decode(errors="replace")
    return f"{code_text(code)} {text}".strip()
