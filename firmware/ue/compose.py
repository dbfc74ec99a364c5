"""Messages and reports of a UE with an MSGin5G client as JSON, cut to what a frame carries."""

from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.jsontext import quote
from msgin5g.message_build import imdn, msg
from msgin5g.message_types import Entry, Message, Segment

# A segment of MSG (7.3.4.1) with all that this firmware sends, its strings and payload empty.
SKELETON_BYTES = 400
_LEAST_ROOM_BYTES = 64


class Composer:
    """max_bytes: the longest JSON that a frame carries; size_bytes: the longest payload."""

    def __init__(self, config, max_bytes):
        self.size_bytes = config["segment_bytes"]
        self._max_bytes = max_bytes
        self._ue = config["ue_service_id"]
        self._service = config["service_id"]

    def compose(self, item, at):
        """Return the JSON of an `Item`, or of its segment `at`."""
        message = self._addressed(item, item.id)
        if item.what == n.IMDN:
            _tell(message, item)
            return imdn(self._service, message)
        message.store = item.store
        message.expires_ms = item.expires_ms
        message.priority = item.priority
        if item.is_aggregate:
            message.entries = [_entry(item, one) for one in item.parts]
            return msg(self._service, message)
        if item.application is not None:
            message.applications = (item.application,)
        # The first segment alone asks for a report (TS 23.554 8.5.2).
        message.report = item.report and not at
        message.payload = item.parts[at]
        count = len(item.parts)
        if count > 1:
            message.segment = Segment(item.id, at + 1, count, at + 1 == count)
        return msg(self._service, message)

    def compose_reports(self, items, message_id):
        """Return the JSON of several reports to one originator (6.4.1.1.5)."""
        message = self._addressed(items[0], message_id)
        message.entries = [_tell(Entry(), item) for item in items]
        for entry, item in zip(message.entries, items):
            entry.message_id = item.id
        return imdn(self._service, message)

    def _addressed(self, item, message_id):
        message = Message()
        message.origin = (n.UE, self._ue)
        message.destination = (item.kind, item.to)
        message.message_id = message_id
        return message

    def room(self, item):
        """Return how much JSON the payload of a message may be. Raises CallerError."""
        room = self._max_bytes - SKELETON_BYTES
        for text in (self._service, self._ue, item.to, item.application or ""):
            room -= quoted(text)
        if room < _LEAST_ROOM_BYTES:
            raise CallerError("the addresses leave no room for a payload")
        return room

    def cut(self, item):
        """Cut a payload that is over the segment size, or too long for a frame once it is JSON.

        Raises CallerError.
        """
        room = self.room(item)
        text = "".join(item.parts)
        size = self.size_bytes
        if len(text.encode()) <= size and quoted(text) <= room:
            item.parts = (text,)
            return
        from msgin5g.splitting import split

        while True:
            item.parts = split(text, size)
            if max([quoted(part) for part in item.parts]) <= room:
                return
            size = size * 2 // 3


def quoted(text):
    """Return how many bytes a text is in JSON, its quotation marks not counted."""
    return len(quote(text).encode()) - 2


def _tell(report, item):
    report.status = n.SUCCESS if item.success else n.FAILURE
    report.cause = item.cause
    return report


def _entry(item, part):
    entry = Entry()
    entry.message_id, entry.payload = part
    entry.report = item.report
    entry.priority = item.priority
    if item.application is not None:
        entry.applications = (item.application,)
    return entry
