"""Applications in their first form: an inbox on disk that they read, and messages that they send.

TS 29.538 has them as Application Servers with an interface of their own.
"""

import uuid
from collections import Counter
from typing import Any, Protocol

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import Message
from msgin5g.moments import format_date_time, parse_date_time
from msgin5g.payload_errors import BadMessage
from msgin5g_server.courier import Courier
from msgin5g_server.message_store import Body, MessageStore
from msgin5g_server.packing import Packer
from msgin5g_server.routes import RouteError, Routes
from msgin5g_server.steps import Steps

_REPORT_RANK = 1
_PRIORITIES = (n.HIGH, n.NORMAL, n.LOW)


class Office(Protocol):
    """What delivers for an application."""

    courier: Courier
    retention_ms: int

    def deliver(self, body: Body, recipients: list[str], now: int) -> None:
        """Give a message to each of its recipients."""

    def enqueue(
        self, body: Body, recipient: str, rank: int, store: bool, expires: int, now: int
    ) -> None:
        """Stage one delivery."""


class Applications:
    """The applications of [[application]]; what they are given and what they send."""

    def __init__(
        self,
        office: Office,
        routes: Routes,
        store: MessageStore,
        packer: Packer,
        counters: Counter[str],
        steps: Steps,
    ) -> None:
        self._office = office
        self._routes = routes
        self._store = store
        self._packer = packer
        self._counters = counters
        self._steps = steps

    def inbox(self, application: str, after: int) -> list[tuple[int, int, bytes]] | None:
        """Return [(id, milliseconds, payload), ...] since `after`, None for no application."""
        if not self._routes.is_application(application):
            return None
        return self._store.inbox(application, after)

    def submit(
        self,
        application: str,
        destination: tuple[str, str],
        payload: str,
        options: dict[str, Any],
        now: int,
    ) -> str:
        """Take a message of an application; returns its Message ID, what it changes is staged.

        options: "report" (bool), "priority", "store_until" (a date-time). Raises BadMessage,
        RouteError.
        """
        try:
            size_bytes = len(payload.encode())
        except UnicodeError:
            raise BadMessage(n.PAYLOAD, "half of a surrogate pair") from None
        if size_bytes > MAX_MESSAGE_BYTES:
            raise BadMessage(n.PAYLOAD, f"at most {MAX_MESSAGE_BYTES} bytes are wanted")
        if destination[0] == n.AS:
            raise BadMessage(n.DEST_ADDR, "an AS writes to no AS")
        message = Message()
        message.msg_type = n.MSG
        message.message_id = str(uuid.uuid4())
        message.origin, message.destination = (n.AS, application), destination
        message.payload = payload
        message.report = options.get("report", False)
        message.priority = options.get("priority", n.NORMAL)
        if message.priority not in _PRIORITIES:
            raise BadMessage(n.PRIORITY, f"one of {', '.join(_PRIORITIES)} is wanted")
        if "store_until" in options:
            message.store = True
            message.expires_ms = parse_date_time(options["store_until"], "store_until")
        recipients = self._routes.recipients(destination, application)
        if not self._office.courier.has_room(len(recipients)):
            raise RouteError(gaps.CAUSE_CONGESTION)
        body = self._store.new_body(application, "", b"", self._packer.whole(message), message)
        self._counters["messages: application"] += 1
        self._steps.received(message, application)
        self._steps.took(message, coap.CHANGED)
        self._office.deliver(body, recipients, now)
        identity: str = message.message_id
        self._store.note_seen(application, identity, 0, message.report)
        return identity

    def notify(self, application: str, ue: str, payload: str, now: int) -> None:
        """Stage a message to a UE that is kept for it. Raises BadMessage, RouteError."""
        until = format_date_time(now + self._office.retention_ms)
        self.submit(application, (n.UE, ue), payload, {"store_until": until}, now)

    def hand_over(self, message: Message, application: str, now: int) -> None:
        """Give a message or report to an application, and its sender the report it asks for."""
        self.tell(application, self._packer.whole(message), now)
        self._counters["delivered"] += 1
        self._steps.handed_over(message, application)
        for one in message.entries or [message]:
            if message.msg_type != n.MSG or not one.report:
                continue
            report = Message()
            report.msg_type = n.IMDN
            report.origin, report.destination = (n.AS, application), message.origin
            report.message_id, report.status = one.message_id, n.SUCCESS
            payload = self._packer.whole(report)
            body = self._store.new_body(application, "", b"", payload, report)
            expires = now + self._office.retention_ms
            self._office.enqueue(body, message.origin[1], _REPORT_RANK, True, expires, now)

    def tell(self, application: str, payload: bytes, now: int) -> None:
        """Put something into an application's inbox; the Server's own has no reader."""
        if application == gaps.GROUP_MANAGEMENT_ID:
            return
        self._store.put_inbox(application, now, payload)
