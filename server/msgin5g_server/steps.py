"""What the log says of each message on its way through the Server.

What only counts once it is on disk is staged until `commit`.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from msgin5g import coap
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.message import Message
from msgin5g_host.log import EventLog
from msgin5g_host.log_fields import named_of, of_message
from msgin5g_server.courier import Attempt
from msgin5g_server.message_store import Delivery
from msgin5g_server.outside import BMG, L3G, N3G, SERVER
from msgin5g_server.routes import Routes

IN, OUT = "in", "out"
ACCEPTED, REPEATED, REJECTED, MALFORMED = "accepted", "repeated", "rejected", "malformed"
FULL, DELIVERED, DISCARDED = "full", "delivered", "discarded"
_UE = "MSGin5G-1"
# TS 23.554 5.1: the reference points between the Server and the others.
_IFACES = {L3G: "MSGin5G-2", n.AS: "MSGin5G-3", N3G: "MSGin5G-4", BMG: "MSGin5G-7"}
_IFACES[SERVER] = "MSGin5G-8"


class Steps:
    """Tell the log of messages that arrive, wait, leave and are answered."""

    def __init__(self, routes: Routes, log: EventLog) -> None:
        self._routes = routes
        self._log = log
        self._staged: list[tuple[str, dict[str, Any]]] = []
        # What became of the message that is handled, and of all so far: (direction, type, result).
        self._result = ACCEPTED
        self.traffic: Counter[tuple[str, str, str]] = Counter()
        # Hear how many milliseconds each delivery took.
        self.on_delivered: list[Callable[[int], None]] = []

    def received(self, message: Message, source: str) -> None:
        """A message came; source: "host:port" or the name of who sent it over HTTP."""
        self._result = ACCEPTED
        if self._log.traces:
            fields = of_message(message)
            kind, origin = message.origin or ("", None)
            iface = _IFACES[n.AS] if kind == n.AS else self._iface(origin or "")
            ue = origin if kind == n.UE else None
            what = message.msg_type
            self._log.message("rx", iface, what, ue=ue, peer=source or None, **fields)

    def replied(self, message: Message, source: str, code: int) -> None:
        """Its sender is answered when this is on disk."""
        self.took(message, code)
        if self._log.traces:
            fields = {"peer": source, **_named(message)}
            what = code_text(code)
            self._stage("message", direction="tx", iface=_UE, what=what, **fields)

    def took(self, message: Message, code: int) -> None:
        """Count a message that came; code: what answers it."""
        result = FULL if code >= coap.BAD_REQUEST else self._result
        self.traffic[IN, message.msg_type, result] += 1

    def repeated(self) -> None:
        """It came before."""
        self._result = REPEATED

    def rejected(self, message: Message, source: str, cause: str) -> None:
        """A MSG was taken only to be rejected; this is a line of every log."""
        self._result = REJECTED
        origin = message.origin[1]
        fields = {"peer": source, "trace": message.message_id, "ue": origin}
        self._log.event("rejected", what=n.MSG, origin=origin, cause=cause, **fields)

    def refused(self, message: Message, source: str, cause: str) -> None:
        """What makes no sense is not taken at all, and its sender hears why."""
        self.traffic[IN, message.msg_type, MALFORMED] += 1
        what = message.msg_type
        fields = of_message(message)
        self._log.step("rejected", what=what, cause=cause, peer=source or None, **fields)

    def stored(self, delivery: Delivery) -> None:
        """A message is kept for a recipient."""
        self._of(delivery, "stored")

    def deferred(self, delivery: Delivery) -> None:
        """It waits there until its recipient can be reached."""
        self._of(delivery, "deferred")

    def sent(self, attempt: Attempt) -> None:
        """Messages leave for a recipient."""
        if self._log.traces:
            iface = self._iface(attempt.recipient)
            for delivery in attempt.batch:
                what = delivery.body.message.msg_type
                self._log.message("tx", iface, what, peer=attempt.peer, **_fields(delivery))

    def answered(self, attempt: Attempt, code: int, text: str, now: int) -> None:
        """The recipient answered."""
        for delivery in attempt.batch if code < coap.BAD_REQUEST else ():
            if not delivery.is_done:
                self.traffic[OUT, delivery.body.message.msg_type, DELIVERED] += 1
                if delivery.since_ms:
                    for hear in self.on_delivered:
                        hear(now - delivery.since_ms)
        if not self._log.traces:
            return
        iface = self._iface(attempt.recipient)
        for delivery in attempt.batch:
            detail = {"peer": attempt.peer, "detail": text or None}
            what = code_text(code)
            self._log.message("rx", iface, what, **detail, **_fields(delivery))
            if code < coap.BAD_REQUEST:
                took_ms = now - delivery.since_ms if delivery.since_ms else None
                self._of(delivery, "delivered", ms=took_ms)

    def discarded(self, delivery: Delivery) -> None:
        """It is given up."""
        self.traffic[OUT, delivery.body.message.msg_type, DISCARDED] += 1

    def unanswered(self, attempt: Attempt, reason: str) -> None:
        """Nobody answered."""
        for delivery in attempt.batch if self._log.traces else ():
            what = delivery.body.message.msg_type
            fields = {"peer": attempt.peer, "reason": reason, **_fields(delivery)}
            self._log.step("unanswered", what=what, **fields)

    def handed_over(self, message: Message, application: str) -> None:
        """A message or report is in the inbox of an application."""
        self.traffic[OUT, message.msg_type, DELIVERED] += 1
        if self._log.traces:
            fields = {**_named(message), "to": application}
            self._stage("delivered", what=message.msg_type, **fields)

    def told(self, message: Message, where: str, status: str, cause: str | None) -> None:
        """The originator hears of a message by MSGRESP."""
        if self._log.traces:
            fields = {
                "trace": message.message_id,
                "to": message.origin[1],
                "ue": message.origin[1],
            }
            iface = self._iface(message.origin[1])
            told = {"peer": where or None, "status": status, "cause": cause}
            self._stage("message", direction="tx", iface=iface, what=n.MSGRESP, **told, **fields)

    def control(self, what: str, ue: str, set_id: str) -> None:
        """SEGREC or SEGCONFIR goes to a UE."""
        self._log.message("tx", _UE, what, ue=ue, set=set_id)

    def commit(self) -> None:
        """What was staged is on disk."""
        for name, fields in self._staged:
            self._log.step(name, **fields)
        self._staged.clear()

    def rollback(self) -> None:
        """What was staged is not so."""
        self._staged.clear()

    def _of(self, delivery: Delivery, name: str, **fields: Any) -> None:
        if self._log.traces:
            what = delivery.body.message.msg_type
            self._stage(name, what=what, **fields, **_fields(delivery))

    def _stage(self, name: str, **fields: Any) -> None:
        self._staged.append((name, fields))

    def _iface(self, service_id: str) -> str:
        link = self._routes.link(service_id)
        if link is not None:
            return _IFACES[link.kind]
        return _IFACES[n.AS] if self._routes.is_application(service_id) else _UE


def _fields(delivery: Delivery) -> dict[str, Any]:
    return {**_named(delivery.body.message), "to": delivery.recipient, "ue": delivery.recipient}


def _named(message: Message) -> dict[str, Any]:
    """Return a message's trace and from where to where it goes."""
    fields = named_of(message)
    if message.origin is not None:
        fields["from"] = message.origin[1]
    if message.destination is not None:
        fields["to"] = message.destination[1]
    return fields
