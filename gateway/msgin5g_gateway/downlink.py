"""Messages of the server to UEs (MSGin5G-1 to MSGin5G-6), unchanged, and the UE's answer back.

One message to each UE is under way at a time (NSTART 1), the others wait in a bounded queue. Who
does not answer within the time of a Confirmable message is not waited for again: what waits behind
is answered 5.04 as well, and the server decides what becomes of it.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgin5g import coap
from msgin5g.names import MSG
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.traffic import DELIVERED, DOWN, FAILED, FULL, UNKNOWN
from msgin5g_host.fill import Fill

NOTICE = "NOTICE"
MAX_DELIVERIES = 1_000
MAX_DELIVERIES_OF_ONE = 16
DELIVERY_TIMEOUT_MS = 90_000
TOO_LARGE = "too large"
_NO_ROOM = "no room"
_RESET = "reset"


class Delivery:
    """A message for a UE; `done` hears of the outcome, once.

    ue: whom it is for; what: Message Type; token: the one to use, or None for a new one; named:
    its fields in logs; is_reset: the UE has answered a notification with Reset.
    """

    is_reset = False

    def __init__(
        self,
        ue: str,
        what: str,
        payload: bytes,
        token: bytes | None = None,
        named: dict[str, Any] | None = None,
    ) -> None:
        self.ue = ue
        self.what = what
        self.payload = payload
        self.token = token
        self.named = named or {}
        self.until_ms = 0

    def send(self, shared: Shared, peer: str) -> None:
        """Send it to a transport identifier."""
        how = (self.payload, self.token, None, self.ue)
        shared.post(self, peer, self.what, *how, **self.named)

    def done(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        """Take the UE's answer, or the gateway's own 4.04, 4.13, 5.03 or 5.04 with a text."""
        raise NotImplementedError

    def unanswered(self) -> list[Any]:
        """Return every request of the server that waits for this."""
        return []


class ServerDelivery(Delivery):
    """A message that the server sent."""

    def __init__(self, incoming: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self._incoming = incoming

    def done(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        shared.north_answer(self._incoming, code, payload, ue=self.ue, **self.named)

    def unanswered(self) -> list[Any]:
        return [self._incoming]


class Downlink:
    """Bring messages to the UEs that have signed up."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._queues: dict[str, deque[Delivery]] = {}
        self._open: dict[Delivery, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("deliveries", len(self._open), MAX_DELIVERIES)

    def take(self, delivery: Delivery, now: int) -> None:
        """Take a message; its `done` is called now or later, after 90 s at the latest."""
        shared = self._shared
        shared.counters["messages down: " + delivery.what] += 1
        ue = delivery.ue
        signup = shared.store.signups.get(ue)
        if signup is None or signup.until_ms <= now:
            shared.counters["deliveries_unknown"] += 1
            shared.traffic.note(DOWN, delivery.what, UNKNOWN)
            delivery.done(shared, coap.NOT_FOUND, b"not signed up at this gateway", now)
            return
        queue = self._queues.get(ue)
        if len(self._open) >= MAX_DELIVERIES or queue and len(queue) >= MAX_DELIVERIES_OF_ONE:
            shared.counters["deliveries_full"] += 1
            shared.traffic.note(DOWN, delivery.what, FULL)
            text = b"too many messages at once, try again later"
            delivery.done(shared, coap.UNAVAILABLE, text, now)
            return
        delivery.until_ms = now + DELIVERY_TIMEOUT_MS
        self._open[delivery] = None
        if queue is None:
            self._queues[ue] = deque([delivery])
            self._send(delivery)
        else:
            queue.append(delivery)

    def answered(self, delivery: Delivery, code: int, payload: bytes, now: int) -> None:
        """The UE answered."""
        if delivery not in self._open:
            self._shared.counters["late_answers"] += 1
            return
        self._shared.counters["deliveries_answered"] += 1
        if code < coap.BAD_REQUEST:
            named = {"ue": delivery.ue, **delivery.named}
            what = MSG if delivery.what == NOTICE else delivery.what
            took_ms = now - delivery.until_ms + DELIVERY_TIMEOUT_MS
            self._shared.log.step("delivered", what=what, ms=took_ms, **named)
            for hear in self._shared.on_delivered:
                hear(took_ms)
        self._end(delivery, code, payload, now)
        self._next(delivery.ue)

    def failed(self, delivery: Delivery, reason: str, now: int) -> None:
        """The UE did not answer, or could not be sent to."""
        if delivery not in self._open:
            return
        if reason == _RESET and delivery.what == NOTICE:
            # The UE is there and observes no longer.
            delivery.is_reset = True
            self._end(delivery, coap.NOT_FOUND, b"", now)
            self._next(delivery.ue)
        elif reason == TOO_LARGE:
            self._end(delivery, coap.TOO_LARGE, b"too large for the link to this UE", now)
            self._next(delivery.ue)
        elif reason == _NO_ROOM:
            self._end(delivery, coap.UNAVAILABLE, b"too many requests to this UE", now)
            self._next(delivery.ue)
        else:
            self._give_up(delivery.ue, reason, now)

    def waiting(self, ue: str) -> int:
        """Return how many messages wait for a UE, the one under way among them."""
        return len(self._queues.get(ue, ()))

    def link_lost(self, peer: str, now: int) -> None:
        """Nobody at this transport identifier is going to answer."""
        for ue in list(self._shared.store.ues_at.get(peer, ())):
            if ue in self._queues:
                self._give_up(ue, "link lost", now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return next(iter(self._open)).until_ms if self._open else None

    def poll(self, now: int) -> None:
        """Answer what the server has waited for long enough."""
        while self._open:
            oldest = next(iter(self._open))
            if now < oldest.until_ms:
                break
            self._give_up(oldest.ue, "no answer in time", now)

    def unanswered(self) -> list[Any]:
        """Return every request of the server that waits here."""
        return [incoming for one in self._open for incoming in one.unanswered()]

    def _send(self, delivery: Delivery) -> None:
        shared = self._shared
        signup = shared.store.signups.get(delivery.ue)
        peer = "" if signup is None else signup.peer
        delivery.send(shared, peer)

    def _next(self, ue: str) -> None:
        queue = self._queues.get(ue)
        if queue:
            self._send(queue[0])

    def _end(self, delivery: Delivery, code: int, payload: bytes, now: int) -> None:
        del self._open[delivery]
        if code < coap.BAD_REQUEST:
            took_ms = now - delivery.until_ms + DELIVERY_TIMEOUT_MS
            self._shared.traffic.note(DOWN, delivery.what, DELIVERED, took_ms)
        else:
            self._shared.traffic.note(DOWN, delivery.what, FAILED)
        queue = self._queues[delivery.ue]
        queue.remove(delivery)
        if not queue:
            del self._queues[delivery.ue]
        delivery.done(self._shared, code, payload, now)

    def _give_up(self, ue: str, reason: str, now: int) -> None:
        """This UE is not there: the one under way and those behind it are 5.04."""
        shared = self._shared
        waiting = self._queues[ue]
        shared.counters["deliveries_failed"] += len(waiting)
        shared.log.event("undelivered", ue=ue, messages=len(waiting), reason=reason)
        for delivery in list(waiting):
            self._end(delivery, coap.GATEWAY_TIMEOUT, b"the UE does not answer", now)
