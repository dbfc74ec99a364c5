"""What devices without an MSGin5G client ask for, in the L3 form (A.2) or over CoAP (A.3)."""

from typing import Any

from msgin5g import app_client, l3
from msgin5g import names as n
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g_gateway.askers import MESSAGE, REPORT, CoapAsker, L3Asker
from msgin5g_gateway.devices import Devices
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.messaging import Messaging
from msgin5g_host.journal import printable
from msgin5g_host.log_fields import of_token

_IFACE = "MSGin5G-5"
_REQUESTS = {
    l3.REGISTRATION_REQUEST: n.REG,
    l3.DEREGISTRATION_REQUEST: n.DEREG,
    l3.MESSAGE_SENDING_REQUEST: MESSAGE,
    l3.DELIVERY_REPORT_SENDING_REQUEST: REPORT,
}


class DeviceRequests:
    """Read what devices send, and hand it to who answers."""

    def __init__(self, shared: Shared, devices: Devices, messaging: Messaging) -> None:
        self._shared = shared
        self._devices = devices
        self._messaging = messaging

    def receive(
        self, incoming: Any, payload: bytes, peer: str, mid: int, token: bytes, now: int
    ) -> None:
        """Take a request over CoAP. Raises BadMessage."""
        request = app_client.parse_request(payload)
        if request.service_id not in (None, self._shared.service_id):
            raise BadMessage(n.MSG_IDEN, "not this service")
        what = l3.NAMES.get(request.msg_type, request.msg_type)
        named = self._named(what, request, peer, of_token(token))
        text = _text(what, request)
        self._shared.log.message("rx", _IFACE, what, peer=peer, mid=mid, text=text, **named)
        asker = CoapAsker(incoming, self._shared, what, peer, named["trace"], named["ue"])
        if not self._hand_on(asker, what, request, now):
            raise UnsupportedType(n.MSG_TYPE, f"a gateway takes no {what} here")

    def receive_l3(self, frame: bytes, peer: str, now: int) -> None:
        """Take an L3 message."""
        shared = self._shared
        try:
            message = l3.decode(frame)
        except BadMessage as problem:
            shared.malformed(problem, frame, peer)
            self._reject_malformed(frame[0], peer)
            return
        what = _REQUESTS.get(message.type, "")
        named = self._named(what, message, peer, of_token(shared.new_token()))
        answers = message.type == l3.MESSAGE_RECEIVED_RESPONSE
        device = self._devices.at(peer, now) if answers else None
        if device is not None:
            # It does not say which message it answers.
            named["trace"] = self._messaging.handovers.with_device(device.application_id)
        name, text = l3.NAMES[message.type], _text(what, message)
        shared.log.message("rx", _IFACE, name, peer=peer, text=text, **named)
        if what:
            asker = L3Asker(shared, what, peer, named["trace"], named["ue"])
            self._hand_on(asker, what, message, now)
        elif not answers:
            # What only a gateway sends, or an answer that nobody waits for.
            shared.counters["stray L3 messages"] += 1
        elif device is not None:
            self._messaging.handovers.responded(device, message.success, message.cause, now)

    def _hand_on(self, asker: CoapAsker | L3Asker, what: str, request: Any, now: int) -> bool:
        """Let a request be answered; tells whether it is one."""
        if what == n.REG:
            self._devices.register(asker, request.application_id, request.credential, now)
        elif what == n.DEREG:
            self._devices.deregister(asker, request.registration_id, now)
        elif what == MESSAGE:
            self._messaging.app.send(asker, request, now)
        elif what == REPORT:
            self._messaging.app.report(asker, request, now)
        else:
            return False
        return True

    def _named(self, what: str, request: Any, peer: str, trace: str) -> dict[str, Any]:
        """Return a request's fields in logs. trace: of one that registers."""
        if what == n.REG:
            return {"ue": self._devices.ue_of(request.application_id), "trace": trace}
        ue = self._devices.ue_at(peer)
        message_id = {MESSAGE: "message_id", REPORT: "reply_to"}.get(what)
        if message_id is not None:
            octets = getattr(request, message_id)
            trace = octets and app_client.uuid_text(bytes(octets))
            return {"ue": ue, "from": ue, "trace": trace}
        return {"ue": ue, "trace": trace if what == n.DEREG else None}

    def _reject_malformed(self, kind: int, peer: str) -> None:
        """A request that asks for an answer gets one; all else is met with silence."""
        what = _REQUESTS.get(kind, "")
        asker = L3Asker(self._shared, what, peer, None, None)
        if what in (n.REG, n.DEREG):
            asker.reject(l3.CAUSE_PROTOCOL_ERROR)
        elif what == MESSAGE:
            asker.respond(False, l3.CAUSE_PROTOCOL_ERROR)


def _text(what: str, request: Any) -> str | None:
    if what != MESSAGE or request.payload is None:
        return None
    return printable(app_client.to_text(request.payload))
