"""Messages and reports of the server for devices (6.4.2.2.1, 6.4.2.2.3): whole, one by one.

A device has no MSGin5G client; for it the gateway is one. It takes aggregates apart, joins
segments and puts each message into the form that the device speaks.
"""

import uuid
from collections.abc import Iterator
from typing import Any

from msgin5g import app_client, coap
from msgin5g import names as n
from msgin5g.message import Entry, Message, parse_message, segconfir, segrec
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.app_up import AppUplink, DeviceRelay
from msgin5g_gateway.device_sets import DeviceSets, Whole
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.handover import Handover, Handovers, Item, ReportItem
from msgin5g_gateway.store import Device
from msgin5g_gateway.uplink import Uplink
from msgin5g_host.fill import Fill
from msgin5g_host.log_fields import named_of

_PRIORITIES = {n.HIGH: "HIGH", n.LOW: "LOW"}


class AppDownlink:
    """Bring what the server sends to devices."""

    def __init__(
        self, shared: Shared, app: AppUplink, uplink: Uplink, handovers: Handovers, now: int
    ) -> None:
        self._shared = shared
        self._store = shared.store
        self._app = app
        self._uplink = uplink
        self._handovers = handovers
        self._sets = DeviceSets(shared, now)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield from self._sets.fills()

    def devices(self, recipient: str, message: Message) -> list[Device]:
        """Return the devices that a message is for: its recipient, or those that it names.

        A message to the gateway itself is for the applications that its Application IDs name.
        """
        device = self._store.device_of.get(recipient)
        if device is not None:
            return [device]
        if recipient != self._shared.gateway_id or message.msg_type != n.MSG:
            return []
        wanted = [one for entry in message.entries or [message] for one in entry.applications]
        numbers = [int(one) for one in wanted if one.isascii() and one.isdigit()]
        return [self._store.devices[one] for one in numbers if one in self._store.devices]

    def receive(
        self,
        incoming: Any,
        recipient: str,
        devices: list[Device],
        message: Message,
        payload: bytes,
        now: int,
    ) -> None:
        """Take a message of the server for devices. Raises BadMessage."""
        kind = message.msg_type
        self._shared.counters["messages to devices: " + kind] += 1
        if kind == n.MSG:
            self._on_msg(incoming, recipient, devices, message, payload, now)
            return
        items: list[Item | ReportItem] = []
        if kind == n.IMDN:
            for one in message.entries or [message]:
                items.append(_report(one.status == n.SUCCESS, one.message_id))
        elif kind == n.MSGRESP:
            wanted = self._app.wants_report(recipient, message.message_id)
            if message.status == n.FAILURE and wanted:
                items.append(_report(False, message.message_id))
            named = {"message": message.message_id, "trace": message.message_id}
            self._shared.log.event("msgresp", ue=recipient, status=message.status, **named)
        else:
            self._app.send_again(message, now)
        self._hand_over(incoming, devices[:1], [items], named_of(message), now)

    def poll(self, now: int) -> None:
        """Ask for segments that are missing, and say which sets are given up."""
        for (recipient, _, set_id), missing in self._sets.poll(now):
            if missing is None:
                self._control(recipient, segconfir(self._shared.service_id, set_id, False), now)
            else:
                payload = segrec(self._shared.service_id, set_id, missing)
                self._control(recipient, payload, now)

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        return self._sets.next_deadline()

    def _on_msg(
        self,
        incoming: Any,
        recipient: str,
        devices: list[Device],
        message: Message,
        payload: bytes,
        now: int,
    ) -> None:
        whole = None
        if message.segment is not None:
            whole = self._sets.take(recipient, message, payload, now)
            if whole is None:
                named = {"ue": recipient, **named_of(message)}
                self._shared.north_answer(incoming, coap.CHANGED, b"", **named)
                return
            message = whole.message
        lists = []
        for device in devices:
            lists.append([self._item(one, message) for one in self._entries(device, message)])
            for one in self._entries(device, message):
                if one.report:
                    message_id = app_client.uuid_bytes(one.message_id)
                    self._app.note_reportable(device, message_id, recipient, message.origin)
        self._hand_over(incoming, devices, lists, named_of(message), now, whole)

    def _entries(self, device: Device, message: Message) -> list[Message | Entry]:
        """Return the messages of an aggregate that are for a device, or the message itself."""
        if message.entries is None:
            return [message]
        if device.ue is not None:
            return list(message.entries)
        number = str(device.application_id)
        return [one for one in message.entries if number in one.applications]

    def _item(self, one: Message | Entry, message: Message) -> Item | ReportItem:
        group = message.destination[1] if message.destination[0] == n.GROUP else None
        return Item(
            app_client.uuid_bytes(one.message_id),
            _octets(one.payload or ""),
            None if group else message.origin[1],
            group,
            one.report,
            _PRIORITIES.get(one.priority),
        )

    def _hand_over(
        self,
        incoming: Any,
        devices: list[Device],
        lists: list[list[Any]],
        named: dict[str, Any],
        now: int,
        whole: Whole | None = None,
    ) -> None:
        """Give each device its list; the server hears the worst outcome when all are known.

        named: the fields of the message in logs.
        """
        codes: list[tuple[int, bytes]] = []
        pairs = [pair for pair in zip(devices, lists, strict=True) if pair[1]]

        def done(code: int, text: bytes, now: int) -> None:
            codes.append((code, text))
            if len(codes) < len(pairs):
                return
            worst = max(codes)
            self._shared.north_answer(incoming, *worst, **named)
            if whole is not None:
                self._ended(whole, worst[0], now)

        if not pairs:
            self._shared.north_answer(incoming, coap.CHANGED, b"", **named)
        for number, (device, items) in enumerate(pairs):
            waits = incoming if number == 0 else None
            self._handovers.take(Handover(device.application_id, items, done, waits), now)

    def _ended(self, whole: Whole, code: int, now: int) -> None:
        """A message in segments was taken or refused; one that could not be brought is kept."""
        if code >= coap.INTERNAL_ERROR or code == coap.NOT_FOUND:
            return
        self._sets.drop(whole.key)
        result = code < coap.BAD_REQUEST
        payload = segconfir(self._shared.service_id, whole.key[2], result)
        self._control(whole.key[0], payload, now)

    def _control(self, recipient: str, payload: bytes, now: int) -> None:
        """Send SEGREC or SEGCONFIR for a device; who gets none is not asked again here."""
        message = parse_message(payload)
        relay = DeviceRelay(self._app, None, recipient, "", b"", payload, message, now)
        self._uplink.take(relay, now)


def _report(success: bool, message_id: str) -> ReportItem:
    """Return the report on a message; an IMDN has no id of its own (6.4.2.2.3)."""
    return ReportItem(success, uuid.uuid4().bytes, app_client.uuid_bytes(message_id))


def _octets(text: str) -> bytes:
    """Return the octets of a payload; what only looks like a data URI is a text."""
    try:
        data: bytes = app_client.from_text(text)
    except BadMessage:
        return text.encode()
    return data
