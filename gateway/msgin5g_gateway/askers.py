"""Who asked over MSGin5G-5, and how the answer takes the form of the request (Annex A.2, A.3)."""

from typing import Any

from msgin5g import app_client, coap, l3
from msgin5g import names as n
from msgin5g_gateway.effects import Shared

MESSAGE = "MESSAGE SENDING REQUEST"
REPORT = "DELIVERY REPORT SENDING REQUEST"


class Asker:
    """A request of a device, to be answered once.

    what: "REG", "DEREG", MESSAGE or REPORT; peer: the transport identifier that it came from;
    trace: the name of the request in logs; ue: whom the device stands for, or None.
    """

    speaks_l3 = False

    def __init__(
        self, shared: Shared, what: str, peer: str, trace: str | None, ue: str | None
    ) -> None:
        self._shared = shared
        self.what = what
        self.peer = peer
        self.trace = trace
        self.named: dict[str, Any] = {"peer": peer, "trace": trace, "ue": ue}

    def accept(self, registration_id: bytes) -> None:
        """Say yes; both answers carry the Registration ID."""
        raise NotImplementedError

    def reject(self, cause: int, reason: str | None = None) -> None:
        """Say no. cause: of A.2.2.17; reason: a text that says more, where the form takes one."""
        raise NotImplementedError

    def respond(self, success: bool, cause: int | None = None, reason: str | None = None) -> None:
        """Answer a MESSAGE SENDING REQUEST. cause, reason: as in `reject`, with a failure."""
        raise NotImplementedError

    def acknowledge(self, code: int, text: bytes) -> None:
        """Answer a DELIVERY REPORT SENDING REQUEST, where the form has an answer."""
        raise NotImplementedError

    def stands_for(self, other: "Asker") -> bool:
        """Tell whether the answer to this one is all that the other needs as well."""
        return False

    def give_up(self) -> Any | None:
        """Return what still has to be answered outside the core, or None."""
        return None


class CoapAsker(Asker):
    """The CoAP form (A.3.1.7 to A.3.1.10): the answer goes on the acknowledgement."""

    def __init__(self, incoming: Any, *rest: Any) -> None:
        super().__init__(*rest)
        self._incoming = incoming

    def accept(self, registration_id: bytes) -> None:
        code = coap.CREATED if self.what == n.REG else coap.CHANGED
        self._answer(code, app_client.answer(True, registration_id=registration_id))

    def reject(self, cause: int, reason: str | None = None) -> None:
        text = reason or l3.CAUSES[cause]
        self._answer(coap.CHANGED, app_client.answer(False, reason=text))

    def respond(self, success: bool, cause: int | None = None, reason: str | None = None) -> None:
        text = reason or (None if cause is None else l3.CAUSES[cause])
        self._answer(coap.CONTENT, app_client.sending_response(success, text))

    def acknowledge(self, code: int, text: bytes) -> None:
        self._answer(code, text)

    def give_up(self) -> Any | None:
        return self._incoming

    def _answer(self, code: int, payload: bytes) -> None:
        self._shared.answer(self._incoming, code, payload, iface="MSGin5G-5", **self.named)


class L3Asker(Asker):
    """The L3 form (A.2): an answer is a frame of its own and has no reference to the request."""

    speaks_l3 = True

    def accept(self, registration_id: bytes) -> None:
        registers = self.what == n.REG
        build = l3.registration_accept if registers else l3.deregistration_accept
        self._frame(build(registration_id), "ACCEPT")

    def reject(self, cause: int, reason: str | None = None) -> None:
        registers = self.what == n.REG
        build = l3.registration_reject if registers else l3.deregistration_reject
        detail = reason or l3.CAUSES[cause]
        self._frame(build(cause), "REJECT", detail=detail)

    def respond(self, success: bool, cause: int | None = None, reason: str | None = None) -> None:
        detail = reason or (None if cause is None else l3.CAUSES[cause])
        frame = l3.message_sending_response(success, cause)
        name = l3.NAMES[l3.MESSAGE_SENDING_RESPONSE]
        self._frame(frame, name, result=success, detail=detail)

    def acknowledge(self, code: int, text: bytes) -> None:
        """The form has no answer to a report."""

    def _frame(self, frame: bytes, what: str, **fields: Any) -> None:
        named = {name: one for name, one in self.named.items() if name != "peer"}
        self._shared.frame(self.peer, frame, what, **named, **fields)

    def stands_for(self, other: Asker) -> bool:
        return isinstance(other, L3Asker) and other.peer == self.peer
