"""Messages through the gateway: who may send what, and to whom what arrives is handed on."""

import heapq
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from msgin5g import coap, gaps
from msgin5g import names as n
from msgin5g.message import Message, imdn, parse_message
from msgin5g.payload_errors import BadMessage, UnsupportedType
from msgin5g_gateway.app_down import AppDownlink
from msgin5g_gateway.app_up import AppUplink
from msgin5g_gateway.devices import Devices
from msgin5g_gateway.downlink import Delivery, Downlink, ServerDelivery
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.handover import Handover, Handovers, Posted, ReportItem
from msgin5g_gateway.message_rows import Kept
from msgin5g_gateway.outbox import Outbox, Resent
from msgin5g_gateway.own import OwnRegistration
from msgin5g_gateway.sets import SegmentSets
from msgin5g_gateway.topics import TopicRelay
from msgin5g_gateway.uplink import Relay, UeRelay, Uplink
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import named_of, of_message
from msgin5g_host.words import element

MAX_TOKENS = 10_000
_FIRST_PAUSE_MS = 5_000
_LONGEST_PAUSE_MS = 600_000
_CONTROL = (n.SEGREC, n.SEGCONFIR)


class Notice(Delivery):
    """A failure report of the gateway itself for a message of its outbox that was refused."""

    def __init__(self, messaging: "Messaging", row: Kept, payload: bytes) -> None:
        super().__init__(row.ue, n.IMDN, payload, None, {"trace": row.message_id})
        self.row = row
        self._messaging = messaging

    def done(self, shared: Shared, code: int, payload: bytes, now: int) -> None:
        self._messaging.noticed(self.row, code, now)


class Messaging:
    """The way up, the way down, and what has to be remembered in between."""

    def __init__(self, shared: Shared, own: OwnRegistration, devices: Devices, now: int) -> None:
        self._shared = shared
        self._store = shared.store
        self.outbox = Outbox(shared, own, self._tell, self._note_row)
        self.uplink = Uplink(shared, own, self.outbox)
        self.downlink = Downlink(shared)
        self.topics = TopicRelay(shared, own, self.downlink)
        self._sets = SegmentSets(shared)
        self.handovers = Handovers(shared)
        self.app = AppUplink(shared, devices, self.uplink, self.handovers, self._sets)
        self._app_down = AppDownlink(shared, self.app, self.uplink, self.handovers, now)
        self._tokens: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._again: list[tuple[int, int]] = []
        self._attempts: dict[int, int] = {}
        for row in self._store.outbox.values():
            if row.cause is not None:
                heapq.heappush(self._again, (0, row.id))

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("tokens", len(self._tokens), MAX_TOKENS)
        for part in (
            *(self.outbox, self.uplink, self.downlink, self.topics),
            *(self._sets, self.handovers, self.app, self._app_down),
        ):
            yield from part.fills()

    def receive(
        self, incoming: Any, payload: bytes, peer: str, token: bytes, may_speak: Any, now: int
    ) -> str | None:
        """Take a message of a UE (MSGin5G-6); returns which UE speaks, if it may.

        may_speak(ue): whether this UE may use the gateway. Raises BadMessage, UnsupportedType.
        """
        message = self._parse(payload)
        kind = message.msg_type
        if kind == n.MSGRESP:
            raise UnsupportedType(n.MSG_TYPE, "a gateway takes no MSGRESP from here")
        if kind in _CONTROL:
            ue = self._sets.receiver_at(message.set_id, peer)
        else:
            ue = message.origin[1] if message.origin[0] == n.UE else None
        fields = {**of_message(message), "ue": ue, "peer": peer}
        self._shared.log.message("rx", "MSGin5G-6", kind, **fields)
        if ue is None or not may_speak(ue) or ue in self._store.device_of:
            self._shared.counters["messages refused"] += 1
            named = {"ue": ue, "peer": peer, **named_of(message)}
            cause = gaps.CAUSE_NOT_ALLOWED
            self._shared.log.event("refused", what=kind, cause=cause, **named)
            self._shared.answer(incoming, coap.FORBIDDEN, cause.encode(), **named)
            return None
        if message.segment is not None:
            self._sets.note_sent(message.segment.set_id, ue, now)
        if kind == n.MSG:
            self._note_token(ue, message.message_id, token)
        self.uplink.take(UeRelay(incoming, ue, peer, token, payload, message, now), now)
        return ue

    def receive_north(self, incoming: Any, payload: bytes, now: int) -> None:
        """Take a message of the server (MSGin5G-1)."""
        shared = self._shared
        try:
            message = self._parse(payload)
            ue = self._target(message)
            kind = message.msg_type
            named = named_of(message)
            shared.log.message("rx", "MSGin5G-1", kind, **{**of_message(message), "ue": ue})
            if ue is None:
                shared.counters["deliveries_unknown"] += 1
                text = b"nobody here is meant"
                shared.north_answer(incoming, coap.NOT_FOUND, text, detail=kind, **named)
                return
            devices = self._app_down.devices(ue, message)
            if devices:
                self._app_down.receive(incoming, ue, devices, message, payload, now)
                return
        except BadMessage as problem:
            shared.counters["malformed: " + element(problem.key)] += 1
            shared.log.event("malformed", peer="server", reason=str(problem), bytes=len(payload))
            shared.north_answer(incoming, coap.BAD_REQUEST, str(problem).encode())
            return
        token = None
        if kind == n.MSGRESP:
            self.uplink.note_answer(payload, now)
            # It goes with the message that it answers: the UE's own Token (6.1 b).
            token = self._tokens.get((ue, message.message_id))
        if message.segment is not None:
            self._sets.note_received(message.segment.set_id, ue)
        self.downlink.take(ServerDelivery(incoming, ue, kind, payload, token, named), now)

    def noticed(self, row: Kept, code: int, now: int) -> None:
        """A UE took the report of a failure, or could not be reached: then again later."""
        if row.id not in self._store.outbox:
            return
        if code >= coap.INTERNAL_ERROR or code == coap.NOT_FOUND:
            attempts = self._attempts.get(row.id, 0)
            self._attempts[row.id] = attempts + 1
            pause = min(_FIRST_PAUSE_MS << min(attempts, 16), _LONGEST_PAUSE_MS)
            heapq.heappush(self._again, (now + pause, row.id))
            return
        self._shared.counters["failures_told"] += 1
        self._attempts.pop(row.id, None)
        self.outbox.drop(row)

    def north_answer(self, ref: Any, code: int, payload: bytes, now: int) -> None:
        """Take the server's answer to a message."""
        if isinstance(ref, Relay):
            self.uplink.answered(ref, code, payload, now)
        elif isinstance(ref, Resent):
            self.outbox.answered(ref, code, payload, now)

    def north_failed(self, ref: Any, reason: str, now: int) -> None:
        """The server did not answer a message."""
        if isinstance(ref, Relay):
            self.uplink.failed(ref, reason, now)
        elif isinstance(ref, Resent):
            self.outbox.failed(ref, reason, now)

    def south_answer(self, ref: Any, code: int, payload: bytes, now: int) -> None:
        """Take the answer of a UE to a message."""
        if isinstance(ref, Delivery):
            self.downlink.answered(ref, code, payload, now)
        elif isinstance(ref, Posted):
            self.handovers.answered(ref, code, payload, now)

    def south_failed(self, ref: Any, reason: str, now: int) -> None:
        """A UE did not answer a message."""
        if isinstance(ref, Delivery):
            self.downlink.failed(ref, reason, now)
        elif isinstance(ref, Posted):
            self.handovers.failed(ref, reason, now)

    def link_lost(self, peer: str, now: int) -> None:
        """The link to this peer is gone."""
        self.downlink.link_lost(peer, now)
        for device in self._store.devices.values():
            if device.peer == peer:
                self.handovers.link_lost(device.application_id, now)
                break

    def unanswered(self) -> list[Any]:
        """Return every request of a UE or device that waits here."""
        return self.uplink.unanswered() + self.app.unanswered() + self.topics.unanswered()

    def unanswered_north(self) -> list[Any]:
        """Return every request of the server that waits here."""
        return self.downlink.unanswered() + self.handovers.unanswered()

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        parts = (self.uplink, self.outbox, self.downlink, self.handovers, self._app_down)
        times = [part.next_deadline() for part in (*parts, self.topics)]
        times.append(self._again[0][0] if self._again else None)
        return min((one for one in times if one is not None), default=None)

    def poll(self, now: int) -> None:
        """Do what is due."""
        self.uplink.poll(now)
        self.topics.poll(now)
        self.downlink.poll(now)
        self.handovers.poll(now)
        self._app_down.poll(now)
        self.outbox.poll(now)
        while self._again and self._again[0][0] <= now:
            row = self._store.outbox.get(heapq.heappop(self._again)[1])
            if row is not None:
                self._tell(row, now)

    def _parse(self, payload: bytes) -> Message:
        message: Message = parse_message(payload)
        if message.service_id != self._shared.service_id:
            raise BadMessage(n.MSG_IDEN, "not this service")
        return message

    def _target(self, message: Message) -> str | None:
        """Return the UE that a message of the server is for. Raises BadMessage."""
        kind = message.msg_type
        if kind in _CONTROL:
            return self._sets.sender(message.set_id)
        if kind == n.MSG and message.recipient is not None:
            target = message.recipient
        else:
            address = message.origin if kind == n.MSGRESP else message.destination
            if address[0] != n.UE:
                key = n.ORI_ADDR if kind == n.MSGRESP else n.DEST_ADDR
                raise BadMessage(key, "a UE behind this gateway is wanted")
            target = address[1]
        return str(target)

    def _note_token(self, ue: str, message_id: str, token: bytes) -> None:
        """Remember the Token of a message for the MSGRESP that may answer it."""
        self._tokens[ue, message_id] = token
        if len(self._tokens) > MAX_TOKENS:
            self._tokens.popitem(last=False)

    def _note_row(self, row: Kept) -> None:
        """A message of the outbox leaves; the gateway may have been restarted since it came."""
        if row.kind == n.MSG:
            self._note_token(row.ue, row.message_id, row.token)

    def _tell(self, row: Kept, now: int) -> None:
        """Report to a UE that its message was refused after it had been acknowledged."""
        device = self._store.device_of.get(row.ue)
        if device is not None:
            item = ReportItem(False, uuid.uuid4().bytes, uuid.UUID(row.message_id).bytes)

            def done(code: int, text: bytes, now: int) -> None:
                self.noticed(row, code, now)

            self.handovers.take(Handover(device.application_id, [item], done), now)
            return
        report = Message()
        report.origin = (n.UE, self._shared.gateway_id)
        report.destination = (n.UE, row.ue)
        report.message_id = row.message_id
        report.status = n.FAILURE
        report.cause = row.cause
        payload = imdn(self._shared.service_id, report)
        self.downlink.take(Notice(self, row, payload), now)
