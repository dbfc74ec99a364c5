"""Messages of UEs to the server (MSGin5G-6 to MSGin5G-1), unchanged, and its answer back.

One message of each UE is at the server at a time, the others wait their turn. While the server
cannot be reached or does not know the gateway, and while older messages of the same UE wait there,
they go into the outbox.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.message import Message
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.outbox import Outbox
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.traffic import FULL, KEPT, PASSED_ON, UP
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import named_of

MAX_RELAYS = 1_000
MAX_RELAYS_OF_ONE = 16
RELAY_TIMEOUT_MS = 20_000


class Relay:
    """A message for the server; `answer` hears of the outcome, once.

    token: of the UE's own request; until_ms: when the gateway stops waiting for the server.
    """

    def __init__(
        self, ue: str, peer: str, token: bytes, payload: bytes, message: Message, now: int
    ) -> None:
        self.ue = ue
        self.peer = peer
        self.token = token
        self.payload = payload
        self.kind: str = message.msg_type
        self.message_id: str = message.message_id or message.set_id
        # Its fields in logs.
        self.named: dict[str, Any] = named_of(message)
        self.report: bool = message.msg_type == n.MSG and wants_report(message)
        self.received_ms = now
        self.until_ms = now + RELAY_TIMEOUT_MS

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        """Take the server's answer, 2.04 of the outbox, or the gateway's own 5.03."""
        raise NotImplementedError

    def unanswered(self) -> list[Any]:
        """Return every CoAP request that waits for this."""
        raise NotImplementedError


class UeRelay(Relay):
    """A message of a UE with an MSGin5G client."""

    def __init__(self, incoming: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self._incoming = incoming

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        fields = {"ue": self.ue, "peer": self.peer, **self.named}
        shared.answer(self._incoming, code, payload, **fields)

    def unanswered(self) -> list[Any]:
        return [self._incoming]


class Uplink:
    """Bring every message to the server or into the outbox, in the order of each UE."""

    def __init__(self, shared: Shared, own: OwnRegistration, outbox: Outbox) -> None:
        self._shared = shared
        self._own = own
        self._outbox = outbox
        self._queues: dict[str, deque[Relay]] = {}
        self._at_server: dict[Relay, None] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("relays", self._count, MAX_RELAYS)

    def take(self, relay: Relay, now: int) -> None:
        """Take a message; its `answer` is called now or later, 20 s after it was sent at most."""
        shared = self._shared
        shared.counters["messages up: " + relay.kind] += 1
        # The server refuses what comes from a gateway that it does not know yet.
        ready = self._own.is_settled and not shared.server_down
        if not ready or self._outbox.has(relay.ue):
            self._keep(relay, now)
            return
        queue = self._queues.get(relay.ue)
        if self._count >= MAX_RELAYS or queue is not None and len(queue) >= MAX_RELAYS_OF_ONE:
            shared.counters["relays_full"] += 1
            shared.traffic.note(UP, relay.kind, FULL)
            text = b"too many messages at once, try again later"
            relay.answer(shared, coap.UNAVAILABLE, text, now)
            return
        self._count += 1
        if queue is None:
            self._queues[relay.ue] = deque([relay])
            self._send(relay, now)
        else:
            queue.append(relay)

    def answered(self, relay: Relay, code: int, payload: bytes, now: int) -> None:
        """Pass the server's answer back as it is."""
        shared = self._shared
        if relay not in self._at_server:
            shared.counters["late_answers"] += 1
            return
        del self._at_server[relay]
        shared.server_answered(True)
        shared.counters["messages passed on"] += 1
        shared.traffic.note(UP, relay.kind, PASSED_ON, now - relay.received_ms)
        self.note_answer(payload, now)
        queue = self._queues[relay.ue]
        queue.popleft()
        self._count -= 1
        relay.answer(shared, code, payload, now)
        if queue:
            self._send(queue[0], now)
        else:
            del self._queues[relay.ue]

    def note_answer(self, payload: bytes, now: int) -> None:
        """The server may not know any more from where the gateway speaks: register again."""
        if gaps.CAUSE_NOT_THE_SENDER.encode() in payload:
            self._own.renew(now)

    def failed(self, relay: Relay, reason: str, now: int) -> None:
        """The server did not answer: this message and those behind it go into the outbox."""
        if relay not in self._at_server:
            return
        del self._at_server[relay]
        self._shared.server_answered(False, reason)
        self._outbox.hold(now)
        for one in self._queues.pop(relay.ue):
            self._count -= 1
            self._keep(one, now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return next(iter(self._at_server)).until_ms if self._at_server else None

    def poll(self, now: int) -> None:
        """Do not wait for the server any longer than `until_ms`."""
        while self._at_server:
            oldest = next(iter(self._at_server))
            if now < oldest.until_ms:
                break
            self.failed(oldest, "no answer in time", now)

    def unanswered(self) -> list[Any]:
        """Return every CoAP request that waits for the server."""
        relays = (one for queue in self._queues.values() for one in queue)
        return [incoming for relay in relays for incoming in relay.unanswered()]

    def _send(self, relay: Relay, now: int) -> None:
        relay.until_ms = now + RELAY_TIMEOUT_MS
        self._at_server[relay] = None
        self._shared.north(relay, relay.kind, relay.payload, ue=relay.ue, **relay.named)

    def _keep(self, relay: Relay, now: int) -> None:
        is_kept = self._outbox.put(relay, now)
        self._shared.traffic.note(UP, relay.kind, KEPT if is_kept else FULL)
        if is_kept:
            relay.answer(self._shared, coap.CHANGED, b"", now)
        else:
            text = b"the server is out of reach and the outbox is full, try again later"
            relay.answer(self._shared, coap.UNAVAILABLE, text, now)


def wants_report(message: Message) -> bool:
    """Tell whether the sender of a message, or of one in an aggregate, wants a report."""
    return any(one.report for one in message.entries or [message])
