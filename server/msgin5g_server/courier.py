"""Deliveries on their way: one mailbox per recipient, in order of priority and arrival.

One delivery of a mailbox is under way at a time, so that the order holds. Who cannot be reached
gets a few attempts, then what asked for store and forward waits, and the rest is discarded.
"""

import heapq
import zlib
from collections import Counter, deque
from collections.abc import Iterator
from itertools import islice
from typing import Protocol

from msgin5g import coap, gaps
from msgin5g.codes import code_text
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import Delivery, MessageStore

MAX_AT_A_PEER = 16
MAX_STORED = 200_000
MAX_STORED_OF_ONE = 1_000
ATTEMPTS = 3
_PAUSE_MS = 2_000
_ASLEEP_MS = 60_000
# Over HTTP nobody registers again when they are back: pauses up to 16 minutes, not for ever.
_ASLEEP_DOUBLES = 4
_RANKS = 3
# As many of a mailbox as may travel in one aggregate.
_PACKED = 16


class Postman(Protocol):
    """What the courier asks of the part that knows messages."""

    def route(self, recipient: str, now: int) -> str | None:
        """Return where a recipient is reached, "host:port", or None."""

    def opens_at(self, recipient: str, now: int) -> int | None:
        """Return when it wants to be reached: `now`, later, or None for never again."""

    def wakes_until(self, recipient: str, now: int) -> int:
        """Have a recipient woken up; return until when what waits for it has hope, or 0."""

    def pack(self, recipient: str, waiting: list[Delivery]) -> tuple[list[Delivery], bytes]:
        """Return which of the deliveries to send now, and the payload that carries them."""

    def deferred(self, delivery: Delivery) -> None:
        """Hear that a delivery waits for its recipient."""

    def discarded(self, delivery: Delivery, cause: str) -> None:
        """Hear that a delivery is given up."""


class Attempt:
    """Deliveries that travel in one POST to one recipient, or in one notification.

    observe: the notification's number, left_ms: how long its subscription lasts; None for a POST.
    is_cause: the text of a refusal is that of another Server, which asked the recipient or not.
    """

    __slots__ = ("recipient", "peer", "batch", "observe", "left_ms", "is_cause")

    def __init__(self, recipient: str, peer: str, batch: list[Delivery]) -> None:
        self.recipient = recipient
        self.peer = peer
        self.batch = batch
        self.observe: int | None = None
        self.left_ms: int | None = None
        self.is_cause = False


class Mailbox:
    """What waits for one recipient, by rank, and what is at its expiration and goes first.

    asleep: it was not to be reached lately; held: up to which delivery it was said that it waits.
    """

    __slots__ = ("queues", "last", "attempt", "failures", "not_before", "asleep", "held")

    def __init__(self) -> None:
        self.queues: list[deque[Delivery]] = [deque() for _ in range(_RANKS)]
        self.last: deque[Delivery] = deque()
        self.attempt: Attempt | None = None
        self.failures = 0
        self.not_before = 0
        self.asleep = False
        self.held = 0

    def has_room(self) -> bool:
        """Tell whether another one may wait; if it is close, those that are done are let go."""
        if sum(len(queue) for queue in self.queues) >= MAX_STORED_OF_ONE:
            self.queues = [deque(one for one in queue if not one.is_done) for queue in self.queues]
        return sum(len(queue) for queue in self.queues) < MAX_STORED_OF_ONE

    def __iter__(self) -> Iterator[Delivery]:
        for one in self.last:
            if not one.is_done:
                yield one
        for queue in self.queues:
            for one in queue:
                if not one.is_done and not one.is_last:
                    yield one

    def first(self) -> Delivery | None:
        """Return the next one, or None; those that are done are let go."""
        for queue in (self.last, *self.queues):
            while queue and queue[0].is_done:
                queue.popleft()
        return next(iter(self), None)


class Courier:
    """Bring deliveries to their recipients. `out` holds (attempt, payload) to POST."""

    def __init__(self, store: MessageStore, postman: Postman, counters: Counter[str]) -> None:
        self._store = store
        self._postman = postman
        self._counters = counters
        self.out: list[tuple[Attempt, bytes]] = []
        self._boxes: dict[str, Mailbox] = {}
        self._ready: dict[str, None] = {}
        self._timers: list[tuple[int, str]] = []
        self._expiry: list[tuple[int, int]] = []
        self._at_peer: Counter[str] = Counter()
        self._parked: dict[str, dict[str, None]] = {}

    def start(self) -> None:
        """Take up what the store holds."""
        self._boxes.clear()
        self._ready.clear()
        for delivery in self._store.deliveries.values():
            self._put(delivery)
            # Its sender was told before the restart, if it had to wait.
            self._boxes[delivery.recipient].held = delivery.id

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("stored", len(self._store), MAX_STORED)

    def has_room(self, recipients: int) -> bool:
        """Tell whether so many more deliveries can be taken."""
        return len(self._store) + recipients <= MAX_STORED

    def is_full(self, recipient: str) -> bool:
        """Tell whether a recipient has as much waiting as one may have."""
        box = self._boxes.get(recipient)
        return box is not None and not box.has_room()

    def take(self, delivery: Delivery, now: int) -> None:
        """Take a new delivery: it leaves at the next `poll` if its recipient can be reached."""
        self._put(delivery)
        box = self._boxes[delivery.recipient]
        if box.asleep and not delivery.store:
            # Nobody knows until it is tried.
            box.not_before = now

    def wake(self, recipient: str, now: int) -> None:
        """The recipient, or the gateway that it is behind, has just registered."""
        box = self._boxes.get(recipient)
        if box is not None:
            attempt = box.attempt
            if attempt is not None and self._postman.route(recipient, now) != attempt.peer:
                # Nobody is there any more to answer it.
                box.attempt = None
            box.failures = box.not_before = box.held = 0
            box.asleep = False
            self._ready[recipient] = None

    def look_at(self, recipient: str) -> None:
        """Something about a recipient has changed: the next `poll` decides again."""
        if recipient in self._boxes:
            self._ready[recipient] = None

    def withdraw(self, recipient: str, destination: tuple[str, str], cause: str) -> None:
        """Discard what waits for a recipient because of a destination that it has left.

        What is under way may still arrive.
        """
        box = self._boxes.get(recipient)
        if box is None:
            return
        under_way = box.attempt.batch if box.attempt is not None else []
        for delivery in list(box):
            if delivery not in under_way and delivery.body.message.destination == destination:
                self._discard(delivery, cause)
        self._ready[recipient] = None

    def recipients(self) -> list[str]:
        """Return everybody for whom something waits."""
        return list(self._boxes)

    def waiting(self, recipient: str) -> int:
        """Return how much waits for a recipient."""
        box = self._boxes.get(recipient)
        return sum(1 for _ in box) if box is not None else 0

    def stored(self) -> int:
        """Return how much waits for all of them."""
        return len(self._store)

    def is_unreachable(self, recipient: str) -> bool:
        """Tell whether the last attempt to reach a recipient failed."""
        box = self._boxes.get(recipient)
        return box is not None and (box.asleep or box.failures > 0)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        if self._ready:
            return 0
        times = [heap[0][0] for heap in (self._timers, self._expiry) if heap]
        return min(times, default=None)

    def poll(self, now: int) -> None:
        """Send what can be sent, end what has expired."""
        while self._expiry and self._expiry[0][0] <= now:
            _, number = heapq.heappop(self._expiry)
            delivery = self._store.deliveries.get(number)
            if delivery is not None:
                self._expire(delivery)
        while self._timers and self._timers[0][0] <= now:
            _, recipient = heapq.heappop(self._timers)
            if recipient in self._boxes:
                self._ready[recipient] = None
        while self._ready:
            recipient, _ = self._ready.popitem()
            self._serve(recipient, now)

    def answered(self, attempt: Attempt, code: int, text: str, now: int) -> None:
        """The recipient, its gateway or its Server answered."""
        box, is_current = self._end(attempt)
        if code < coap.BAD_REQUEST:
            for delivery in attempt.batch:
                self._store.drop_delivery(delivery)
                self._counters["delivered"] += 1
            if box is not None:
                box.failures = box.not_before = 0
                box.asleep = False
        elif not is_current:
            return
        elif code == coap.NOT_FOUND or code >= coap.INTERNAL_ERROR:
            self._unavailable(attempt, text or code_text(code), now)
        else:
            cause = f"{gaps.CAUSE_RECIPIENT_REFUSED}: {text}".rstrip(": ")
            for delivery in attempt.batch:
                # Others' words are no names for counters.
                counted = gaps.CAUSE_RECIPIENT_REFUSED
                self._discard(delivery, text if attempt.is_cause else cause, counted)

    def failed(self, attempt: Attempt, reason: str, now: int) -> None:
        """Nobody answered."""
        if self._end(attempt)[1]:
            self._unavailable(attempt, reason, now)

    def _put(self, delivery: Delivery) -> None:
        box = self._boxes.get(delivery.recipient)
        if box is None:
            box = self._boxes[delivery.recipient] = Mailbox()
        box.queues[delivery.rank].append(delivery)
        self._ready[delivery.recipient] = None
        heapq.heappush(self._expiry, (delivery.expires_ms, delivery.id))

    def _serve(self, recipient: str, now: int) -> None:
        box = self._boxes.get(recipient)
        if box is None or box.attempt is not None:
            return
        first = box.first()
        if first is None:
            del self._boxes[recipient]
            return
        if now < box.not_before and not first.is_last:
            heapq.heappush(self._timers, (box.not_before, recipient))
            return
        peer = self._postman.route(recipient, now)
        opens = self._postman.opens_at(recipient, now) if peer else None
        if peer is None or (opens is None or opens > now) and not first.is_last:
            self._hold(recipient, box, opens, now)
            return
        if self._at_peer[peer] >= MAX_AT_A_PEER:
            self._parked.setdefault(peer, {})[recipient] = None
            return
        batch, payload = self._postman.pack(recipient, list(islice(box, _PACKED)))
        box.attempt = Attempt(recipient, peer, batch)
        self._at_peer[peer] += 1
        self._counters["attempts"] += 1
        self.out.append((box.attempt, payload))

    def _hold(self, recipient: str, box: Mailbox, opens: int | None, now: int) -> None:
        """Not now: what is stored waits, the rest is discarded."""
        held = box.held
        hope = self._postman.wakes_until(recipient, now) if opens is None else 0
        for delivery in list(box):
            box.held = max(box.held, delivery.id)
            if delivery.is_last:
                self._discard(delivery, gaps.CAUSE_EXPIRED)
            elif not delivery.store:
                if hope <= now:
                    self._discard(delivery, gaps.CAUSE_UNAVAILABLE)
            elif delivery.id > held:
                self._postman.deferred(delivery)
        if hope > now:
            heapq.heappush(self._timers, (hope, recipient))
        if opens is not None and opens > now:
            box.not_before = opens
            heapq.heappush(self._timers, (opens, recipient))

    def _unavailable(self, attempt: Attempt, reason: str, now: int) -> None:
        box = self._boxes.get(attempt.recipient)
        if box is None:
            return
        for delivery in attempt.batch:
            if delivery.is_last:
                self._discard(delivery, gaps.CAUSE_EXPIRED)
        box.failures += 1
        if box.failures < ATTEMPTS and not box.asleep:
            box.not_before = now + _spread(_PAUSE_MS << box.failures - 1, attempt, now)
        else:
            box.asleep = True
            grown = min(box.failures - ATTEMPTS, _ASLEEP_DOUBLES) if "://" in attempt.peer else 0
            box.not_before = now + _spread(_ASLEEP_MS << max(grown, 0), attempt, now)
            self._hold(attempt.recipient, box, None, now)
        self._ready[attempt.recipient] = None

    def _expire(self, delivery: Delivery) -> None:
        """One attempt at the expiration time, then it is over (6.4.1.2.6 c1)."""
        box = self._boxes[delivery.recipient]
        if delivery.is_last:
            return
        delivery.is_last = True
        box.last.append(delivery)
        if box.attempt is not None and delivery in box.attempt.batch:
            return
        self._ready[delivery.recipient] = None

    def _end(self, attempt: Attempt) -> tuple[Mailbox | None, bool]:
        """An attempt is over: its recipient and one that waits for its peer may go on.

        Tells whether it was still the one that counts.
        """
        self._at_peer[attempt.peer] -= 1
        if not self._at_peer[attempt.peer]:
            del self._at_peer[attempt.peer]
        parked = self._parked.get(attempt.peer)
        if parked:
            recipient = next(iter(parked))
            del parked[recipient]
            self._ready[recipient] = None
            if not parked:
                del self._parked[attempt.peer]
        box = self._boxes.get(attempt.recipient)
        if box is None or box.attempt is not attempt:
            return box, False
        box.attempt = None
        self._ready[attempt.recipient] = None
        return box, True

    def _discard(self, delivery: Delivery, cause: str, counted: str | None = None) -> None:
        self._counters["discarded: " + (counted or cause.partition(":")[0])] += 1
        self._store.drop_delivery(delivery)
        self._postman.discarded(delivery, cause)


def _spread(pause_ms: int, attempt: Attempt, now: int) -> int:
    """Return a pause; over HTTP up to a quarter longer, each recipient another bit.

    All that a host which was away is to get would come at the same moment otherwise.
    """
    if "://" not in attempt.peer:
        return pause_ms
    return pause_ms + zlib.crc32(f"{attempt.recipient} {now}".encode()) % (pause_ms // 4)
