"""A device without an MSGin5G client that speaks the CoAP form of MSGin5G-5 (Annex A.3)."""

from binascii import hexlify, unhexlify

from msgin5g import app_client, coap, gaps, l3
from msgin5g.codes import code_text
from msgin5g.paths import json_options
from msgin5g.payload_errors import BadMessage
from msgin5g.sending import FAILED, REQUEST
from ue.device import REG, Device
from ue.kept import Kept
from ue.machine import sooner

_PEER = 0
_LATER = (
    l3.CAUSES[l3.CAUSE_CONFLICT],
    l3.CAUSES[l3.CAUSE_CONNECTION_GONE],
    l3.CAUSES[l3.CAUSE_LACK_OF_RESOURCES],
    l3.CAUSES[l3.CAUSE_CONGESTION],
    gaps.CAUSE_CONGESTION,
    gaps.CAUSE_SERVER_UNREACHABLE,
)


class CoapDevice(Device):
    """A device on a CoAP endpoint of its own. `poll` returns [(datagram, 0)]."""

    def __init__(self, config, endpoint, saved, rng):
        super().__init__(config, Kept(saved, endpoint, rng), rng)
        self._endpoint = endpoint
        self._exchange = None
        self._options = endpoint.prepare(json_options(config["path"]))
        self.max_frame_bytes = endpoint.params.max_datagram_bytes

    def receive(self, data, now):
        """Take a datagram of the gateway."""
        self._endpoint.receive(data, _PEER, now)
        self._drain(now)

    def poll(self, now):
        """Do what is due and return the datagrams to send, [(bytes-like, peer)]."""
        self._tick(now)
        self._post_due(now)
        out = self._endpoint.poll(now)
        self._drain(now)
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        due = sooner(super().next_deadline(), self._endpoint.next_deadline())
        return sooner(due, self._post_deadline())

    def post(self, what, payload, now):
        """POST a message to the gateway; returns the exchange."""
        self._is_dirty |= self._kept.spend()
        exchange = self._endpoint.send_request(
            _PEER, coap.POST, self._options, payload, now, context=what
        )
        self._sent(what, {"mid": exchange.mid})
        return exchange

    def reply(self, incoming, code, payload, now):
        """Answer a message; text of a refusal has no Content-Format."""
        self._sent(code_text(code), {})
        options = b"" if code >= coap.BAD_REQUEST else None
        self._endpoint.respond(incoming, code, payload, now, options=options)

    def _send(self, what, now):
        config = self._config
        if what == REG:
            payload = app_client.registration(
                config["service_id"], config["application_id"], config["credential"].encode()
            )
        else:
            payload = app_client.deregistration(
                config["service_id"], unhexlify(self._kept.registration)
            )
        self._exchange = self.post(what, payload, now)

    def _make_postman(self):
        from ue.messages_coap import CoapMessaging

        return CoapMessaging(self, self._config, self._kept, self.max_frame_bytes)

    def _cancel(self):
        if self._exchange is not None:
            self._endpoint.cancel(self._exchange)
            self._exchange = None

    def _drain(self, now):
        endpoint = self._endpoint
        while True:
            event = endpoint.next_event()
            if event is None:
                return
            if event[0] == REQUEST:
                incoming = event[1]
                if not incoming.confirmable:
                    self._is_dirty |= self._kept.spend()
                if incoming.message.code == coap.POST:
                    self.messages().receive(incoming, now)
                else:
                    endpoint.respond(incoming, coap.METHOD_NOT_ALLOWED, b"", now)
            elif self._postman is not None and self._postman.owns(event[1]):
                if event[0] == FAILED:
                    self._postman.failed(event[2], now)
                else:
                    self._postman.answered(event[2], now)
            elif event[1] is self._exchange:
                self._exchange = None
                if event[0] == FAILED:
                    self._unanswered(event[2], now)
                else:
                    self._on_answer(event[1].context, event[2], now)

    def _on_answer(self, what, message, now):
        code = message.code
        text = code_text(code)
        if code >= coap.BAD_REQUEST:
            self._note(text, {"of": what})
            self._rejected(what, text, code >= coap.INTERNAL_ERROR, False, now)
            return
        try:
            answer = app_client.parse_answer(message.payload)
        except BadMessage as problem:
            self._note(text, {"of": what, "cause": str(problem)})
            self._rejected(what, "malformed answer: %s" % problem, True, False, now)
            return
        self._note(text, {"of": what, "result": answer.result, "cause": answer.cause})
        if not answer.result:
            reason = answer.cause or gaps.CAUSE_UNSPECIFIED
            unknown = reason == l3.CAUSES[l3.CAUSE_UNKNOWN_DEVICE]
            self._rejected(what, reason, reason in _LATER, unknown, now)
        elif what == REG and answer.registration_id is None:
            self._rejected(what, "the answer has no Registration ID", True, False, now)
        else:
            registration = answer.registration_id
            registration = hexlify(registration).decode() if registration else None
            self._accepted(what, registration, now)
