"""Who is subscribed to which topic (6.6.3): in memory for reading, on disk for keeps."""

import heapq
import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.limits import MAX_SUBSCRIPTIONS, MAX_SUBSCRIPTIONS_OF_ONE
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_host.log import EventLog
from msgin5g_server.courier import Attempt
from msgin5g_server.message_store import MessageStore

RESET = "reset"
_NOTE = "topic"
# A step of 128 ms: in 256 s far less than half of 24 bits (RFC 7641 4.4).
_STEP_BITS = 7
_OBSERVE_MASK = 0xFFFFFF


class Subscription(NamedTuple):
    """A UE's place in a topic. token: of its observation; expires_ms: since 1970."""

    topic: str
    ue: str
    token: bytes
    expires_ms: int


class Topics:
    """The subscribers of every topic; a topic is there while it has some.

    The subscribers of [[topic]] stay and get POSTs. left: is called with the UE that has left, the
    destination whose messages it is not to get any more, and why.
    """

    def __init__(
        self, settings: Settings, store: MessageStore, counters: Counter[str], log: EventLog
    ) -> None:
        rows = settings.rows.get("topic", ())
        self._fixed: dict[str, list[str]] = {row["topic"]: row["subscribers"] for row in rows}
        self._store = store
        self._counters = counters
        self._log = log
        self.left: Callable[[str, tuple[str, str], str], None] = lambda ue, topic, cause: None
        self._by_topic: dict[str, dict[str, Subscription]] = {}
        self._of_ue: Counter[str] = Counter()
        self._expiry: list[tuple[int, str, str]] = []
        self._count = 0
        self._observe = 0
        self.start()

    def __len__(self) -> int:
        return self._count

    def start(self) -> None:
        """Take up what the store holds."""
        self._by_topic.clear()
        self._of_ue.clear()
        self._expiry.clear()
        self._count = 0
        for key, value in self._store.notes(_NOTE).items():
            ue, _, topic = key.partition("\n")
            fields = json.loads(value)
            token = bytes.fromhex(fields["token"])
            self._add(Subscription(topic, ue, token, fields["expires_ms"]))

    def find(self, topic: str, ue: str, now: int) -> Subscription | None:
        """Return a subscription that has not expired, or None."""
        found = self._by_topic.get(topic, {}).get(ue)
        return found if found is not None and found.expires_ms > now else None

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("subscriptions", self._count, MAX_SUBSCRIPTIONS)

    def is_full(self) -> bool:
        """Tell whether one more subscription would be too many."""
        return self._count >= MAX_SUBSCRIPTIONS

    def has_enough(self, ue: str) -> bool:
        """Tell whether one more subscription of this UE would be too many."""
        return self._of_ue[ue] >= MAX_SUBSCRIPTIONS_OF_ONE

    def put(self, row: Subscription) -> None:
        """Stage a subscription; it replaces that of the same UE to the same topic."""
        known = self._by_topic.get(row.topic, {}).get(row.ue)
        if known is not None:
            self._forget(known)
        self._add(row)
        fields = {"token": row.token.hex(), "expires_ms": row.expires_ms}
        self._store.put_note(_NOTE, f"{row.ue}\n{row.topic}", json.dumps(fields).encode())

    def remove(self, row: Subscription, reason: str) -> None:
        """Stage the end of a subscription."""
        self._forget(row)
        self._store.drop_note(_NOTE, f"{row.ue}\n{row.topic}")
        self._counters["unsubscribed: " + reason] += 1
        self._log.event("unsubscribed", ue=row.ue, topic=row.topic, reason=reason)
        self._tell(row.ue, row.topic)

    def subscribers(self, topic: str) -> list[str] | None:
        """Return the Service IDs that get a topic's messages, None if there is no such topic."""
        if topic not in self._fixed and topic not in self._by_topic:
            return None
        return list(dict.fromkeys([*self._fixed.get(topic, ()), *self._by_topic.get(topic, ())]))

    def mark(self, attempt: Attempt, now: int) -> bytes | None:
        """Make an attempt a notification if the recipient observes; returns the Token."""
        topic = topic_of(attempt)
        row = None if topic is None else self.find(topic, attempt.recipient, now)
        if row is None:
            return None
        attempt.observe = self.next_observe(now)
        attempt.left_ms = row.expires_ms - now
        return row.token

    def unheard(self, attempt: Attempt, reason: str, now: int) -> None:
        """A notification was not acknowledged; Reset: nobody observes any more (RFC 7641 3.6)."""
        topic = topic_of(attempt)
        if attempt.observe is None or topic is None:
            return
        row = self.find(topic, attempt.recipient, now)
        if row is not None and reason == RESET:
            self.remove(row, "reset by the client")
        elif row is None:
            # It left while this was under way.
            self._tell(attempt.recipient, topic)

    def next_observe(self, now: int) -> int:
        """Return the next value of Observe: later is higher, also after a restart."""
        self._observe = max(self._observe + 1, now >> _STEP_BITS)
        return self._observe & _OBSERVE_MASK

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return self._expiry[0][0] if self._expiry else None

    def poll(self, now: int) -> None:
        """End the subscriptions whose time is over."""
        while self._expiry and self._expiry[0][0] <= now:
            expires_ms, topic, ue = heapq.heappop(self._expiry)
            row = self._by_topic.get(topic, {}).get(ue)
            if row is not None and row.expires_ms == expires_ms:
                self.remove(row, "expired")

    def _tell(self, ue: str, topic: str) -> None:
        if ue not in self._fixed.get(topic, ()):
            self.left(ue, (n.TOPIC, topic), gaps.CAUSE_UNSUBSCRIBED)

    def _add(self, row: Subscription) -> None:
        self._by_topic.setdefault(row.topic, {})[row.ue] = row
        self._of_ue[row.ue] += 1
        self._count += 1
        heapq.heappush(self._expiry, (row.expires_ms, row.topic, row.ue))
        if len(self._expiry) > 2 * self._count + 64:
            # Renewals have left their old times behind.
            self._expiry = [
                (one.expires_ms, one.topic, one.ue)
                for rows in self._by_topic.values()
                for one in rows.values()
            ]
            heapq.heapify(self._expiry)

    def _forget(self, row: Subscription) -> None:
        rows = self._by_topic[row.topic]
        del rows[row.ue]
        if not rows:
            del self._by_topic[row.topic]
        self._count -= 1
        self._of_ue[row.ue] -= 1
        if not self._of_ue[row.ue]:
            del self._of_ue[row.ue]


def topic_of(attempt: Attempt) -> str | None:
    """Return the topic of what an attempt carries, None for anything but topic messages."""
    message = attempt.batch[0].body.message
    if message.msg_type != n.MSG or message.destination[0] != n.TOPIC:
        return None
    return str(message.destination[1])
