"""Refreshes on behalf of UEs (6.3.4): REGRESP carries no expiration, so the gateway refreshes.

While a UE is signed up to the gateway service, or a device is registered that the gateway speaks
for, the last REG goes into a bulk registration again before the registration at the server ends.
The UE hears of it only when the server refuses; MSGin5G-5 has no message for that.
"""

import heapq
from collections.abc import Callable, Iterator

from msgin5g import names as n
from msgin5g.registration import Answer
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.store import ANSWERED, Pending, Registered
from msgin5g_gateway.tell import Teller
from msgin5g_host.fill import Fill

MAX_REGISTERED = 100_000
_REFRESH_PERMILLE = 600
_SHORTEST_MS = 1_000


class Refreshes:
    """What the server registered through us, and when it is due again."""

    def __init__(self, shared: Shared, teller: Teller, interval_ms: int) -> None:
        self._shared = shared
        self._teller = teller
        self._interval_ms = interval_ms
        self._heap = [(row.refresh_ms, row.ue) for row in shared.store.registered.values()]
        heapq.heapify(self._heap)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("registered", len(self._shared.store.registered), MAX_REGISTERED)

    def note(
        self, ue: str, peer: str, token: bytes, payload: bytes, lifetime_s: int | None, now: int
    ) -> None:
        """Remember what refreshes a UE's registration at the server, and when."""
        store = self._shared.store
        if lifetime_s is None:
            return
        if ue not in store.registered and len(store.registered) >= MAX_REGISTERED:
            self._shared.counters["registered_full"] += 1
            return
        refresh = now + max(lifetime_s * _REFRESH_PERMILLE, _SHORTEST_MS)
        expires = now + lifetime_s * 1000
        store.put_registered(Registered(ue, peer, token, payload, refresh, expires))
        self._push(refresh, ue)

    def wake(self, ue: str, now: int) -> None:
        """The UE has signed up again: refresh what came due in between."""
        row = self._shared.store.registered.get(ue)
        if row is not None and row.refresh_ms <= now:
            self._push(now, ue)

    def postpone(self, rows: list[Registered], until_ms: int) -> None:
        """Try again at `until_ms`."""
        for row in rows:
            self._push(until_ms, row.ue)

    def next_deadline(self) -> int | None:
        """Return when `take` may return something, or None."""
        return self._heap[0][0] if self._heap else None

    def take(self, is_busy: Callable[[str], bool], room: int, now: int) -> list[Registered]:
        """Return the registrations to refresh now, at most `room`.

        is_busy(ue): a request of the UE itself is cached or under way; that one comes first.
        """
        found: dict[str, Registered] = {}
        later: list[Registered] = []
        store = self._shared.store
        while self._heap and self._heap[0][0] <= now and len(found) < room:
            _, ue = heapq.heappop(self._heap)
            row = store.registered.get(ue)
            if row is None or row.refresh_ms > now or ue in found:
                continue
            if not store.is_served(ue, now):
                # It may sign up again while its registration lasts; then `wake` comes.
                if row.expires_ms <= now:
                    store.drop_registered(ue)
                    self._shared.log.event("dropped", ue=ue, reason="no longer signed up")
                else:
                    self._push(row.expires_ms, ue)
            elif is_busy(ue):
                later.append(row)
            else:
                found[ue] = row
        self.postpone(later, now + self._interval_ms)
        return list(found.values())

    def answered(self, row: Registered, entry: Answer | None, now: int) -> None:
        """The server's entry for a refresh, or None if it left it out."""
        if self._shared.store.registered.get(row.ue) is not row:
            return
        if entry is None or entry.result is None:
            self._push(now + self._interval_ms, row.ue)
        elif entry.result:
            self._shared.counters["refreshed"] += 1
            self.note(row.ue, row.peer, row.token, row.payload, entry.lifetime_s, now)
        else:
            self.refused(row, entry.cause, now)

    def refused(self, row: Registered, cause: str | None, now: int) -> None:
        """The server no longer takes the UE: tell it with the Token of its last REG."""
        store = self._shared.store
        store.drop_registered(row.ue)
        self._shared.counters["registrations_lost"] += 1
        self._shared.log.event("registration-lost", ue=row.ue, cause=cause)
        if row.ue in store.device_of:
            return
        lost = Pending(
            *(store.new_id(), row.ue, n.REG, row.peer, -1, row.token, row.payload),
            *(ANSWERED, False, cause, now, now),
        )
        store.put_pending(lost)
        self._teller.tell(lost, now)

    def _push(self, at: int, ue: str) -> None:
        heapq.heappush(self._heap, (at, ue))
        if len(self._heap) > 2 * len(self._shared.store.registered) + 64:
            # Newer entries for the same UE have left older ones behind.
            soonest: dict[str, int] = {}
            for when, one in self._heap:
                row = self._shared.store.registered.get(one)
                if row is not None and when >= row.refresh_ms:
                    soonest[one] = min(when, soonest.get(one, when))
            self._heap = [(when, one) for one, when in soonest.items()]
            heapq.heapify(self._heap)
