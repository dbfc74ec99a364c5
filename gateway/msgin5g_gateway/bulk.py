"""Bulk handling (6.3.4.3): cache, send one request upwards, split its answer."""

import heapq
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.errors import BadMessage
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g.registration import Answer, Request, breg, bulk_dereg, interim, parse_answer
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.schedule import Schedule
from msgin5g_gateway.store import ANSWERED, CACHED, Pending, Registered
from msgin5g_gateway.tell import Teller

_KINDS = (n.REG, n.DEREG)
_LONGEST_PAUSE_MS = 30_000
_REFRESH_PERMILLE = 600


class BulkRequest:
    """A bulk request under way: the cached requests and the refreshes that it carries."""

    def __init__(self, kind: str, rows: list[Pending], refreshes: list[Registered]) -> None:
        self.kind = kind
        self.rows = rows
        self.refreshes = refreshes


class BulkHandler:
    """Hold the cached requests, decide when they leave, and bring every UE its own result.

    One bulk request is under way at a time, so that a UE's registration and de-registration
    reach the server in the order in which the UE sent them.
    """

    def __init__(self, shared: Shared, now: int) -> None:
        self.teller = Teller(shared)
        self._shared = shared
        settings = shared.settings
        interval_ms = int(settings["bulk.interval_s"] * 1000)
        self._schedules = {
            kind: Schedule(settings["bulk.max_requests"], interval_ms) for kind in _KINDS
        }
        self._interval_ms = interval_ms
        self._lifetime_ms = int(settings["bulk.pending_lifetime_s"] * 1000)
        self._by_ue: dict[tuple[str, str], Pending] = {}
        self._under_way: BulkRequest | None = None
        self._alone: list[Pending] = []
        self._failures = 0
        self._not_before = 0
        self._refreshes: list[tuple[int, str]] = []
        self._resume(now)

    def cached(self) -> int:
        """Return how many requests wait for a bulk request or its answer."""
        return len(self._by_ue)

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
                shared.store.drop_pending(older)
        self.teller.forget(ue, kind)
        if request.wait_s is None:
            due = now + int(shared.settings["bulk.default_wait_s"] * 1000)
        else:
            due = now + request.wait_s * 1000
        row = Pending(
            *(shared.store.new_id(), ue, kind, peer, mid, token, payload),
            *(CACHED, None, None, now, due),
        )
        shared.store.put_pending(row)
        self._by_ue[ue, kind] = row
        leaves = max(self._schedules[kind].add(now, due, now), self._not_before)
        shared.log.event("cached", ue=ue, what=kind, leaves_in_s=round((leaves - now) / 1000, 1))
        return interim(ue, max(leaves - now, 0) // 1000 + 1)

    def supersede(self, ue: str, now: int, but: str | None = None) -> None:
        """A later request of this UE counts: refuse its cached ones of another kind than `but`."""
        for kind in _KINDS:
            row = self._by_ue.get((ue, kind))
            if kind != but and row is not None and not row.in_flight:
                self._finish(row, False, gaps.CAUSE_SUPERSEDED, now)

    def note_registered(
        self, ue: str, peer: str, token: bytes, payload: bytes, lifetime_s: int | None, now: int
    ) -> None:
        """Remember what refreshes a UE's registration at the server, and when."""
        if lifetime_s is None:
            return
        expires = now + lifetime_s * 1000
        refresh = now + lifetime_s * _REFRESH_PERMILLE
        row = Registered(ue, peer, token, payload, refresh, expires)
        self._shared.store.put_registered(row)
        heapq.heappush(self._refreshes, (refresh, ue))

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times = [self.teller.next_deadline()]
        if self._under_way is None:
            times += [schedule.due_at() for schedule in self._schedules.values()]
            if self._alone:
                times.append(0)
            if self._refreshes:
                times.append(self._refreshes[0][0])
            times = times[:1] + [
                None if one is None else max(one, self._not_before) for one in times[1:]
            ]
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Tell UEs again that did not answer, and send the bulk request that is due."""
        self.teller.poll(now)
        if self._under_way is not None or now < self._not_before:
            return
        while self._alone:
            row = self._alone.pop()
            if self._by_ue.get((row.ue, row.kind)) is row:
                self._send(row.kind, [row], [])
                return
        for kind in _KINDS:
            due = self._schedules[kind].due_at()
            if due is not None and now >= due:
                self._leave(kind, now)
                if self._under_way is not None:
                    return
        if self._refreshes and now >= self._refreshes[0][0]:
            self._leave(n.REG, now)

    def answered(self, bulk: BulkRequest, code: int, payload: bytes, now: int) -> None:
        """Split the server's answer into one result per UE (6.3.4.3.3 a, 6.3.4.3.6 a)."""
        if coap.BAD_REQUEST <= code < coap.INTERNAL_ERROR:
            self._rejected(bulk, code, payload, now)
            return
        try:
            if code >= coap.INTERNAL_ERROR:
                raise BadMessage("", coap.code_text(code) + " " + _text(payload))
            entries = parse_answer(payload).entries
            if entries is None:
                raise BadMessage("", "the answer to a bulk request has no list")
        except BadMessage as problem:
            self.failed(bulk, str(problem), now)
            return
        self._done()
        self._shared.server_answered(True)
        results: dict[str, Answer] = {entry.ue_service_id: entry for entry in entries}
        for row in bulk.rows:
            row.in_flight = False
            entry = results.pop(row.ue, None)
            if entry is None or entry.result is None:
                self._keep(row, gaps.CAUSE_NO_ANSWER, now)
                continue
            if row.kind == n.REG and entry.result:
                lifetime = entry.lifetime_s
                self.note_registered(row.ue, row.peer, row.token, row.payload, lifetime, now)
            elif row.kind == n.DEREG and (
                entry.result or entry.cause == gaps.CAUSE_NOT_REGISTERED
            ):
                self._shared.store.drop_registered(row.ue)
            self._finish(row, entry.result, entry.cause, now)
        for refreshed in bulk.refreshes:
            self._refreshed(refreshed, results.pop(refreshed.ue, None), now)
        for ue in results:
            self._shared.counters["stray_answers"] += 1
            self._shared.log.event("dropped", ue=ue, reason="an answer without a request")

    def failed(self, bulk: BulkRequest, reason: str, now: int) -> None:
        """The server did not answer: everything stays cached and is sent again later."""
        self._done()
        self._shared.server_answered(False, reason)
        self._not_before = now + self._shared.back_off_ms(self._failures, _LONGEST_PAUSE_MS)
        self._failures += 1
        for row in bulk.rows:
            row.in_flight = False
            self._keep(row, gaps.CAUSE_SERVER_UNREACHABLE, now)
        for refresh in bulk.refreshes:
            heapq.heappush(self._refreshes, (self._not_before, refresh.ue))

    def _resume(self, now: int) -> None:
        """After a restart: what is cached leaves at once, what is answered is told again."""
        for row in list(self._shared.store.pending.values()):
            if row.state == ANSWERED:
                self.teller.tell(row, now)
            else:
                older = self._by_ue.get((row.ue, row.kind))
                if older is not None:
                    self._shared.store.drop_pending(older)
                self._by_ue[row.ue, row.kind] = row
                self._schedules[row.kind].postpone(now)
        for registered in self._shared.store.registered.values():
            self._refreshes.append((registered.refresh_ms, registered.ue))
        heapq.heapify(self._refreshes)

    def _leave(self, kind: str, now: int) -> None:
        rows = [row for (_, one), row in self._by_ue.items() if one == kind and not row.in_flight]
        more = len(rows) > MAX_BULK_ENTRIES
        rows = rows[:MAX_BULK_ENTRIES]
        self._schedules[kind].left()
        if more:
            self._schedules[kind].postpone(now)
        refreshes = []
        if kind == n.REG:
            taken = {row.ue for row in rows}
            refreshes = self._due_refreshes(taken, MAX_BULK_ENTRIES - len(rows), now)
        if rows or refreshes:
            self._send(kind, rows, refreshes)

    def _due_refreshes(self, taken: set[str], room: int, now: int) -> list[Registered]:
        """Take the registrations to refresh on behalf of UEs that are still signed up."""
        found: list[Registered] = []
        store = self._shared.store
        while self._refreshes and self._refreshes[0][0] <= now and len(found) < room:
            _, ue = heapq.heappop(self._refreshes)
            row = store.registered.get(ue)
            if row is None or row.refresh_ms > now or ue in taken:
                continue
            taken.add(ue)
            signup = store.signups.get(ue)
            if signup is None or signup.until_ms <= now:
                store.drop_registered(ue)
                self._shared.log.event("dropped", ue=ue, reason="no longer signed up")
            elif (ue, n.DEREG) not in self._by_ue:
                found.append(row)
        return found

    def _send(self, kind: str, rows: list[Pending], refreshes: list[Registered]) -> None:
        shared = self._shared
        for row in rows:
            row.in_flight = True
        self._under_way = BulkRequest(kind, rows, refreshes)
        payloads = [row.payload for row in rows] + [row.payload for row in refreshes]
        build = breg if kind == n.REG else bulk_dereg
        what = n.BREG if kind == n.REG else n.DEREG
        shared.counters["bulk_requests"] += 1
        shared.counters["bulk_entries"] += len(payloads)
        shared.log.event("bulk", what=what, ues=len(rows), refreshes=len(refreshes) or None)
        detail = f"{len(payloads)} UEs"
        payload = build(shared.gateway_id, shared.service_id, payloads)
        shared.north(self._under_way, what, payload, ue=shared.gateway_id, detail=detail)

    def _done(self) -> None:
        self._under_way = None
        self._failures = 0

    def _rejected(self, bulk: BulkRequest, code: int, payload: bytes, now: int) -> None:
        """4.xx for the request as a whole: find the bad entry by sending one at a time."""
        self._under_way = None
        reason = f"{coap.code_text(code)} {_text(payload)}".strip()
        self._shared.server_answered(True)
        self._shared.log.event("bulk-rejected", ues=len(bulk.rows), reason=reason)
        for row in bulk.rows:
            row.in_flight = False
        if len(bulk.rows) + len(bulk.refreshes) > 1:
            self._alone += bulk.rows
            for refresh in bulk.refreshes:
                heapq.heappush(self._refreshes, (now + self._interval_ms, refresh.ue))
            return
        for row in bulk.rows:
            self._finish(row, False, reason, now)
        for refresh in bulk.refreshes:
            self._shared.store.drop_registered(refresh.ue)

    def _keep(self, row: Pending, cause: str, now: int) -> None:
        """A cached request without a result stays cached until its lifetime ends."""
        if now - row.received_ms >= self._lifetime_ms:
            self._finish(row, False, cause, now)
        elif self._by_ue.get((row.ue, row.kind)) is row:
            self._schedules[row.kind].postpone(max(now + self._interval_ms, self._not_before))
        else:
            self._shared.store.drop_pending(row)

    def _finish(self, row: Pending, result: bool, cause: str | None, now: int) -> None:
        """The final result of a cached request: onto disk, then to the UE."""
        if self._by_ue.get((row.ue, row.kind)) is not row:
            # The UE has sent it again since; the newer one gets its own result.
            self._shared.store.drop_pending(row)
            return
        del self._by_ue[row.ue, row.kind]
        row.state, row.result, row.cause = ANSWERED, result, cause
        self._shared.store.put_pending(row)
        self._shared.log.event("answered", ue=row.ue, what=row.kind, result=result, cause=cause)
        self.teller.tell(row, now)

    def _refreshed(self, row: Registered, entry: Answer | None, now: int) -> None:
        store = self._shared.store
        if entry is None or entry.result is None:
            heapq.heappush(self._refreshes, (now + self._interval_ms, row.ue))
            return
        if entry.result:
            self._shared.counters["refreshed"] += 1
            self.note_registered(row.ue, row.peer, row.token, row.payload, entry.lifetime_s, now)
            return
        store.drop_registered(row.ue)
        lost = Pending(
            *(store.new_id(), row.ue, n.REG, row.peer, -1, row.token, row.payload),
            *(ANSWERED, False, entry.cause, now, now),
        )
        store.put_pending(lost)
        self._shared.log.event("registration-lost", ue=row.ue, cause=entry.cause)
        self.teller.tell(lost, now)


def _text(payload: Any) -> str:
    return bytes(payload[:80]).decode(errors="replace")
