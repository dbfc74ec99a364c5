"""What leaves for a recipient: stripped, cut to its segment size, or several in an aggregate."""

import copy
import uuid
from collections.abc import Iterator

from msgin5g import names as n
from msgin5g.limits import MAX_AGGREGATED
from msgin5g.message import Entry, Message, Segment, imdn, msg
from msgin5g.segments import Outbox, SegmentSet, split
from msgin5g_host.config import Settings
from msgin5g_host.fill import Fill
from msgin5g_server.message_store import Delivery
from msgin5g_server.routes import Routes

MAX_MADE_SETS = 200
_MADE_KEPT_MS = 600_000
# What the JSON of an entry takes besides its payload, roughly.
_ENTRY_BYTES = 80


class Packer:
    """Build payloads by the delivery rules (6.4.1.2.6, 6.4.1.2.7, 6.4.1.2.9)."""

    def __init__(self, settings: Settings, routes: Routes) -> None:
        self._routes = routes
        self._service_id: str = settings["server.service_id"]
        self._keeps_priority: bool = settings["server.keep_priority"]
        self._aggregates: bool = settings["server.aggregate"]
        self._made = Outbox(MAX_MADE_SETS, _MADE_KEPT_MS)

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("made_sets", len(self._made), MAX_MADE_SETS)

    def pack(self, recipient: str, waiting: list[Delivery]) -> tuple[list[Delivery], bytes]:
        """Return the first deliveries that travel in one POST, and its payload."""
        batch = waiting[:1]
        if self._aggregates:
            batch = self._alike(waiting, self._routes.segment_bytes(recipient))
        first = batch[0].body.message
        if first.msg_type not in (n.MSG, n.IMDN):
            return batch, batch[0].body.payload
        if len(batch) > 1:
            message = copy.copy(first)
            message.message_id = str(uuid.uuid4())
            message.entries = [_entry(one.body.message) for one in batch]
            message.payload = message.status = message.cause = None
            message.applications = ()
            message.report = False
            message.priority = n.NORMAL
        else:
            message = first
        if message.msg_type == n.IMDN:
            return batch, imdn(self._service_id, message)
        if message.destination[0] in (n.GROUP, n.TOPIC):
            message = copy.copy(message)
            message.recipient = recipient
        return batch, msg(
            self._service_id, message, keep_store=False, keep_priority=self._keeps_priority
        )

    def pieces(self, message: Message, size: int, now: int) -> list[Message]:
        """Return a message as what a recipient of this segment size can take.

        A large payload becomes segments of a new set, a large aggregate several smaller ones.
        """
        if message.entries is not None:
            return self._smaller(message, size)
        payload = message.payload or ""
        if message.segment is not None or len(payload.encode()) <= size:
            return [message]
        texts = split(payload, size)
        set_id = str(uuid.uuid4())
        made = []
        for number, text in enumerate(texts, 1):
            piece = copy.copy(message)
            piece.payload = text
            piece.report = message.report and number == 1
            last = number == len(texts)
            piece.segment = Segment(set_id, number, len(texts), last)
            made.append(piece)
        self._made.put(set_id, [self.whole(one) for one in made], now)
        return made

    def made(self, control: Message, now: int) -> list[bytes] | None:
        """Return the segments made here that a SEGREC asks for, [] for SEGCONFIR, None if the
        set was not made here."""
        pieces = self._made.get(control.set_id, now)
        if pieces is None:
            return None
        if control.msg_type == n.SEGCONFIR:
            self._made.drop(control.set_id)
            return []
        wanted: list[bytes] = []
        for first, last in control.ranges:
            wanted += pieces[max(first - 1, 0) : last]
        return wanted

    def joined(self, found: SegmentSet) -> Message:
        """Return the message that a whole set of segments is."""
        message = copy.copy(found.first)
        message.segment = None
        message.payload = found.joined()
        message.report = found.report
        return message

    def whole(self, message: Message) -> bytes:
        """Return a message with all its elements, as it is kept."""
        build = imdn if message.msg_type == n.IMDN else msg
        return build(self._service_id, message)

    def _smaller(self, message: Message, size: int) -> list[Message]:
        """Take entries off the end of an aggregate until it fits; the rest likewise."""
        parts: list[list[Entry]] = [[]]
        used = 0
        for entry in message.entries:
            needed = len((entry.payload or "").encode())
            if parts[-1] and used + needed > size:
                parts.append([])
                used = 0
            parts[-1].append(entry)
            used += needed
        if len(parts) == 1:
            return [message]
        made = []
        for number, entries in enumerate(parts):
            piece = copy.copy(message)
            piece.entries = entries
            if number:
                piece.message_id = str(uuid.uuid4())
            made.append(piece)
        return made

    def _alike(self, waiting: list[Delivery], size: int) -> list[Delivery]:
        """Return the first ones that may travel in one aggregate."""
        first = waiting[0].body.message
        if not _may_join(first):
            return waiting[:1]
        batch: list[Delivery] = []
        used = 0
        for delivery in waiting:
            message = delivery.body.message
            used += len((message.payload or "").encode()) + _ENTRY_BYTES
            same = (
                message.msg_type == first.msg_type
                and message.origin == first.origin
                and message.destination == first.destination
                and message.priority == first.priority
            )
            if not same or not _may_join(message) or batch and used > size:
                break
            batch.append(delivery)
            if len(batch) == MAX_AGGREGATED:
                break
        return batch


def apart(message: Message) -> list[Message]:
    """Return the messages or reports of an aggregate (6.4.1.1.7), or what is none as it is."""
    if message.entries is None:
        return [message]
    made = []
    for entry in message.entries:
        one = copy.copy(message)
        one.entries = None
        for name, value in vars(entry).items():
            setattr(one, name, value)
        made.append(one)
    return made


def _may_join(message: Message) -> bool:
    if message.entries is not None or message.segment is not None:
        return False
    if message.msg_type == n.IMDN:
        return True
    return message.msg_type == n.MSG and message.priority != n.HIGH and message.payload is not None


def _entry(message: Message) -> Entry:
    entry = Entry()
    entry.message_id = message.message_id
    entry.applications = message.applications
    entry.report = message.report
    entry.payload = message.payload
    entry.priority = message.priority
    entry.status = message.status
    entry.cause = message.cause
    return entry
