"""Messages in the CoAP form of MSGin5G-5 (Annex A.3)."""

from msgin5g import app_client, coap, gaps, l3
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.errors import CallerError
from msgin5g.octets import from_text
from msgin5g.payload_errors import BadMessage
from ue.device_messages import DeviceMessaging, octets, report_id
from ue.modes import room_bytes

_LATER = (
    l3.CAUSES[l3.CAUSE_CONFLICT],
    l3.CAUSES[l3.CAUSE_CONNECTION_GONE],
    l3.CAUSES[l3.CAUSE_LACK_OF_RESOURCES],
    l3.CAUSES[l3.CAUSE_CONGESTION],
    gaps.CAUSE_SERVER_UNREACHABLE,
)
_UNKNOWN = (l3.CAUSES[l3.CAUSE_UNKNOWN_DEVICE], gaps.CAUSE_NOT_REGISTERED)


class CoapMessaging(DeviceMessaging):
    """The messages of a `CoapDevice`, its core."""

    def __init__(self, core, config, kept, max_bytes):
        super().__init__(core, config, kept, max_bytes - room_bytes(config))
        self._exchange = None

    def receive(self, incoming, now):
        """Take a POST of the gateway and answer it."""
        core = self._core
        try:
            message = app_client.parse_request(incoming.message.payload)
            kind = message.msg_type
            if kind == l3.MESSAGE_RECEIVED_REQUEST:
                core.note(l3.NAMES[kind], {})
                self._take(message, now)
                # Clause A.3.1.6 has 2.05 as the answer to a POST.
                core.reply(incoming, coap.CONTENT, app_client.received_response(True), now)
            elif kind == l3.DELIVERY_REPORT_RECEIVED_REQUEST:
                core.note(l3.NAMES[kind], {})
                self._take_report(message)
                core.reply(incoming, coap.CHANGED, b"", now)
            else:
                raise BadMessage(n.MSG_TYPE, "a message or report is wanted here")
        except BadMessage as problem:
            core.counters["messages_malformed"] += 1
            core.reply(incoming, coap.BAD_REQUEST, str(problem).encode(), now)

    def owns(self, exchange):
        """Tell whether an exchange of the endpoint is the one under way here."""
        return exchange is self._exchange

    def answered(self, message, now):
        """The gateway answered what is under way: 2.05 with the result, or without a word."""
        self._exchange = None
        code = message.code
        text = code_text(code)
        if code >= coap.BAD_REQUEST:
            self._core.note(text, {})
            self._no(text, code >= coap.INTERNAL_ERROR, False, now)
            return
        try:
            answer = app_client.parse_request(message.payload) if message.payload else None
        except BadMessage as problem:
            self.later("malformed answer: %s" % problem, now)
            return
        reason = None
        if answer is not None and answer.msg_type == l3.MESSAGE_SENDING_RESPONSE:
            if not answer.success:
                reason = answer.cause or gaps.CAUSE_UNSPECIFIED
        self._core.note(text, {"cause": reason})
        if reason is None:
            self.taken(now)
        else:
            self._no(reason, reason in _LATER, reason in _UNKNOWN, now)

    def failed(self, reason, now):
        """The gateway did not answer."""
        self._exchange = None
        self.later(reason, now)

    def _start(self, item, now):
        kind = l3.DELIVERY_REPORT_SENDING_REQUEST
        if item.what == n.MSG:
            kind = l3.MESSAGE_SENDING_REQUEST
        self._exchange = self._core.post(l3.NAMES[kind], self._build(item), now)

    def _prepare(self, item):
        size = len(self._build(item))
        if size > self._max_bytes:
            text = "the message takes %d bytes, the link carries %d" % (size, self._max_bytes)
            raise CallerError(text)

    def _build(self, item):
        message_id = octets(item.id)
        if item.what != n.MSG:
            return app_client.report_sending_request(item.success, report_id(item), message_id)
        payload = from_text("".join(item.parts))
        number = None if item.application is None else int(item.application)
        return app_client.sending_request(
            item.kind, item.to, message_id, payload, number, item.report
        )
