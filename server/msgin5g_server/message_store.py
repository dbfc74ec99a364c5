"""Messages on their way: in memory for reading, in SQLite for keeps.

Changes are staged and become durable together in `commit` (WAL, synchronous=FULL), before anybody
hears that a message was taken. After a failed commit `rollback` reads everything again.
"""

import contextlib
import sqlite3
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.message import Message, parse_message
from msgin5g_host.fill import Fill
from msgin5g_host.folder import StoreError

MAX_SEEN = 200_000
MAX_SET_ROUTES = 10_000
MAX_INBOX = 1_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS body (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, source TEXT NOT NULL, token BLOB NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    id INTEGER PRIMARY KEY, body INTEGER NOT NULL, recipient TEXT NOT NULL,
    rank INTEGER NOT NULL, store INTEGER NOT NULL, expires_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS seen (
    origin TEXT NOT NULL, message_id TEXT NOT NULL, number INTEGER NOT NULL,
    report INTEGER NOT NULL, PRIMARY KEY (origin, message_id, number)
);
CREATE TABLE IF NOT EXISTS part (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, token BLOB NOT NULL, payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS inbox (
    id INTEGER PRIMARY KEY, application TEXT NOT NULL, at_ms INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS set_route (
    set_id TEXT PRIMARY KEY, sender TEXT NOT NULL, receiver TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS note (
    kind TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY (kind, key)
);
"""


class Body:
    """A message as it was received, shared by the deliveries to its recipients.

    source, token: where the request came from, for MSGRESP. open: how many deliveries are left;
    is_kept: whether it is on disk, or staged.
    """

    __slots__ = ("id", "origin", "source", "token", "payload", "open", "is_kept", "_message")

    def __init__(
        self,
        id: int,
        origin: str,
        source: str,
        token: bytes,
        payload: bytes,
        message: Message | None = None,
    ) -> None:
        self.id = id
        self.origin = origin
        self.source = source
        self.token = token
        self.payload = payload
        self.open = 0
        self.is_kept = False
        self._message = message

    @property
    def message(self) -> Message:
        """The parsed message."""
        if self._message is None:
            self._message = parse_message(self.payload, MAX_MESSAGE_BYTES)
        return self._message


class Delivery:
    """A message for one recipient. rank: 0 first; store: whether it waits for its recipient.

    is_last: this is the attempt at its expiration; since_ms: when it was taken, 0 if that was
    before a restart.
    """

    __slots__ = (
        *("id", "body", "recipient", "rank", "store", "expires_ms", "is_last", "is_done"),
        "since_ms",
    )

    def __init__(
        self, id: int, body: Body, recipient: str, rank: int, store: bool, expires_ms: int
    ) -> None:
        self.id = id
        self.body = body
        self.recipient = recipient
        self.rank = rank
        self.store = store
        self.expires_ms = expires_ms
        self.is_last = False
        self.is_done = False
        self.since_ms = 0


class MessageStore:
    """Bodies, deliveries, what was seen, and segments that wait for the rest of their set.

    Raises StoreError. The folder is the registry's, which holds its lock.
    """

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "messages.sqlite3"
        self._staged: list[tuple[str, tuple[Any, ...]]] = []
        self.deliveries: dict[int, Delivery] = {}
        self.parts: dict[int, tuple[str, bytes, bytes]] = {}
        self._seen: OrderedDict[tuple[str, str, int], bool] = OrderedDict()
        self._routes: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._inboxes: dict[str, deque[tuple[int, int, bytes]]] = {}
        self._notes: dict[str, dict[str, bytes]] = {}
        self._next_id = 1
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA)
            self._load()
        except sqlite3.Error as problem:
            raise StoreError(
                f"{self._path}: {problem}; move the file away to start without stored messages"
            ) from None

    def __len__(self) -> int:
        return len(self.deliveries)

    def fills(self) -> Iterator[Fill]:
        """Tell how full the tables are that are bounded here."""
        yield Fill("seen", len(self._seen), MAX_SEEN)
        yield Fill("set_routes", len(self._routes), MAX_SET_ROUTES)

    def new_body(
        self,
        origin: str,
        source: str,
        token: bytes,
        payload: bytes,
        message: Message | None = None,
    ) -> Body:
        """Return a message that is kept from its first delivery to its last."""
        return Body(self._new_id(), origin, source, token, payload, message)

    def put_delivery(
        self, body: Body, recipient: str, rank: int, store: bool, expires_ms: int
    ) -> Delivery:
        """Stage the delivery of a message to a recipient."""
        delivery = Delivery(self._new_id(), body, recipient, rank, store, expires_ms)
        if not body.is_kept:
            body.is_kept = True
            kept = (body.id, body.origin, body.source, body.token, body.payload)
            self._staged.append(("INSERT INTO body VALUES (?, ?, ?, ?, ?)", kept))
        body.open += 1
        self.deliveries[delivery.id] = delivery
        row = (delivery.id, body.id, recipient, rank, int(store), expires_ms)
        self._staged.append(("INSERT INTO delivery VALUES (?, ?, ?, ?, ?, ?)", row))
        return delivery

    def drop_delivery(self, delivery: Delivery) -> None:
        """Stage the end of a delivery, and of its message with the last one."""
        if self.deliveries.pop(delivery.id, None) is None:
            return
        delivery.is_done = True
        self._staged.append(("DELETE FROM delivery WHERE id = ?", (delivery.id,)))
        delivery.body.open -= 1
        if not delivery.body.open:
            delivery.body.is_kept = False
            self._staged.append(("DELETE FROM body WHERE id = ?", (delivery.body.id,)))

    def has_seen(self, origin: str, message_id: str, number: int) -> bool:
        """Tell whether a message, or the segment of that number, came before."""
        return (origin, message_id, number) in self._seen

    def wants_report(self, origin: str, message_id: str) -> bool | None:
        """Tell whether a message asked for a report; None if it is not known."""
        found = [
            report
            for number in (0, 1)
            if (report := self._seen.get((origin, message_id, number))) is not None
        ]
        return any(found) if found else None

    def note_seen(self, origin: str, message_id: str, number: int, report: bool) -> None:
        """Stage that a message came; the oldest of MAX_SEEN is forgotten."""
        key = (origin, message_id, number)
        self._seen[key] = report
        self._staged.append(("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (*key, report)))
        if len(self._seen) > MAX_SEEN:
            oldest, _ = self._seen.popitem(last=False)
            self._staged.append(
                ("DELETE FROM seen WHERE origin = ? AND message_id = ? AND number = ?", oldest)
            )

    def note_message(self, message: Message, number: int) -> None:
        """Stage that a message came, or segment `number` of it; reports name those in an aggregate
        as well."""
        for one in (message, *(message.entries or ())):
            self.note_seen(message.origin[1], one.message_id, number, one.report)

    def put_part(self, source: str, token: bytes, payload: bytes) -> int:
        """Stage a segment that waits for the others; returns its id."""
        number = self._new_id()
        self.parts[number] = (source, token, payload)
        row = (number, source, token, payload)
        self._staged.append(("INSERT INTO part VALUES (?, ?, ?, ?)", row))
        return number

    def drop_parts(self, numbers: Iterable[int]) -> None:
        """Stage the end of waiting segments."""
        for number in numbers:
            if self.parts.pop(number, None) is not None:
                self._staged.append(("DELETE FROM part WHERE id = ?", (number,)))

    def inbox(self, application: str, after: int = 0) -> list[tuple[int, int, bytes]]:
        """Return what an application was sent as (id, milliseconds, payload), oldest first."""
        return [one for one in self._inboxes.get(application, ()) if one[0] > after]

    def put_inbox(self, application: str, at_ms: int, payload: bytes) -> None:
        """Stage a message for an application; the oldest of MAX_INBOX goes."""
        number = self._new_id()
        box = self._inboxes.setdefault(application, deque())
        box.append((number, at_ms, payload))
        row = (number, application, at_ms, payload)
        self._staged.append(("INSERT INTO inbox VALUES (?, ?, ?, ?)", row))
        if len(box) > MAX_INBOX:
            self._staged.append(("DELETE FROM inbox WHERE id = ?", (box.popleft()[0],)))

    def set_route(self, set_id: str) -> tuple[str, str] | None:
        """Return (sender, receiver) of a segment set, or None."""
        return self._routes.get(set_id)

    def put_set_route(self, set_id: str, sender: str, receiver: str) -> None:
        """Stage who sent a segment set and who receives it; the oldest is forgotten."""
        if self._routes.get(set_id) == (sender, receiver):
            return
        self._routes.pop(set_id, None)
        self._routes[set_id] = (sender, receiver)
        row = (set_id, sender, receiver)
        self._staged.append(("INSERT OR REPLACE INTO set_route VALUES (?, ?, ?)", row))
        if len(self._routes) > MAX_SET_ROUTES:
            oldest, _ = self._routes.popitem(last=False)
            self._staged.append(("DELETE FROM set_route WHERE set_id = ?", (oldest,)))

    def notes(self, kind: str) -> dict[str, bytes]:
        """Return what other parts keep here, by key and oldest first; not to be changed."""
        return self._notes.setdefault(kind, {})

    def put_note(self, kind: str, key: str, value: bytes) -> None:
        """Stage a note; it replaces the one of that key."""
        self.notes(kind)[key] = value
        row = (kind, key, value)
        self._staged.append(("INSERT OR REPLACE INTO note VALUES (?, ?, ?)", row))

    def drop_note(self, kind: str, key: str) -> None:
        """Stage the end of a note, if there is one."""
        if self.notes(kind).pop(key, None) is not None:
            self._staged.append(("DELETE FROM note WHERE kind = ? AND key = ?", (kind, key)))

    def is_changed(self) -> bool:
        """Tell whether something is staged."""
        return bool(self._staged)

    def commit(self) -> None:
        """Make everything staged durable. Raises StoreError; then call `rollback`."""
        staged = self._staged
        if not staged:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            start = 0
            for at in range(1, len(staged) + 1):
                if at == len(staged) or staged[at][0] != staged[start][0]:
                    self._db.executemany(staged[start][0], [row for _, row in staged[start:at]])
                    start = at
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise StoreError(f"{self._path}: {problem}; is the disk full?") from None
        staged.clear()

    def rollback(self) -> None:
        """Put memory back to what the disk says. Raises StoreError if it cannot be read."""
        self._staged.clear()
        try:
            self._load()
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from None

    def close(self) -> None:
        """Close; what was not committed is dropped."""
        self._db.close()

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id - 1

    def _load(self) -> None:
        read = self._db.execute
        bodies = {row[0]: Body(*row) for row in read("SELECT * FROM body")}
        self.deliveries = {}
        for id, body, recipient, rank, store, expires_ms in read(
            "SELECT * FROM delivery ORDER BY id"
        ):
            owner = bodies[body]
            owner.open += 1
            owner.is_kept = True
            self.deliveries[id] = Delivery(id, owner, recipient, rank, bool(store), expires_ms)
        self.parts = {
            id: (source, token, payload)
            for id, source, token, payload in read("SELECT * FROM part ORDER BY id")
        }
        self._seen = OrderedDict(
            ((origin, message_id, number), bool(report))
            for origin, message_id, number, report in read("SELECT * FROM seen ORDER BY rowid")
        )
        self._routes = OrderedDict(
            (set_id, (sender, receiver))
            for set_id, sender, receiver in read("SELECT * FROM set_route ORDER BY rowid")
        )
        self._inboxes = {}
        for id, application, at_ms, payload in read("SELECT * FROM inbox ORDER BY id"):
            self._inboxes.setdefault(application, deque()).append((id, at_ms, payload))
        self._notes = {}
        for kind, key, value in read("SELECT * FROM note ORDER BY rowid"):
            self._notes.setdefault(kind, {})[key] = value
        inboxes = [box[-1][0] for box in self._inboxes.values()]
        ids = [*inboxes, *bodies, *self.deliveries, *self.parts]
        self._next_id = max(self._next_id, max(ids, default=0) + 1)
