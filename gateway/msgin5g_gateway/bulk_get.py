"""Bulk configuration (6.2.3.3): GETs are cached, one bulk GET goes up, its answer is split.

A cached GET is on disk before its interim 2.05 leaves. What it asked for comes as a second
response with its Token and, by policy, its Message ID, Confirmable and repeated until the UE
acknowledges. A client that knows one response a request only answers Reset; the next GET of its
UE ID is then answered at once with what is here.
"""

from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g.codes import code_text
from msgin5g.configuration import bulk_request, parse_answer, request_options
from msgin5g.configuration_requests import answer, interim
from msgin5g.limits import MAX_BULK_ENTRIES
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.message_rows import CachedGet
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.repeats import Repeats
from msgin5g_gateway.schedule import Schedule
from msgin5g_host.fill import Fill

BULK_TIMEOUT_MS = 20_000
# So long after the announced time a UE is told that the server cannot be reached.
GRACE_MS = 10_000
# So long a configuration that its UE did not take waits for another GET.
KEPT_MS = 600_000
_LONGEST_PAUSE_MS = 30_000
_SETTLE_MS = 1_000
_LOOK_MS = 250
_NEVER = 1 << 62
_REFUSALS = {
    coap.FORBIDDEN: b"the server gives this gateway no configurations",
    coap.NOT_FOUND: b"the server has no configuration for this MSGin5G UE ID",
}


class BulkGet:
    """A bulk GET at the server until `until_ms`: the MSGin5G UE IDs that it asks for."""

    def __init__(self, ue_ids: list[str], now: int) -> None:
        self.ue_ids = ue_ids
        self.until_ms = now + BULK_TIMEOUT_MS


class BulkGets:
    """The cached configuration GETs, when they leave, and who is told what.

    One bulk GET is under way at a time. The newest GET of an MSGin5G UE ID counts.
    """

    def __init__(self, shared: Shared, own: OwnRegistration, now: int) -> None:
        settings = shared.settings
        self._shared = shared
        self._own = own
        self._rows = shared.store.configurations
        self._interval_ms = int(settings["bulk.interval_s"] * 1000)
        self._wait_s = -int(-settings["bulk.default_wait_s"] // 1)
        self._copy_mid: bool = settings["gateway.copy_message_id"]
        margin_ms = int(settings["bulk.answer_margin_s"] * 1000)
        self._schedule = Schedule(settings["bulk.max_requests"], self._interval_ms, margin_ms)
        self._repeats = Repeats(self._tell)
        self._under_way: BulkGet | None = None
        self._failures = 0
        self._not_before = 0
        # When the rows have to be looked at for some whose time is over.
        self._look_at = now
        for row in self._rows.values():
            if row.code:
                self._tell(row, now)
            else:
                row.give_up_ms = now + GRACE_MS
                self._schedule.back(now)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("bulk_pending", len(self._rows), self._shared.settings["bulk.max_pending"])

    def ask(self, incoming: Any, ue_id: str, message: coap.Message, peer: str, now: int) -> None:
        """Take a GET that may be cached, and answer it."""
        shared = self._shared
        older = self._rows.get(ue_id)
        if older is not None and older.code == coap.CONTENT:
            # It came before, to a client that had stopped waiting.
            self._end(older)
            shared.counters["configurations_repeated"] += 1
            shared.answer(incoming, coap.CONTENT, older.answer, ue=ue_id, peer=peer)
            return
        if older is None and len(self._rows) >= int(shared.settings["bulk.max_pending"]):
            shared.counters["cache_full"] += 1
            text = b"too many cached requests, try again later"
            shared.answer(incoming, coap.UNAVAILABLE, text, ue=ue_id, peer=peer)
            return
        wait_s = max(self._wait_s, (self._not_before - now) // 1000 + 1)
        request = coap.encode(
            *(message.type, message.code, message.mid, message.token),
            *(message.options, message.payload),
        )
        row = CachedGet(ue_id, peer, request, now, now + wait_s * 1000)
        row.give_up_ms = row.due_ms + GRACE_MS
        if older is not None:
            self._repeats.forget(older)
            shared.counters["replaced"] += 1
        if older is not None and not older.code:
            # It keeps the place of the older one: in the schedule, or at the server.
            row.in_flight = older.in_flight
        else:
            self._schedule.add(now, row.due_ms, now)
        # The oldest GET comes first.
        self._rows.pop(ue_id, None)
        shared.store.put(row)
        self._look_at = min(self._look_at, row.give_up_ms)
        shared.counters["configurations_cached"] += 1
        shared.log.event("cached", ue=ue_id, what="GET", peer=peer, wait_s=wait_s)
        payload = interim(wait_s)
        shared.answer(incoming, coap.CONTENT, payload, ue=ue_id, peer=peer, detail="interim")

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times = [self._repeats.next_deadline(), self._look_at if self._rows else None]
        due = self._schedule.due_at()
        if self._under_way is not None:
            times.append(self._under_way.until_ms)
        elif due is not None:
            times.append(max(due, self._not_before))
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Send the bulk GET that is due, give up what has waited for too long."""
        self._repeats.poll(now)
        under_way = self._under_way
        if under_way is not None and now >= under_way.until_ms:
            self.failed(under_way, "no answer in time", now)
        if now >= self._look_at:
            self._look(now)
        due = self._schedule.due_at()
        if self._under_way is None and due is not None and now >= max(due, self._not_before):
            self._leave(now)

    def answered(self, bulk: BulkGet, code: int, payload: bytes, now: int) -> None:
        """Split the server's answer into one response a UE (6.2.3.3.3)."""
        shared = self._shared
        shared.log.message("rx", "MSGin5G-1", code_text(code), ue=shared.gateway_id)
        if bulk is not self._under_way:
            shared.counters["late_answers"] += 1
            return
        found: dict[str, bytes] = {}
        refusal = coap.NOT_FOUND
        if code == coap.FORBIDDEN and not self._failures:
            # The server may not know any more from where the gateway speaks.
            self._own.renew(now)
            self.failed(bulk, code_text(code), now)
            return
        if code in _REFUSALS:
            refusal = code
        else:
            try:
                if code != coap.CONTENT:
                    raise BadMessage("", code_text(code))
                found = _split(payload, bulk.ue_ids)
            except BadMessage as problem:
                self.failed(bulk, str(problem), now)
                return
        self._under_way = None
        self._failures = self._not_before = 0
        shared.server_answered(True)
        for ue_id in bulk.ue_ids:
            row = self._rows.get(ue_id)
            if row is None or row.code:
                continue
            entry = found.get(ue_id)
            if entry is None:
                self._finish(row, refusal, _REFUSALS[refusal], now)
            else:
                self._finish(row, coap.CONTENT, entry, now)

    def failed(self, bulk: BulkGet, reason: str, now: int) -> None:
        """The server did not answer: all stay cached and are asked for again."""
        if bulk is not self._under_way:
            return
        self._under_way = None
        self._shared.server_answered(False, reason)
        self._not_before = now + self._shared.back_off_ms(self._failures, _LONGEST_PAUSE_MS)
        self._failures += 1
        for ue_id in bulk.ue_ids:
            row = self._rows.get(ue_id)
            if row is not None and row.in_flight:
                row.in_flight = False
                self._schedule.back(self._not_before)

    def acknowledged(self, row: CachedGet) -> None:
        """The UE has what it asked for."""
        self._shared.log.message("rx", "MSGin5G-6", "ACK", ue=row.ue_id, peer=row.peer)
        if self._rows.get(row.ue_id) is row:
            self._shared.counters["configurations_delivered"] += 1
            self._end(row)

    def unanswered(self, row: CachedGet, reason: str, now: int) -> None:
        """The UE did not acknowledge, or answered that it waits no longer."""
        if self._rows.get(row.ue_id) is not row:
            return
        if reason != "reset" and self._repeats.failed(row, reason, now):
            return
        self._shared.counters["configurations_not_taken"] += 1
        self._shared.log.event("not-taken", ue=row.ue_id, peer=row.peer, reason=reason)
        if row.code != coap.CONTENT:
            self._end(row)

    def _look(self, now: int) -> None:
        self._look_at = _NEVER
        for row in list(self._rows.values()):
            if row.code and now >= row.due_ms:
                self._end(row)
            elif not row.code and now >= row.give_up_ms:
                text = gaps.CAUSE_SERVER_UNREACHABLE.encode()
                self._finish(row, coap.GATEWAY_TIMEOUT, text, now)
            else:
                at = row.due_ms if row.code else row.give_up_ms
                self._look_at = min(self._look_at, max(at, now + _LOOK_MS))

    def _leave(self, now: int) -> None:
        if not self._own.is_settled:
            # A server that does not know this gateway yet would refuse.
            self._not_before = now + _SETTLE_MS
            return
        cached = [row for row in self._rows.values() if not row.code and not row.in_flight]
        rows = cached[:MAX_BULK_ENTRIES]
        self._schedule.left(len(rows), now)
        if not rows:
            return
        shared = self._shared
        for row in rows:
            row.in_flight = True
        self._under_way = bulk = BulkGet([row.ue_id for row in rows], now)
        shared.counters["bulk_requests"] += 1
        shared.counters["bulk_entries"] += len(rows)
        shared.log.event("bulk", what="GET", ues=len(rows))
        options = request_options(shared.service_id, has_payload=True)
        payload = bulk_request(bulk.ue_ids)
        shared.north_fetch(bulk, options, payload, detail=f"{len(rows)} UEs")

    def _finish(self, row: CachedGet, code: int, answer: bytes, now: int) -> None:
        """What the UE is told: onto disk, then to the UE."""
        if row.in_flight:
            row.in_flight = False
        else:
            self._schedule.remove()
        row.code, row.answer = code, answer
        row.due_ms = now + KEPT_MS
        self._look_at = min(self._look_at, row.due_ms)
        self._shared.store.put(row)
        self._shared.log.event("answered", ue=row.ue_id, what="GET", code=code_text(code))
        self._tell(row, now)

    def _tell(self, row: CachedGet, now: int) -> None:
        del now
        row.attempts += 1
        mid = row.mid if self._copy_mid else None
        self._shared.answer_late(row, row.peer, row.token, mid, row.code, row.answer, row.ue_id)

    def _end(self, row: CachedGet) -> None:
        self._repeats.forget(row)
        self._shared.store.drop(row)


def _split(payload: bytes, ue_ids: list[str]) -> dict[str, bytes]:
    """Return what each UE is told (6.2.3.3.3 a). Raises BadMessage.

    An entry without MSGin5G UE ID counts by its place, if there is one for each that was asked.
    """
    entries = parse_answer(payload).entries
    if entries is None:
        raise BadMessage("", "the answer to a bulk request has no list")
    found = {}
    for at, entry in enumerate(entries):
        ue_id = entry.ue_id
        if ue_id is None and len(entries) == len(ue_ids):
            ue_id = ue_ids[at]
        if ue_id is not None:
            found[ue_id] = answer(entry)
    return found
