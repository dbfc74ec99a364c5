"""What sends the messages of a UE in every mode: one at a time, and again after an outage."""

import os

from msgin5g import checks
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.octets import to_text, uuid_text
from msgin5g.payload_errors import BadMessage
from ue.machine import sooner
from ue.outbox import Item, Outbox

MAX_SEEN = 48


class Received:
    """A message that arrived. payload: bytes; origin: (type, text) or None; message_id: text;
    applications: Application IDs as text; priority: "HIGH", "NORMAL" or "LOW"; group: the group
    or topic that it was sent to, or None; report: its sender wants a delivery report."""

    def __init__(self, message_id, origin, payload):
        self.message_id = message_id
        self.origin = origin
        self.payload = payload
        self.applications = ()
        self.priority = n.NORMAL
        self.group = None
        self.report = False


class Seen:
    """The last keys that came, to tell a repeated message from a new one."""

    def __init__(self, limit=MAX_SEEN):
        self._limit = limit
        self._keys = []

    def __contains__(self, key):
        return key in self._keys

    def add(self, key):
        """Note a key, forgetting the oldest."""
        self._keys.append(key)
        if len(self._keys) > self._limit:
            self._keys.pop(0)


def new_id():
    """Return a random UUID (RFC 4122 version 4) as text."""
    data = bytearray(os.urandom(16))
    data[6] = data[6] & 0x0F | 0x40
    data[8] = data[8] & 0x3F | 0x80
    return uuid_text(data)


class Postman:
    """Outbox, pauses and outcomes. A subclass sends in `_start` and says what it takes.

    core: the `Machine` that it belongs to, which gets its events:
    ("received", Received), ("report", message_id, success, cause),
    ("response", message_id, status, cause) and, of what was sent,
    ("outcome", message_id, cause), with the cause None when the next hop has taken it.
    """

    kinds = (n.UE, n.AS, n.GROUP)

    def __init__(self, core, config, kept):
        self.current = None
        self._core = core
        self._config = config
        self._seen = Seen()
        self._outbox = Outbox(config, kept)
        self._retry_at = None
        self._failures = 0

    def send(self, to, payload, options, now, expires_ms=None):
        """Take a message for sending; returns its Message ID. Raises CallerError.

        options: (kind, report, store, priority, application); expires_ms: until when the server
        may store it, in milliseconds since 1970, for a UE that knows the time.
        """
        item = self._item(to, payload, options)
        item.expires_ms = expires_ms
        self._put(item, now)
        return item.id

    def report(self, message, success, cause, now):
        """Send the delivery report on a `Received`."""
        item = Item(n.IMDN, message.message_id, message.origin[0], message.origin[1])
        item.success = bool(success)
        item.cause = None if success else cause
        self._put(item, now)

    def tick(self, may_send, now):
        """Do what is due. may_send: the UE is registered, and asks for nothing itself."""
        if self._outbox.is_due(now):
            self._core.save()
        while may_send and self.current is None and not self._pauses(now):
            job = self._next()
            if job is None:
                return
            self.current = job
            try:
                self._start(job, now)
            except CallerError as problem:
                self.refused(str(problem), now)

    def next_deadline(self, may_send):
        """Return when `tick` is due, or None."""
        due = self._outbox.next_deadline()
        if may_send and self.current is None and self._next() is not None:
            due = sooner(due, 0 if self._retry_at is None else self._retry_at)
        return due

    def is_idle(self):
        """Tell whether nothing is under way and nothing waits."""
        return self.current is None and self._next() is None

    def wake(self):
        """The UE is registered again: no pause any more."""
        self._retry_at = None
        self._failures = 0

    def interrupted(self):
        """What was under way was cut off; it is sent again."""
        self.current = None

    def taken(self, now):
        """The next hop has taken what is under way."""
        item, self.current = self.current, None
        self.wake()
        item.at += 1
        if item.at < len(item.parts) and not item.is_aggregate:
            return
        self._outbox.remove(item, now)
        self._core.counters["messages_sent"] += 1
        self._gone(item, None)

    def refused(self, cause, now):
        """The next hop said no to what is under way."""
        item, self.current = self.current, None
        self._core.counters["messages_refused"] += 1
        self._outbox.remove(item, now)
        self._gone(item, cause)

    def later(self, reason, now):
        """The next hop is away, or says "not now": all wait."""
        self.current = None
        config = self._config
        delay_s = config["backoff_min_s"] << min(self._failures, 16)
        delay_ms = self._core.spread(min(delay_s, config["backoff_max_s"]) * 1000)
        self._failures += 1
        self._retry_at = now + delay_ms
        self._core.emit(("waiting", {"reason": reason, "retry_s": delay_ms // 1000}))

    def _next(self):
        """Return what is sent next, or None."""
        return self._outbox.items[0] if self._outbox.items else None

    def _start(self, item, now):
        """Send an item; `taken`, `refused`, `later` or `interrupted` follows."""
        raise NotImplementedError

    def _prepare(self, item):
        """Raise CallerError if an item can never be sent."""
        raise NotImplementedError

    def _pauses(self, now):
        return self._retry_at is not None and now < self._retry_at

    def send_several(self, to, payloads, options, now):
        """Take messages that may travel together; returns their Message IDs in order."""
        raise CallerError("a device without an MSGin5G client sends one message at a time")

    def topics(self):
        """Return the topics of a UE."""
        raise CallerError("a device without an MSGin5G client has no topics")

    def _item(self, to, payload, options):
        """Return a message that can be sent. Raises CallerError."""
        kind, report, store, priority, application = options
        if kind not in self.kinds:
            raise CallerError("kind: one of %s is wanted" % ", ".join(self.kinds))
        if priority not in (n.HIGH, n.NORMAL, n.LOW):
            raise CallerError("priority: HIGH, NORMAL or LOW is wanted")
        try:
            self._check_address(kind, to)
        except BadMessage as problem:
            raise CallerError(str(problem))
        item = Item(n.MSG, new_id(), kind, to)
        item.report = bool(report)
        item.store = bool(store)
        item.priority = priority
        item.application = None if application is None else str(application)
        item.parts = (_payload_text(payload),)
        self._prepare(item)
        self._check_size(item)
        return item

    def _check_address(self, kind, to):
        """Raise BadMessage for an address that cannot be sent to."""
        checks.text(to, "to")

    def _check_size(self, item):
        if not self._outbox.fits(item):
            limit = self._config["outbox_bytes"]
            raise CallerError("a message of at most %d bytes is wanted (outbox_bytes)" % limit)

    def _put(self, item, now):
        for gone in self._outbox.put(item, self.current, now):
            self._core.counters["messages_dropped"] += 1
            self._gone(gone, "dropped for newer ones")

    def _gone(self, item, cause):
        if item.what == n.MSG:
            for one in [part[0] for part in item.parts] if item.is_aggregate else (item.id,):
                self._core.emit(("outcome", one, cause))

    def deliver(self, message, now):
        """Hand a message on, and report if its sender wants that and nobody else does it."""
        self._core.counters["messages_received"] += 1
        self._core.emit(("received", message))
        if message.report and not self._core.reports_itself:
            self.report(message, True, None, now)


def _payload_text(payload):
    if payload.__class__ is str:
        # A text that looks like octets in base64 has to arrive as it is.
        payload = payload.encode()
    return to_text(payload)
