"""Messages in the L3 format (Annex A.2): raw octets, without CoAP and JSON.

A response names no request. One MESSAGE SENDING REQUEST is under way at a time, repeated until it
is answered; after repetitions the answers to the copies pass before the next one goes.
"""

from msgin5g import l3
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.octets import from_text, uuid_text
from ue.device_messages import DeviceMessaging, is_later, octets, report_id
from ue.postman import Received


class L3Messaging(DeviceMessaging):
    """The messages of an `L3Device`, its core."""

    def receive(self, message, now):
        """Take a frame of the message family."""
        kind = message.type
        core = self._core
        if kind == l3.MESSAGE_RECEIVED_REQUEST:
            core.say(l3.message_received_response(True))
            if not self._take(message, now) and message.report and not core.reports_itself:
                # Our report may have been lost as our response was: it has no answer.
                lost = Received(uuid_text(message.message_id), None, b"")
                self.report(lost, True, None, now)
        elif kind == l3.DELIVERY_REPORT_RECEIVED_REQUEST:
            self._take_report(message)
        elif kind == l3.MESSAGE_SENDING_RESPONSE and self.current is not None:
            quiet_until = core.end_request(now)
            if message.success:
                self.taken(now)
            else:
                cause = message.cause or l3.CAUSE_PROTOCOL_ERROR
                unknown = cause == l3.CAUSE_UNKNOWN_DEVICE
                self._no(l3.CAUSES[cause], is_later(cause), unknown, now)
            if quiet_until is not None and (self._retry_at or 0) < quiet_until:
                self._retry_at = quiet_until
        else:
            core.counters["stray"] += 1

    def _start(self, item, now):
        if item.what == n.MSG:
            self._core.request(self._build(item), now)
            return
        reply_to = octets(item.id)
        frame = l3.delivery_report_sending_request(item.success, report_id(item), reply_to)
        self._core.say(frame)
        self.taken(now)

    def _prepare(self, item):
        size = len(self._build(item))
        if size > self._max_bytes:
            text = "the message takes %d bytes, the link carries %d" % (size, self._max_bytes)
            raise CallerError(text)

    def _build(self, item):
        payload = from_text("".join(item.parts))
        number = None if item.application is None else int(item.application)
        return l3.message_sending_request(
            *(item.kind, _target(item.to), octets(item.id), payload),
            application_id=number,
            report=item.report or None,
        )


def _target(text):
    """Return an address as the codec wants it: IPv4, IPv6, or a name."""
    for kind, signs in (("ipv4", "0123456789."), ("ipv6", "0123456789abcdefABCDEF:")):
        sign = signs[-1]
        if text.count(sign) >= 2 and not [char for char in text if char not in signs]:
            return kind, text
    return "fqdn", text
