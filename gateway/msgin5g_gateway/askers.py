"""Who asked over MSGin5G-5, and how the answer takes the form of the request (Annex A.2, A.3)."""

from typing import Any

from msgin5g import app_client, coap, l3
from msgin5g import names as n
from msgin5g_gateway.effects import Shared


class Asker:
    """A registration or de-registration request of a device, to be answered once.

    what: "REG" or "DEREG"; peer: the transport identifier that it came from.
    """

    def __init__(self, shared: Shared, what: str, peer: str) -> None:
        self._shared = shared
        self.what = what
        self.peer = peer

    def accept(self, registration_id: bytes) -> None:
        """Say yes; both answers carry the Registration ID."""
        raise NotImplementedError

    def reject(self, cause: int, reason: str | None = None) -> None:
        """Say no. cause: of A.2.2.17; reason: a text that says more, where the form takes one."""
        raise NotImplementedError

    def stands_for(self, other: "Asker") -> bool:
        """Tell whether the answer to this one is all that the other needs as well."""
        return False

    def give_up(self) -> Any | None:
        """Return what still has to be answered outside the core, or None."""
        return None


class CoapAsker(Asker):
    """The CoAP form (A.3.1.7 to A.3.1.10): the answer goes on the acknowledgement."""

    def __init__(self, shared: Shared, what: str, peer: str, incoming: Any) -> None:
        super().__init__(shared, what, peer)
        self._incoming = incoming

    def accept(self, registration_id: bytes) -> None:
        code = coap.CREATED if self.what == n.REG else coap.CHANGED
        self._answer(code, app_client.answer(True, registration_id=registration_id))

    def reject(self, cause: int, reason: str | None = None) -> None:
        text = reason or l3.CAUSES[cause]
        self._answer(coap.CHANGED, app_client.answer(False, reason=text))

    def stands_for(self, other: "Asker") -> bool:
        """Tell whether the answer to this one is all that the other needs as well."""
        return False

    def give_up(self) -> Any | None:
        return self._incoming

    def _answer(self, code: int, payload: bytes) -> None:
        self._shared.answer(self._incoming, code, payload, iface="MSGin5G-5", peer=self.peer)


class L3Asker(Asker):
    """The L3 form (A.2): an answer is a frame of its own and has no reference to the request."""

    def accept(self, registration_id: bytes) -> None:
        registers = self.what == n.REG
        build = l3.registration_accept if registers else l3.deregistration_accept
        self._shared.frame(self.peer, build(registration_id), "ACCEPT")

    def reject(self, cause: int, reason: str | None = None) -> None:
        registers = self.what == n.REG
        build = l3.registration_reject if registers else l3.deregistration_reject
        detail = reason or l3.CAUSES[cause]
        self._shared.frame(self.peer, build(cause), "REJECT", detail=detail)

    def stands_for(self, other: Asker) -> bool:
        return isinstance(other, L3Asker) and other.peer == self.peer
