"""Messages and reports that wait to be sent: bounded, and kept across a reboot.

A message that the next hop takes at once never touches the flash memory. What has waited for a
while is saved, and again when that has changed, but rarely.
"""

from msgin5g import names as n

SAVE_AFTER_MS = 5000
SAVE_EVERY_MS = 60000


class Item:
    """A message (MSG) or a delivery report (IMDN) on its way out.

    id: Message ID as text, of a report that of the message it speaks of; kind, to: the recipient;
    parts: the payload as text, in segments if it has more than one, or [[id, text], ...] of an
    aggregate; cause: of a report that says failure, else None; at: the segment that is next;
    expires_ms: see `Postman.send`, not kept across a reboot; is_doubted: it was refused once,
    for a reason that may not be its own.
    """

    def __init__(self, what, message_id, kind, to):
        self.what = what
        self.id = message_id
        self.kind = kind
        self.to = to
        self.parts = ("",)
        self.is_aggregate = False
        self.report = False
        self.store = False
        self.success = True
        self.priority = n.NORMAL
        self.application = None
        self.cause = None
        self.expires_ms = None
        self.at = 0
        self.is_doubted = False

    def size_bytes(self):
        """Return what it takes, roughly."""
        texts = [one[1] for one in self.parts] if self.is_aggregate else self.parts
        return 100 + len(self.to) + sum([len(one.encode()) for one in texts])

    def row(self):
        """Return it as JSON values."""
        parts = self.parts if self.is_aggregate else "".join(self.parts)
        flags = self.report | self.store << 1 | self.success << 2
        more = (flags, self.priority, self.application, self.cause)
        return [self.what, self.id, self.kind, self.to, parts] + list(more)


def from_row(row):
    """Return the Item of a row, or None if the row is damaged."""
    try:
        what, message_id, kind, to, parts, flags, priority, application, cause = row
        item = Item(what, message_id, kind, to)
        item.is_aggregate = parts.__class__ is list
        item.parts = parts if item.is_aggregate else [parts]
        item.report = bool(flags & 1)
        item.store = bool(flags & 2)
        item.success = bool(flags & 4)
        item.priority = priority
        item.application = application
        item.cause = cause
        item.size_bytes()
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        return None
    if (what != n.MSG and what != n.IMDN) or message_id.__class__ is not str:
        return None
    return item


class Outbox:
    """The items in their order. kept: a `Kept`, whose `outbox` is what is saved."""

    def __init__(self, config, kept):
        self._most = config["outbox_messages"]
        self._most_bytes = config["outbox_bytes"]
        self._kept = kept
        self._saved = []
        self._save_at = None
        self._last_save = -SAVE_EVERY_MS
        self.items = []
        for row in kept.outbox:
            item = from_row(row)
            if item is not None:
                self.items.append(item)
                self._saved.append(item.id + item.what)

    def put(self, item, busy, now):
        """Add an item; returns what had to go for it, oldest first. busy: what has to stay."""
        self.items.append(item)
        gone = []
        while len(self.items) > self._most or self._size_bytes() > self._most_bytes:
            for oldest in self.items:
                if oldest is not busy:
                    break
            if oldest is item:
                break
            self.items.remove(oldest)
            gone.append(oldest)
        self._changed(now)
        return gone

    def fits(self, item):
        """Tell whether there is ever room for an item."""
        return item.size_bytes() <= self._most_bytes

    def remove(self, item, now):
        """Take an item out."""
        if item in self.items:
            self.items.remove(item)
            self._changed(now)

    def is_due(self, now):
        """Tell whether the items have to be saved now; `Kept.outbox` then is what they are."""
        if self._save_at is None or now < self._save_at:
            return False
        self._kept.outbox = [item.row() for item in self.items]
        self._saved = self._names()
        self._save_at = None
        self._last_save = now
        return True

    def next_deadline(self):
        """Return when `is_due` will be true, or None."""
        return self._save_at

    def _changed(self, now):
        if self._names() == self._saved:
            self._save_at = None
        elif self._save_at is None:
            self._save_at = max(now + SAVE_AFTER_MS, self._last_save + SAVE_EVERY_MS)

    def _names(self):
        return [item.id + item.what for item in self.items]

    def _size_bytes(self):
        return sum([item.size_bytes() for item in self.items])
