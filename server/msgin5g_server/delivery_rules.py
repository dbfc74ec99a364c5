"""What the courier asks: where, when, as what; and who hears of it (6.4.1.2.6)."""

from msgin5g import names as n
from msgin5g_host.log import EventLog
from msgin5g_server import availability
from msgin5g_server.message_store import Delivery
from msgin5g_server.network import Network
from msgin5g_server.packing import Packer
from msgin5g_server.responses import Responses
from msgin5g_server.routes import Routes
from msgin5g_server.steps import Steps


class DeliveryRules:
    """The Postman of a Courier."""

    def __init__(
        self,
        routes: Routes,
        packer: Packer,
        responses: Responses,
        network: Network,
        log: EventLog,
        steps: Steps,
    ) -> None:
        self._routes = routes
        self._packer = packer
        self._responses = responses
        self._network = network
        self._log = log
        self._steps = steps

    def route(self, recipient: str, now: int) -> str | None:
        """Return where a recipient is reached."""
        return self._routes.address(recipient, now)

    def opens_at(self, recipient: str, now: int) -> int | None:
        """Return when a recipient wants to be reached."""
        return availability.opens_at(self._routes.profile(recipient), now)

    def wakes_until(self, recipient: str, now: int) -> int:
        """Have a recipient that cannot be reached woken up; return until when that may take."""
        if self._routes.link(recipient) is not None:
            return 0
        return self._network.wake(recipient, self._routes.address(recipient, now) is not None, now)

    def pack(self, recipient: str, waiting: list[Delivery]) -> tuple[list[Delivery], bytes]:
        """Return what travels together now, and as which payload."""
        if self._routes.link(recipient) is not None:
            return waiting[:1], b""
        return self._packer.pack(recipient, waiting)

    def deferred(self, delivery: Delivery) -> None:
        """Tell the originator that its message waits (6.4.1.2.2 d)."""
        self._steps.deferred(delivery)
        if delivery.body.message.msg_type == n.MSG:
            self._responses.tell(delivery.body, delivery.recipient, n.STORED, None)

    def discarded(self, delivery: Delivery, cause: str) -> None:
        """Tell the originator that its message was given up (6.4.1.2.6 a1, c1)."""
        body = delivery.body
        message = body.message
        self._steps.discarded(delivery)
        self._log.event(
            "discarded",
            what=message.msg_type,
            recipient=delivery.recipient,
            message=message.message_id,
            cause=cause,
            trace=message.message_id,
            ue=delivery.recipient,
        )
        if message.msg_type == n.MSG:
            self._responses.tell(body, delivery.recipient, n.FAILURE, cause)
