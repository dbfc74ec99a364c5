"""Messages that wait on disk until the server can be reached again.

A message in here was answered 2.04. When the server is back they leave at a pace, in order, one of
each UE at a time, the UEs in turn. The outbox is bounded: what comes when it is full is refused,
so that nothing acknowledged is dropped for what came later; what is too old is dropped, the
oldest first, counted and logged.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

from msgin5g import coap
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.message_rows import Kept
from msgin5g_gateway.own import OwnRegistration
from msgin5g_host.fill import Fill

_TIMEOUT_MS = 20_000
_LONGEST_PAUSE_MS = 30_000
_LONGEST_PAUSE_OF_ONE_MS = 300_000
_REGISTERING_MS = 2_000


class Outgoing(Protocol):
    """What `put` needs to know of a message; see `uplink.Relay`."""

    ue: str
    peer: str
    token: bytes
    payload: bytes
    kind: str
    message_id: str
    report: bool


class Resent:
    """A message of the outbox at the server until `until_ms`."""

    def __init__(self, row: Kept, now: int) -> None:
        self.row = row
        self.ue = row.ue
        self.named = {"trace": row.message_id}
        self.until_ms = now + _TIMEOUT_MS


class Outbox:
    """Keep messages and bring them to the server.

    refused(row, now): hears of a message that the server refused and whose sender wanted a report;
    the row stays until it is taken out with `drop`. resent(row): a message leaves.
    """

    def __init__(
        self,
        shared: Shared,
        own: OwnRegistration,
        refused: Callable[[Kept, int], None],
        resent: Callable[[Kept], None],
    ) -> None:
        settings = shared.settings
        self._shared = shared
        self._store = shared.store
        self._own = own
        self._refused = refused
        self._resent = resent
        self._max: int = settings["outbox.max_messages"]
        self._max_age_ms = int(settings["outbox.max_age_s"] * 1000)
        self._gap_ms = 1000 / settings["outbox.per_second"]
        self._queues: dict[str, deque[Kept]] = {}
        self._held: set[tuple[str, bytes]] = set()
        self._ready: dict[str, None] = {}
        self._later: list[tuple[int, str]] = []
        self._under_way: dict[str, Resent] = {}
        self._failures = 0
        self._failures_of: dict[str, int] = {}
        self._not_before = 0
        self._next_at = 0.0
        for row in self._store.outbox.values():
            if row.cause is None:
                self._queue(row)

    def __len__(self) -> int:
        return len(self._store.outbox)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("outbox_messages", len(self), self._max)

    def has(self, ue: str) -> bool:
        """Tell whether messages of this UE wait for the server."""
        return ue in self._queues

    def kept_of(self, ue: str) -> int:
        """Return how many messages of a UE wait for the server."""
        return len(self._queues.get(ue, ()))

    def hold(self, now: int) -> None:
        """The server has just failed to answer: leave it alone for a growing pause."""
        if now < self._not_before:
            return  # several messages were on their way when it fell silent
        self._not_before = now + self._shared.back_off_ms(self._failures, _LONGEST_PAUSE_MS)
        self._failures += 1

    def put(self, message: Outgoing, now: int) -> bool:
        """Stage a message; tells whether there was room. A repeated one is kept once."""
        shared = self._shared
        if (message.ue, message.payload) in self._held:
            shared.counters["outbox_repeated"] += 1
            return True
        if len(self) >= self._max:
            shared.counters["outbox_full"] += 1
            shared.log.event("outbox-full", ue=message.ue, what=message.kind)
            return False
        row = Kept(
            *(self._store.new_id(), message.ue, message.peer, message.kind, message.token),
            *(message.payload, message.message_id, message.report, now),
        )
        self._store.put(row)
        self._queue(row)
        shared.counters["outbox_kept"] += 1
        named = {"ue": row.ue, "message": row.message_id, "trace": row.message_id}
        shared.log.event("kept", what=row.kind, **named)
        return True

    def drop(self, row: Kept) -> None:
        """Stage the end of a message; it may be any of the outbox."""
        self._store.drop(row)
        self._leave_queue(row)

    def answered(self, sent: Resent, code: int, payload: bytes, now: int) -> None:
        """The server's answer to a message of the outbox."""
        row = sent.row
        if self._under_way.get(row.ue) is not sent:
            self._shared.counters["late_answers"] += 1
            return
        del self._under_way[row.ue]
        self._shared.server_answered(True)
        self._failures = 0
        if row.id not in self._store.outbox:
            # Too old by now, and dropped.
            self._continue(row.ue)
        elif code >= coap.INTERNAL_ERROR:
            failures = self._failures_of.get(row.ue, 0)
            self._failures_of[row.ue] = failures + 1
            pause = self._shared.back_off_ms(failures, _LONGEST_PAUSE_OF_ONE_MS)
            heapq.heappush(self._later, (now + pause, row.ue))
        elif code >= coap.BAD_REQUEST:
            self._refuse(row, bytes(payload[:80]).decode(errors="replace"), code, now)
            self._continue(row.ue)
        else:
            self._shared.counters["outbox_sent"] += 1
            named = {"ue": row.ue, "trace": row.message_id}
            self._shared.log.step("drained", what=row.kind, **named)
            self.drop(row)
            self._continue(row.ue)

    def failed(self, sent: Resent, reason: str, now: int) -> None:
        """The server did not answer: it is asked again after a growing pause."""
        ue = sent.row.ue
        if self._under_way.get(ue) is not sent:
            return
        del self._under_way[ue]
        self._shared.server_answered(False, reason)
        self.hold(now)
        self._continue(ue)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times: list[float] = [sent.until_ms for sent in self._under_way.values()]
        if self._later:
            times.append(self._later[0][0])
        if self._store.outbox:
            times.append(next(iter(self._store.outbox.values())).received_ms + self._max_age_ms)
        if self._ready and self._may_send():
            down = self._shared.server_down
            times.append(max(self._next_at, self._not_before if down else 0))
        return int(-(-min(times) // 1)) if times else None

    def poll(self, now: int) -> None:
        """Drop what is too old, send what may leave."""
        while self._store.outbox:
            oldest = next(iter(self._store.outbox.values()))
            if now < oldest.received_ms + self._max_age_ms:
                break
            self._shared.counters["outbox_too_old"] += 1
            self._log_drop(oldest, "too old")
            self.drop(oldest)
        for sent in [one for one in self._under_way.values() if now >= one.until_ms]:
            self.failed(sent, "no answer in time", now)
        while self._later and self._later[0][0] <= now:
            self._continue(heapq.heappop(self._later)[1])
        if self._shared.server_down and now < self._not_before:
            return
        self._next_at = max(self._next_at, now)
        while self._ready and self._next_at <= now and self._may_send():
            ue = next(iter(self._ready))
            del self._ready[ue]
            if self._is_registering(ue, now):
                heapq.heappush(self._later, (now + _REGISTERING_MS, ue))
                continue
            self._next_at += self._gap_ms
            self._send(self._queues[ue][0], now)

    def _queue(self, row: Kept) -> None:
        self._held.add((row.ue, row.payload))
        queue = self._queues.get(row.ue)
        if queue is None:
            self._queues[row.ue] = deque([row])
            self._continue(row.ue)
        else:
            queue.append(row)

    def _leave_queue(self, row: Kept) -> None:
        queue = self._queues.get(row.ue)
        if queue is None or row not in queue:
            return
        queue.remove(row)
        self._held.discard((row.ue, row.payload))
        if not queue:
            del self._queues[row.ue]
            self._ready.pop(row.ue, None)
            self._failures_of.pop(row.ue, None)

    def _continue(self, ue: str) -> None:
        """What is left of this UE may leave, after the others had their turn."""
        if ue in self._queues and ue not in self._under_way:
            self._ready[ue] = None

    def _may_send(self) -> bool:
        """Nothing leaves before the gateway has registered again: it would be refused.

        A server that did not answer is asked with one message until it does.
        """
        if not self._own.is_settled:
            return False
        return not (self._shared.server_down and self._under_way)

    def _is_registering(self, ue: str, now: int) -> bool:
        """Tell whether the UE's registration at the server has run out and is being refreshed."""
        row = self._store.registered.get(ue)
        return row is not None and row.expires_ms <= now and self._store.is_served(ue, now)

    def _send(self, row: Kept, now: int) -> None:
        sent = Resent(row, now)
        self._under_way[row.ue] = sent
        self._resent(row)
        how = (row.kind, row.payload)
        self._shared.north(sent, *how, ue=row.ue, trace=row.message_id, detail="outbox")

    def _refuse(self, row: Kept, text: str, code: int, now: int) -> None:
        cause = text or code_text(code)
        self._shared.counters["outbox_refused"] += 1
        self._log_drop(row, f"the server refused it: {cause}")
        if row.kind != n.MSG or not row.report:
            self.drop(row)
            return
        self._leave_queue(row)
        row.cause = cause
        self._store.put(row)
        self._refused(row, now)

    def _log_drop(self, row: Kept, reason: str) -> None:
        named = {"ue": row.ue, "message": row.message_id, "trace": row.message_id}
        self._shared.log.event("dropped", what=row.kind, reason=reason, **named)
