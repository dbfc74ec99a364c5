"""An installed microCoAPy (0.6.0) as the CoAP stack of a UE, for registration and de-registration.

It encodes and decodes; what it does not do is done here: repeating a request until it is answered
(RFC 7252 4.2), telling a repeated request from a new one, and keeping datagrams away from it that
it does not survive. It has the face of `msgin5g.exchange.Endpoint`, as far as a UE without
messages uses it.
"""

from microcoapy import Coap
from microcoapy.coap_packet import CoapPacket

from msgin5g import coap
from msgin5g.errors import CallerError
from msgin5g.sending import FAILED, REQUEST, RESPONSE

# microCoAPy sends a longer payload as none at all.
MAX_PAYLOAD_BYTES = 900
_REMEMBERED = 4
_RESPONSE_WAIT_MS = 93000


class _Message(coap.Message):
    """What arrived, as our own codec would have it."""

    def __init__(self, kind, code, mid, token, payload, options):
        self.type = kind
        self.code = code
        self.mid = mid
        self.token = token
        self.payload = payload
        self.options = options


class _Exchange:
    """A request on its way. acked: an empty ACK came, the answer follows."""

    def __init__(self, token, mid, context):
        self.token = token
        self.mid = mid
        self.context = context
        self.acked = False
        self.sent = 1


class _Incoming:
    """A request of the gateway."""

    def __init__(self, peer, message):
        self.peer = peer
        self.message = message
        self.token = bytes(message.token)
        self.confirmable = message.type == coap.CON


class _Wire:
    """What microCoAPy takes for its socket: one datagram in, any number out."""

    def __init__(self):
        self.incoming = None
        self.out = []

    def setblocking(self, flag):
        """It never blocks."""

    def sendto(self, data, address):
        self.out.append(bytes(data))
        return len(data)

    def recvfrom(self, size):
        data, self.incoming = self.incoming, None
        return data, ("", 0)


class MicroEndpoint:
    """One request at a time towards one peer. config: see `ue.config`."""

    def __init__(self, rng, config, max_frame_bytes):
        self.params = self
        self.max_datagram_bytes = max_frame_bytes
        self._config = config
        self.first_mid = 0
        self.next_token_number = 0
        self._rng = rng
        self._wire = _Wire()
        self._coap = Coap()
        self._coap.debug = False
        self._coap.setCustomSocket(self._wire)
        self._coap.responseCallback = self._decoded
        self._packet = None
        self._exchange = None
        self._deadline = None
        self._timeout_ms = 0
        self._datagram = b""
        self._peer = None
        self._out = []
        self._events = []
        self._seen = []

    def prepare(self, options):
        """Return the options as they are: microCoAPy encodes a path itself."""
        return options

    def send_request(self, peer, code, options, payload, now, context=None):
        """Send a JSON request to the path of the configuration; ends in one RESPONSE or FAILED
        event."""
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise CallerError("microCoAPy sends at most %d bytes" % MAX_PAYLOAD_BYTES)
        mid = self.first_mid & 65535
        self.first_mid = mid + 1
        token = (self.next_token_number & 0xFFFFFFFF).to_bytes(4, "big")
        self.next_token_number += 1
        self._exchange = _Exchange(token, mid, context)
        self._peer = peer
        self._datagram = self._encode(coap.CON, code, mid, token, payload, self._config["path"])
        self._out.append((self._datagram, peer))
        timeout_ms = self._config["ack_timeout_ms"]
        self._timeout_ms = timeout_ms + self._rng(timeout_ms // 2 + 1)
        self._deadline = now + self._timeout_ms
        return self._exchange

    def cancel(self, exchange):
        """Forget the request; no event follows."""
        if exchange is self._exchange:
            self._exchange = self._deadline = None

    def respond(self, incoming, code, payload, now, content_format=50, options=None):
        """Answer a Confirmable on its ACK."""
        if not incoming.confirmable:
            return
        mid = incoming.message.mid
        datagram = self._encode(coap.ACK, code, mid, incoming.token, payload, "")
        for seen in self._seen:
            if seen[0] == mid:
                seen[1] = datagram
        self._out.append((datagram, incoming.peer))

    def receive(self, data, peer, now):
        """Take one datagram; what it means comes out of `next_event`."""
        if len(data) < 4 or data[0] >> 6 != 1 or data[0] & 15 > 8:
            return
        message = self._decode(data)
        if message is None:
            return
        if message.code == 0:
            self._on_empty(message, now)
        elif message.code < 32:
            self._on_request(message, peer)
        else:
            self._on_response(message, peer)

    def poll(self, now):
        """Return the datagrams to send now, [(bytes, peer)]."""
        exchange = self._exchange
        if exchange is not None and now >= self._deadline:
            if exchange.acked or exchange.sent > self._config["max_retransmit"]:
                self._end((FAILED, exchange, "timeout"))
            else:
                exchange.sent += 1
                self._timeout_ms *= 2
                self._deadline = now + self._timeout_ms
                self._out.append((self._datagram, self._peer))
        out, self._out = self._out, []
        return out

    def next_deadline(self):
        """Return when `poll` is due at the latest, or None."""
        return 0 if self._out else self._deadline

    def next_event(self):
        """Return the next event or None, as `Endpoint` has them."""
        return self._events.pop(0) if self._events else None

    def _encode(self, kind, code, mid, token, payload, path):
        packet = CoapPacket()
        packet.type = kind
        packet.method = code
        packet.messageid = mid
        packet.token = token
        packet.payload = payload
        if path:
            packet.setUriPath(path)
        if payload and code < coap.BAD_REQUEST:
            packet.content_format = coap.JSON_FORMAT
        self._coap.sendPacket("", 0, packet)
        return self._wire.out.pop()

    def _decode(self, data):
        """Return a `coap.Message`, or None for what microCoAPy cannot read."""
        self._packet = None
        self._wire.incoming = bytes(data)
        try:
            self._coap.loop(False)
        except Exception:
            # Which error it is depends on where it stumbles; the sender repeats what matters.
            return None
        packet = self._packet
        if packet is None:
            # It hands everything on but empty ACKs.
            return _Message(data[0] >> 4 & 3, data[1], data[2] << 8 | data[3], b"", b"", [])
        options = [(one.number, bytes(one.buffer)) for one in packet.options]
        token = bytes(packet.token or b"")
        payload = bytes(packet.payload or b"")
        return _Message(packet.type, packet.method, packet.messageid, token, payload, options)

    def _decoded(self, packet, address):
        self._packet = packet

    def _on_empty(self, message, now):
        exchange = self._exchange
        if exchange is None or message.mid != exchange.mid:
            return
        if message.type == coap.ACK:
            exchange.acked = True
            self._deadline = now + _RESPONSE_WAIT_MS
        elif message.type == coap.RST:
            self._end((FAILED, exchange, "reset"))

    def _on_request(self, message, peer):
        for mid, answer in self._seen:
            if mid == message.mid:
                if answer:
                    self._out.append((answer, peer))
                return
        self._seen.append([message.mid, None])
        if len(self._seen) > _REMEMBERED:
            self._seen.pop(0)
        self._events.append((REQUEST, _Incoming(peer, message)))

    def _on_response(self, message, peer):
        if message.type == coap.CON:
            empty = bytes((0x60, 0, message.mid >> 8, message.mid & 255))
            self._out.append((empty, peer))
        exchange = self._exchange
        if exchange is not None and message.token == exchange.token:
            self._end((RESPONSE, exchange, message))

    def _end(self, event):
        self._exchange = self._deadline = None
        self._events.append(event)
