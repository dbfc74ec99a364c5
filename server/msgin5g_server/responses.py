"""What originators hear of their messages: MSGRESP (6.4.1.2.2), or what TS 29.538 has for it."""

from collections import Counter, OrderedDict
from collections.abc import Iterator
from typing import Protocol

from msgin5g import names as n
from msgin5g.message import Message, msgresp
from msgin5g_host.fill import Fill
from msgin5g_server.applications import Applications
from msgin5g_server.message_store import Body, MessageStore
from msgin5g_server.packing import Packer
from msgin5g_server.routes import Routes
from msgin5g_server.steps import Steps

MAX_TOLD = 10_000
_RANK = 1

# (status, cause) as a MSGRESP has them
Told = tuple[str, str | None]


class Office(Protocol):
    """What delivers a response that is more than one datagram to a client."""

    retention_ms: int

    def enqueue(
        self, body: Body, recipient: str, rank: int, store: bool, expires: int, now: int
    ) -> None:
        """Stage one delivery."""

    def post(self, where: str, payload: bytes, token: bytes) -> None:
        """Stage a POST to a client that nobody waits for."""


class Responses:
    """Tell originators once of each status of a message. `now`: the time of what is handled."""

    def __init__(
        self,
        office: Office,
        routes: Routes,
        store: MessageStore,
        packer: Packer,
        applications: Applications,
        service_id: str,
        counters: Counter[str],
        steps: Steps,
    ) -> None:
        self._office = office
        self._routes = routes
        self._store = store
        self._packer = packer
        self._applications = applications
        self._service_id = service_id
        self._counters = counters
        self._steps = steps
        self._told: OrderedDict[tuple[str, str], Told] = OrderedDict()
        self._listening: set[tuple[str, str]] = set()
        self.now = 0

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("told", len(self._told), MAX_TOLD)

    def listen(self, message: Message) -> None:
        """From here to `told`, what is told of a message is kept for its HTTP answer."""
        self._listening.add((message.origin[1], message.message_id))

    def told(self, message: Message) -> Told | None:
        """Return what its originator hears of a message in the answer to it, or None."""
        key = (message.origin[1], message.message_id)
        self._listening.discard(key)
        return self._told.get(key)

    def tell(self, body: Body, recipient: str, status: str, cause: str | None) -> None:
        """Send MSGRESP once for each status of a message."""
        key = (body.origin, body.message.message_id)
        before = self._told.get(key)
        if before is not None and before[0] == status:
            return
        self._told[key] = (status, cause)
        if len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        where = self._routes.address(body.origin, self.now) or body.source
        self.respond(where, body.token, body.message, recipient, status, cause)

    def respond(
        self,
        where: str,
        token: bytes,
        message: Message,
        recipient: str,
        status: str,
        cause: str | None,
    ) -> None:
        """Send what became of a message to its originator. where: of its client."""
        origin = message.origin
        key = (origin[1], message.message_id)
        if key in self._listening:
            self._told[key] = (status, cause)
            return
        self._counters["responses"] += 1
        link = self._routes.link(origin[1])
        if link is not None and link.kind != n.AS:
            if status == n.FAILURE and message.report:
                self._report(message, recipient, cause)
            return
        self._steps.told(message, where, status, cause)
        payload = msgresp(self._service_id, origin, message.message_id, status, cause)
        if origin[0] != n.AS:
            # It answers an earlier request: same Token (6.1 b).
            self._office.post(where, payload, token)
        elif link is None:
            self._applications.tell(origin[1], payload, self.now)
        else:
            body = self._store.new_body(origin[1], "", b"", payload)
            expires = self.now + self._office.retention_ms
            self._office.enqueue(body, origin[1], _RANK, True, expires, self.now)

    def _report(self, message: Message, recipient: str, cause: str | None) -> None:
        """There is no MSGRESP between Servers: who wanted a report hears of a failure by one."""
        report = Message()
        report.msg_type = n.IMDN
        report.origin, report.destination = (n.UE, recipient), message.origin
        report.message_id, report.status, report.cause = message.message_id, n.FAILURE, cause
        body = self._store.new_body(recipient, "", b"", self._packer.whole(report), report)
        expires = self.now + self._office.retention_ms
        self._office.enqueue(body, message.origin[1], _RANK, True, expires, self.now)
