"""Messages and reports of devices (6.4.2.2.2, 6.4.2.2.4): to the server, or to a device here.

A device with a UE Service ID is the originator of its messages at the server. One without can
reach the devices of this gateway only.
"""

import copy
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from msgin5g import app_client, coap, l3
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import Message, Segment, imdn, msg
from msgin5g.segments import Outbox as SentSegments
from msgin5g.segments import split
from msgin5g_gateway.addresses import Addresses
from msgin5g_gateway.askers import Asker
from msgin5g_gateway.devices import MAX_ASKERS, Devices
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.handover import Handover, Handovers, Item, ReportItem
from msgin5g_gateway.message_rows import Reportable
from msgin5g_gateway.sets import SegmentSets
from msgin5g_gateway.store import Device
from msgin5g_gateway.uplink import Relay, Uplink
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import of_message

MAX_REPORTABLE = 10_000
MAX_SENDINGS = 1_000
MAX_SENT = 1_000
MAX_DEVICE_SETS = 100
_SEGMENTS_KEPT_MS = 600_000
_TOO_LONG = f"more than {MAX_MESSAGE_BYTES} bytes in all"

_Key = tuple[int, bytes]


class Sending:
    """A device's message on its way; every one of `askers` gets the outcome.

    pieces: what is left to go to the server, one segment after the other.
    """

    def __init__(self, device: Device, message_id: bytes, asker: Asker) -> None:
        self.device = device
        self.key: _Key = device.application_id, message_id
        self.askers = [asker]
        self.pieces: list[Message] = []


class DeviceRelay(Relay):
    """A message of a device at the server. sending: what waits for it, or None."""

    def __init__(self, app: "AppUplink", sending: Sending | None, *rest: Any) -> None:
        super().__init__(*rest)
        self._app = app
        self._sending = sending

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        if self._sending is not None:
            self._app.answered(self._sending, code, payload, now)

    def unanswered(self) -> list[Any]:
        return []


class ReportRelay(Relay):
    """A report of a device at the server."""

    def __init__(self, asker: Asker, *rest: Any) -> None:
        super().__init__(*rest)
        self._asker = asker

    def answer(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        self._asker.acknowledge(code, payload)

    def unanswered(self) -> list[Any]:
        incoming = self._asker.give_up()
        return [] if incoming is None else [incoming]


class AppUplink:
    """Take what devices send."""

    def __init__(
        self,
        shared: Shared,
        devices: Devices,
        uplink: Uplink,
        handovers: Handovers,
        sets: SegmentSets,
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._devices = devices
        self._uplink = uplink
        self._handovers = handovers
        self._sets = sets
        self._addresses = Addresses(shared)
        self._segment_bytes: int = shared.settings["gateway.segment_bytes"]
        self._is_local_allowed: bool = shared.settings["gateway.local_delivery"]
        self._open: dict[_Key, Sending] = {}
        self._reporting: dict[Asker, None] = {}
        self._sent: OrderedDict[_Key, None] = OrderedDict()
        self._segments = SentSegments(MAX_DEVICE_SETS, _SEGMENTS_KEPT_MS)
        self._asked: OrderedDict[tuple[str, str], bool] = OrderedDict()

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("sendings", len(self._open), MAX_SENDINGS)
        yield Fill("sent", len(self._sent), MAX_SENT)
        yield Fill("device_sets", len(self._segments), MAX_DEVICE_SETS)
        yield Fill("reportable", len(self._store.reportable), MAX_REPORTABLE)

    def send(self, asker: Asker, request: Any, now: int) -> None:
        """MESSAGE SENDING REQUEST: its response comes when the outcome is known (6.4.2.2.5)."""
        shared = self._shared
        shared.counters["device messages"] += 1
        device = self._devices.at(asker.peer, now)
        if device is None:
            self._refuse([asker], l3.CAUSE_UNKNOWN_DEVICE)
            return
        key = device.application_id, bytes(request.message_id)
        if key in self._sent:
            shared.counters["devices_repeated"] += 1
            asker.respond(True)
            return
        sending = self._open.get(key)
        if sending is not None:
            self._join(sending, asker)
            return
        target = self._addresses.device(request.target[1], request.application_id)
        if request.target_type not in (None, n.UE):
            target = None
        if len(self._open) >= MAX_SENDINGS:
            self._refuse([asker], l3.CAUSE_CONGESTION)
        elif target is not None and (device.ue is None or target.ue is None):
            if self._is_local_allowed:
                self._send_here(Sending(device, key[1], asker), target, request, now)
            else:
                self._unreachable(device, asker, request, l3.CAUSE_NOT_ALLOWED, now)
        elif device.ue is None:
            self._unreachable(device, asker, request, l3.CAUSE_NOT_ALLOWED, now)
        else:
            self._send_up(Sending(device, key[1], asker), device.ue, target, request, now)

    def report(self, asker: Asker, request: Any, now: int) -> None:
        """DELIVERY REPORT SENDING REQUEST: to the originator of the message it speaks of."""
        shared = self._shared
        shared.counters["device reports"] += 1
        device = self._devices.at(asker.peer, now)
        row = None
        if device is not None and request.reply_to is not None:
            row = self._store.reportable.get((device.application_id, bytes(request.reply_to)))
        if device is None or row is None:
            cause = "not registered" if device is None else "a report on an unknown message"
            shared.counters["device reports unknown"] += 1
            shared.log.event("refused", what=asker.what, cause=cause, **asker.named)
            asker.acknowledge(coap.NOT_FOUND, cause.encode())
            return
        if row.kind == Reportable.DEVICE:
            item = ReportItem(request.success, bytes(request.message_id), row.message_id)
            self._reporting[asker] = None

            def done(code: int, text: bytes, now: int) -> None:
                del self._reporting[asker]
                asker.acknowledge(code, text)

            self._handovers.take(Handover(int(row.origin), [item], done), now)
            return
        message = Message()
        message.msg_type = n.IMDN
        message.origin, message.destination = (n.UE, row.speaker), (row.kind, row.origin)
        message.message_id = app_client.uuid_text(row.message_id)
        message.status = n.SUCCESS if request.success else n.FAILURE
        payload = imdn(shared.service_id, message)
        relay = ReportRelay(asker, row.speaker, asker.peer, b"", payload, message, now)
        relay.named = of_message(message)
        self._uplink.take(relay, now)

    def note_reportable(
        self, device: Device, message_id: bytes, speaker: str, origin: tuple[str, str]
    ) -> None:
        """Stage to whom a device's report on this message goes; the oldest is forgotten."""
        rows = self._store.reportable
        older = rows.get((device.application_id, message_id))
        if older is not None:
            if (older.kind, older.origin) == origin:
                return
            self._store.drop(older)
        number = self._store.new_id()
        self._store.put(
            Reportable(number, device.application_id, message_id, speaker, origin[0], origin[1])
        )
        while len(rows) > MAX_REPORTABLE:
            self._store.drop(next(iter(rows.values())))
            self._shared.counters["reportable_forgotten"] += 1

    def wants_report(self, ue: str, message_id: str) -> bool:
        """Tell whether a device asked for a report on its message; who knows: yes."""
        return self._asked.get((ue, message_id), True)

    def send_again(self, control: Message, now: int) -> None:
        """SEGREC of the server for a device's segments (6.5.1.1), or SEGCONFIR."""
        if control.msg_type == n.SEGCONFIR:
            self._segments.drop(control.set_id)
            return
        found = self._segments.get(control.set_id, now)
        if found is None:
            self._shared.log.event("unknown-set", what=control.msg_type, set=control.set_id)
            return
        sending, pieces = found
        wanted = [
            piece for first, last in control.ranges for piece in pieces[max(first - 1, 0) : last]
        ]
        for piece in wanted:
            self._relay(None, sending, piece, now)

    def answered(self, sending: Sending, code: int, payload: bytes, now: int) -> None:
        """The server has, or the outbox, or a device here has not taken a piece."""
        if self._open.get(sending.key) is not sending:
            return
        if code < coap.BAD_REQUEST and len(sending.pieces) > 1:
            sending.pieces.pop(0)
            self._relay(sending, sending, sending.pieces[0], now)
            return
        del self._open[sending.key]
        if code < coap.BAD_REQUEST:
            self._sent[sending.key] = None
            if len(self._sent) > MAX_SENT:
                self._sent.popitem(last=False)
            for asker in sending.askers:
                asker.respond(True)
            return
        text = bytes(payload[:80]).decode(errors="replace") or code_text(code)
        if code in (coap.GATEWAY_TIMEOUT, coap.NOT_FOUND):
            cause = l3.CAUSE_CONNECTION_GONE
        else:
            later = code >= coap.INTERNAL_ERROR
            cause = l3.CAUSE_CONGESTION if later else l3.CAUSE_PROTOCOL_ERROR
        self._refuse(sending.askers, cause, text)

    def unanswered(self) -> list[Any]:
        """Return every CoAP request of a device that waits for the outcome of its message."""
        askers = [asker for sending in self._open.values() for asker in sending.askers]
        askers += self._reporting
        return [one for one in (asker.give_up() for asker in askers) if one is not None]

    def _send_here(self, sending: Sending, target: Device, request: Any, now: int) -> None:
        """Local delivery: the response waits for the other device's."""
        device, message_id = sending.device, sending.key[1]
        self._open[sending.key] = sending
        self._shared.counters["local deliveries"] += 1
        if request.report:
            origin = (Reportable.DEVICE, str(device.application_id))
            self.note_reportable(target, message_id, target.ue or "", origin)
        originator = device.ue or str(device.application_id)
        item = Item(message_id, request.payload, originator, report=bool(request.report))

        def done(code: int, text: bytes, now: int) -> None:
            self.answered(sending, code, text, now)

        self._handovers.take(Handover(target.application_id, [item], done), now)

    def _send_up(
        self, sending: Sending, ue: str, target: Device | None, request: Any, now: int
    ) -> None:
        """To the server as a MSG, in segments if it is long (6.4.1.1.2)."""
        asker = sending.askers[0]
        address = self._addresses.service_id(request.target[1])
        if address is None and target is not None:
            address = target.ue
        if address is None:
            cause = l3.CAUSE_PROTOCOL_ERROR
            self._unreachable(sending.device, asker, request, cause, now)
            return
        message = Message()
        message.msg_type = n.MSG
        message.origin = (n.UE, ue)
        message.destination = (request.target_type or n.UE, address)
        message.message_id = app_client.uuid_text(sending.key[1])
        message.report = bool(request.report)
        if request.application_id is not None:
            message.applications = [str(request.application_id)]
        message.payload = app_client.to_text(request.payload)
        try:
            sending.pieces = self._pieces(message)
        except CallerError as problem:
            self._refuse([asker], l3.CAUSE_PROTOCOL_ERROR, str(problem))
            return
        self._asked[ue, message.message_id] = message.report
        if len(self._asked) > MAX_SENT:
            self._asked.popitem(last=False)
        if len(sending.pieces) > 1:
            set_id = sending.pieces[0].segment.set_id
            self._sets.note_sent(set_id, ue, now)
            self._segments.put(set_id, (sending, list(sending.pieces)), now)
        self._open[sending.key] = sending
        self._relay(sending, sending, sending.pieces[0], now)

    def _relay(self, waits: Sending | None, sending: Sending, piece: Message, now: int) -> None:
        ue, peer = sending.device.ue or "", sending.device.peer
        payload = msg(self._shared.service_id, piece)
        relay = DeviceRelay(self, waits, ue, peer, b"", payload, piece, now)
        # What the device sent does not say as whom, and to which Service ID.
        relay.named = of_message(piece)
        self._uplink.take(relay, now)

    def _pieces(self, message: Message) -> list[Message]:
        """Return a message as what may leave at once. Raises CallerError."""
        size = len(message.payload.encode())
        if size <= self._segment_bytes:
            return [message]
        if size > MAX_MESSAGE_BYTES:
            raise CallerError(_TOO_LONG)
        texts = split(message.payload, self._segment_bytes)
        # A repeated request makes the same set: the server knows its segments again.
        set_id = str(uuid.uuid5(uuid.UUID(message.message_id), message.origin[1]))
        pieces = []
        for number, text in enumerate(texts, 1):
            piece = copy.copy(message)
            piece.payload = text
            piece.report = message.report and number == 1
            piece.segment = Segment(set_id, number, len(texts), number == len(texts))
            pieces.append(piece)
        return pieces

    def _unreachable(
        self, device: Device, asker: Asker, request: Any, cause: int, now: int
    ) -> None:
        """The target cannot be reached: FAILED, and a report if one was wanted (6.4.2.2.2).

        Not with the cause "unknown device": that is a device which has to register.
        """
        self._refuse([asker], cause, "target not resolvable")
        if request.report:
            item = ReportItem(False, uuid.uuid4().bytes, bytes(request.message_id))
            handover = Handover(device.application_id, [item], lambda code, text, now: None)
            self._handovers.take(handover, now)

    def _join(self, sending: Sending, asker: Asker) -> None:
        """The device has repeated its request while the outcome is open."""
        if any(one.stands_for(asker) for one in sending.askers):
            self._shared.counters["devices_repeated"] += 1
        elif len(sending.askers) >= MAX_ASKERS:
            self._refuse([asker], l3.CAUSE_CONGESTION)
        else:
            sending.askers.append(asker)

    def _refuse(self, askers: list[Asker], cause: int, reason: str | None = None) -> None:
        """Answer FAILED. A device acts upon a cause: a text replaces the unspecified one only."""
        text = reason or l3.CAUSES[cause]
        for asker in askers:
            self._shared.counters["device messages refused: " + l3.CAUSES[cause]] += 1
            self._shared.log.event("refused", what=asker.what, cause=text, peer=asker.peer)
            asker.respond(False, cause, text if cause == l3.CAUSE_PROTOCOL_ERROR else None)
