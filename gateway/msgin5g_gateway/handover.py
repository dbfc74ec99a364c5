"""Messages and reports handed to devices (6.4.2.2.1, 6.4.2.2.3), in the form that a device speaks.

One of them is with a device at a time, the others wait in a bounded queue. In the CoAP form the
exchange layer repeats it; an L3 request is repeated here, at the pace of a Confirmable message.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from msgin5g import app_client, coap, l3
from msgin5g import names as n
from msgin5g.codes import code_text
from msgin5g.errors import CallerError
from msgin5g.payload_errors import BadMessage
from msgin5g_gateway.downlink import TOO_LARGE
from msgin5g_gateway.effects import Shared
from msgin5g_gateway.store import Device
from msgin5g_gateway.traffic import DELIVERED, DEVICE, DOWN, FAILED, FULL
from msgin5g_host.fill import Fill

MAX_HANDOVERS = 1_000
MAX_HANDOVERS_OF_ONE = 16
HANDOVER_TIMEOUT_MS = 90_000
_FIRST_PAUSE_MS = 2_000
_MAX_RETRANSMIT = 4
# An L3 response names no request. After repetitions the answers to the copies pass first: each is
# expected as long after its copy as the answer came after the first, and a margin; after silence,
# as long as a last copy is waited for.
_MARGIN_MS = 2_000
_SILENCE_MS = 32_000
_NO_ROOM = "no room"


class Item:
    """A MESSAGE RECEIVED REQUEST; its attributes are those of `l3.L3Message`."""

    kind = l3.MESSAGE_RECEIVED_REQUEST
    what = n.MSG

    def __init__(
        self,
        message_id: bytes,
        payload: bytes,
        originator: str | None = None,
        group: str | None = None,
        report: bool = False,
        priority: str | None = None,
    ) -> None:
        self._fields = (message_id, payload, originator, group, report or None, priority)
        self.trace: str = app_client.uuid_text(message_id)

    def build(self, speaks_l3: bool) -> bytes:
        """Return the frame or the JSON. Raises CallerError for what the form cannot carry."""
        build = l3.message_received_request if speaks_l3 else app_client.received_request
        data: bytes = build(*self._fields)
        return data


class ReportItem:
    """A DELIVERY REPORT RECEIVED REQUEST. message_id: of the report; reply_to: of the message."""

    kind = l3.DELIVERY_REPORT_RECEIVED_REQUEST
    what = n.IMDN

    def __init__(self, success: bool, message_id: bytes, reply_to: bytes) -> None:
        self._fields = (success, message_id, reply_to)
        self.trace: str = app_client.uuid_text(reply_to)

    def build(self, speaks_l3: bool) -> bytes:
        """Return the frame or the JSON."""
        if speaks_l3:
            frame: bytes = l3.delivery_report_received_request(*self._fields)
            return frame
        payload: bytes = app_client.report_received_request(*self._fields)
        return payload


class Handover:
    """What a device gets, one after the other; `done(code, text, now)` hears of the outcome, once.

    2.04: all of it was taken; 4.00: the device refused; 4.04, 4.13, 5.03, 5.04: it could not be
    brought. incoming: the request of the server that waits for this, or None.
    """

    def __init__(
        self,
        application_id: int,
        items: list[Item | ReportItem],
        done: Callable[[int, bytes, int], None],
        incoming: Any = None,
    ) -> None:
        self.application_id = application_id
        self.items = deque(items)
        self.done = done
        self.incoming = incoming
        self.until_ms = 0


_Ended = tuple[Handover, int, bytes]


class Posted:
    """An item at a device in the CoAP form."""

    def __init__(self, application_id: int, ue: str | None, trace: str) -> None:
        self.application_id = application_id
        self.ue = ue
        self.named = {"trace": trace}


class _Box:
    """A device's queue. The first item of its first handover is with the device when it was sent.

    tries: how often it was sent, first at first_ms, last at last_ms; sent: the reference of its
    POST; due_ms: when an L3 request is repeated or given up, or when a pause is over that waits
    for the answers to `copies` of an L3 request that is done with.
    """

    __slots__ = (
        "application_id",
        "queue",
        "tries",
        "first_ms",
        "last_ms",
        "pause_ms",
        "due_ms",
        "copies",
        "sent",
    )

    def __init__(self, application_id: int) -> None:
        self.application_id = application_id
        self.queue: deque[Handover] = deque()
        self.tries = 0
        self.first_ms = 0
        self.last_ms = 0
        self.pause_ms = 0
        self.due_ms: int | None = None
        self.copies = 0
        self.sent: Posted | None = None

    def is_idle(self) -> bool:
        """Tell whether nothing has to be waited for."""
        return self.due_ms is None and self.sent is None


class Handovers:
    """Bring messages and reports to the devices that have registered."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._store = shared.store
        self._boxes: dict[int, _Box] = {}
        self._open: dict[Handover, None] = {}

    def __len__(self) -> int:
        return len(self._open)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("handovers", len(self._open), MAX_HANDOVERS)

    def take(self, handover: Handover, now: int) -> None:
        """Take a handover; its `done` is called now or later, after 90 s at the latest."""
        box = self._boxes.get(handover.application_id)
        full = box is not None and len(box.queue) >= MAX_HANDOVERS_OF_ONE
        if full or len(self._open) >= MAX_HANDOVERS:
            self._shared.counters["handovers_full"] += 1
            self._shared.traffic.note(DOWN, DEVICE, FULL)
            handover.done(coap.UNAVAILABLE, b"too many messages at once, try again later", now)
            return
        handover.until_ms = now + HANDOVER_TIMEOUT_MS
        self._open[handover] = None
        if box is None:
            box = self._boxes[handover.application_id] = _Box(handover.application_id)
        box.queue.append(handover)
        if len(box.queue) == 1:
            self._go_on(box, [], now)

    def responded(self, device: Device, success: bool, cause: int | None, now: int) -> None:
        """MESSAGE RECEIVED RESPONSE in the L3 form: it answers what is with the device."""
        box = self._boxes.get(device.application_id)
        if box is None or not box.tries or box.sent is not None:
            self._shared.counters["stray L3 messages"] += 1
            if box is not None and box.copies:
                box.copies -= 1
                box.due_ms = box.due_ms if box.copies else now
        elif success:
            self._end(box, coap.CHANGED, b"", now)
        else:
            text = l3.CAUSES[cause or l3.CAUSE_PROTOCOL_ERROR].encode()
            self._end(box, coap.BAD_REQUEST, text, now)

    def answered(self, posted: Posted, code: int, payload: bytes, now: int) -> None:
        """A device answered a POST."""
        box = self._boxes.get(posted.application_id)
        if box is None or box.sent is not posted:
            self._shared.counters["late_answers"] += 1
        elif code >= coap.INTERNAL_ERROR:
            self._end(box, coap.UNAVAILABLE, bytes(payload), now)
        elif code >= coap.BAD_REQUEST:
            text = bytes(payload) or code_text(code).encode()
            self._end(box, coap.BAD_REQUEST, text, now)
        else:
            refusal = _refusal(payload)
            code = coap.CHANGED if refusal is None else coap.BAD_REQUEST
            self._end(box, code, refusal or b"", now)

    def failed(self, posted: Posted, reason: str, now: int) -> None:
        """A device did not answer a POST."""
        box = self._boxes.get(posted.application_id)
        if box is None or box.sent is not posted:
            return
        if reason == TOO_LARGE:
            self._end(box, coap.TOO_LARGE, b"too large for the link to this device", now)
        elif reason == _NO_ROOM:
            self._end(box, coap.UNAVAILABLE, b"too many requests to this device", now)
        else:
            self._give_up(box, now)

    def link_lost(self, application_id: int, now: int) -> None:
        """The link to a device is gone."""
        box = self._boxes.get(application_id)
        if box is not None:
            self._give_up(box, now)
            if box.due_ms is not None:
                # No copy is on its way over it either.
                box.due_ms = now + _MARGIN_MS

    def with_device(self, application_id: int) -> str | None:
        """Return the trace of what a device has got and not answered, or None."""
        box = self._boxes.get(application_id)
        return box.queue[0].items[0].trace if box is not None and box.tries else None

    def next_deadline(self) -> int | None:
        """Return when `poll` is due, or None."""
        times = [box.due_ms for box in self._boxes.values() if box.due_ms is not None]
        if self._open:
            times.append(next(iter(self._open)).until_ms)
        return min(times, default=None)

    def poll(self, now: int) -> None:
        """Repeat L3 requests, go on after a pause, give up what takes too long."""
        for box in list(self._boxes.values()):
            if box.due_ms is None or now < box.due_ms:
                continue
            if box.tries > _MAX_RETRANSMIT:
                self._give_up(box, now)
            else:
                box.due_ms = None
                self._go_on(box, [], now)
        while self._open:
            oldest = next(iter(self._open))
            if now < oldest.until_ms:
                break
            self._give_up(self._boxes[oldest.application_id], now)

    def unanswered(self) -> list[Any]:
        """Return every request of the server that waits here."""
        return [one.incoming for one in self._open if one.incoming is not None]

    def _go_on(self, box: _Box, ended: list[_Ended], now: int) -> None:
        """Send until something has to be waited for; then let those hear that have ended."""
        while box.queue and box.is_idle():
            outcome = self._send(box, now)
            if outcome is not None:
                self._close(box, *outcome, ended, now)
        if not box.queue and box.is_idle():
            self._boxes.pop(box.application_id, None)
        for handover, code, text in ended:
            handover.done(code, text, now)

    def _send(self, box: _Box, now: int) -> tuple[int, bytes] | None:
        """Send the first item, for the first time or again; return its outcome if that is all."""
        shared = self._shared
        device = self._store.devices.get(box.application_id)
        if device is None:
            return coap.NOT_FOUND, b"the device is not registered"
        item = box.queue[0].items[0]
        name = l3.NAMES[item.kind]
        try:
            data = item.build(device.speaks_l3)
        except CallerError as problem:
            return coap.TOO_LARGE, str(problem).encode()
        if device.speaks_l3 and len(data) > shared.frame_limit(device.peer):
            return coap.TOO_LARGE, b"too large for the link to this device"
        box.tries += 1
        if not device.speaks_l3:
            box.sent = Posted(box.application_id, device.ue, item.trace)
            how = (data, None, None, device.ue, "MSGin5G-5")
            shared.post(box.sent, device.peer, name, *how, trace=item.trace)
            return None
        shared.frame(device.peer, data, name, ue=device.ue, trace=item.trace)
        if item.kind == l3.DELIVERY_REPORT_RECEIVED_REQUEST:
            # The L3 form has no answer to it.
            return coap.CHANGED, b""
        if box.tries == 1:
            box.first_ms, box.copies = now, 0
        box.last_ms = now
        box.pause_ms = _FIRST_PAUSE_MS if box.tries == 1 else box.pause_ms * 2
        box.due_ms = now + box.pause_ms
        return None

    def _close(self, box: _Box, code: int, text: bytes, ended: list[_Ended], now: int) -> None:
        """The first item is done with, and its handover with it if it was the last or failed."""
        if box.tries:
            box.due_ms = None
            if box.sent is None and box.queue[0].items[0].kind == l3.MESSAGE_RECEIVED_REQUEST:
                self._pause(box, code in (coap.CHANGED, coap.BAD_REQUEST), now)
            box.tries, box.sent = 0, None
        handover = box.queue[0]
        if code == coap.CHANGED:
            self._delivered(box, handover.items.popleft())
            if handover.items:
                return
        self._shared.counters["handovers: " + code_text(code)] += 1
        self._shared.traffic.note(DOWN, DEVICE, DELIVERED if code == coap.CHANGED else FAILED)
        box.queue.popleft()
        del self._open[handover]
        ended.append((handover, code, text))

    def _delivered(self, box: _Box, item: Item | ReportItem) -> None:
        device = self._store.devices.get(box.application_id)
        ue = None if device is None else device.ue
        self._shared.log.step("delivered", what=item.what, ue=ue, trace=item.trace)

    def _pause(self, box: _Box, answered: bool, now: int) -> None:
        """Let answers pass that belong to copies of the L3 request which is done with."""
        box.copies = box.tries - answered
        if box.copies:
            wait_ms = now - box.first_ms if answered else _SILENCE_MS
            box.due_ms = max(box.last_ms + wait_ms, now) + _MARGIN_MS

    def _end(self, box: _Box, code: int, text: bytes, now: int) -> None:
        ended: list[_Ended] = []
        self._close(box, code, text, ended, now)
        self._go_on(box, ended, now)

    def _give_up(self, box: _Box, now: int) -> None:
        """This device is not there: what it has and what waits behind it are 5.04."""
        self._shared.log.event(
            "undelivered", application=box.application_id, messages=len(box.queue)
        )
        ended: list[_Ended] = []
        while box.queue:
            self._close(box, coap.GATEWAY_TIMEOUT, b"the device does not answer", ended, now)
        self._go_on(box, ended, now)


def _refusal(payload: bytes) -> bytes | None:
    """Return why a device refused what it was posted, or None; an empty answer is a yes."""
    if not payload:
        return None
    try:
        answer = app_client.parse_request(payload)
    except BadMessage as problem:
        return f"the device's answer: {problem}".encode()
    if answer.msg_type == l3.MESSAGE_RECEIVED_RESPONSE and not answer.success:
        return (answer.cause or l3.CAUSES[l3.CAUSE_PROTOCOL_ERROR]).encode()
    return None
