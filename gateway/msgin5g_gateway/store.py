"""What the gateway must not forget: requests, sign-ups, registrations, messages, in SQLite.

Rows live in memory for reading; changes are staged and become durable together in `commit`, one
transaction a batch (WAL, synchronous=FULL). Nothing is answered before that.
"""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from msgin5g_gateway.message_rows import (
    MESSAGE_SCHEMA,
    CachedGet,
    Kept,
    MessageRow,
    Observation,
    Part,
    Reportable,
    SentSet,
)
from msgin5g_host.folder import StoreError, lock_folder
from msgin5g_host.log_fields import of_token

CACHED = "cached"
ANSWERED = "answered"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS pending (
    id INTEGER PRIMARY KEY, ue TEXT NOT NULL, kind TEXT NOT NULL, peer TEXT NOT NULL,
    mid INTEGER NOT NULL, token BLOB NOT NULL, payload BLOB NOT NULL, state TEXT NOT NULL,
    result INTEGER, cause TEXT, received_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS signup (
    ue TEXT PRIMARY KEY, peer TEXT NOT NULL, until_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS registered (
    ue TEXT PRIMARY KEY, peer TEXT NOT NULL, token BLOB NOT NULL, payload BLOB NOT NULL,
    refresh_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS device (
    application_id INTEGER PRIMARY KEY, peer TEXT NOT NULL, registration_id BLOB NOT NULL,
    ue TEXT, speaks_l3 INTEGER NOT NULL DEFAULT 0
);
"""


class Pending:
    """A request of a constrained UE that was accepted and not yet answered for good.

    kind: "REG" or "DEREG"; peer: transport identifier as text; state: CACHED, or ANSWERED once
    the server's result is known and the UE has to be told. Not kept on disk: in_flight, it is at
    the server; waiting, it is in a schedule; attempts of telling the UE.
    """

    __slots__ = (
        "id",
        "ue",
        "kind",
        "peer",
        "mid",
        "token",
        "payload",
        "state",
        "result",
        "cause",
        "received_ms",
        "due_ms",
        "in_flight",
        "waiting",
        "attempts",
    )

    def __init__(
        self,
        id: int,
        ue: str,
        kind: str,
        peer: str,
        mid: int,
        token: bytes,
        payload: bytes,
        state: str,
        result: bool | None,
        cause: str | None,
        received_ms: int,
        due_ms: int,
    ) -> None:
        self.id = id
        self.ue = ue
        self.kind = kind
        self.peer = peer
        self.mid = mid
        self.token = token
        self.payload = payload
        self.state = state
        self.result = None if result is None else bool(result)
        self.cause = cause
        self.received_ms = received_ms
        self.due_ms = due_ms
        self.in_flight = False
        self.waiting = False
        self.attempts = 0

    @property
    def trace(self) -> str:
        """The name of this request in logs."""
        return of_token(self.token)

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__[:12])


class SignUp:
    """A UE's sign-up to the gateway service: where it is and until when."""

    __slots__ = ("ue", "peer", "until_ms")

    def __init__(self, ue: str, peer: str, until_ms: int) -> None:
        self.ue = ue
        self.peer = peer
        self.until_ms = until_ms

    def row(self) -> tuple[object, ...]:
        return self.ue, self.peer, self.until_ms


class Registered:
    """A UE that the server registered through us: what refreshes it, when, and how long it lasts.

    peer, token and payload are those of the UE's last REG.
    """

    __slots__ = ("ue", "peer", "token", "payload", "refresh_ms", "expires_ms")

    def __init__(
        self, ue: str, peer: str, token: bytes, payload: bytes, refresh_ms: int, expires_ms: int
    ) -> None:
        self.ue = ue
        self.peer = peer
        self.token = token
        self.payload = payload
        self.refresh_ms = refresh_ms
        self.expires_ms = expires_ms

    def row(self) -> tuple[object, ...]:
        return self.ue, self.peer, self.token, self.payload, self.refresh_ms, self.expires_ms


class Device:
    """A device without an MSGin5G client that registered with the gateway (MSGin5G-5).

    registration_id: 6 octets; ue: the UE Service ID under which the gateway registered it at the
    server, or None if it is registered here alone; speaks_l3: the form in which it registered. Not
    kept on disk: heard_ms, when it was last heard, or 0 if its link is gone since.
    """

    __slots__ = ("application_id", "peer", "registration_id", "ue", "speaks_l3", "heard_ms")

    def __init__(
        self,
        application_id: int,
        peer: str,
        registration_id: bytes,
        ue: str | None,
        speaks_l3: bool = False,
    ) -> None:
        self.application_id = application_id
        self.peer = peer
        self.registration_id = registration_id
        self.ue = ue
        self.speaks_l3 = bool(speaks_l3)
        self.heard_ms = 0

    def row(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.__slots__[:5])


_Row = Pending | SignUp | Registered | Device | MessageRow
# Table: the column that holds its key.
_KEY = {
    "pending": "id",
    "signup": "ue",
    "registered": "ue",
    "device": "application_id",
    "outbox": "id",
    "sent_set": "set_id",
    "part": "id",
    "reportable": "id",
    "observation": "north",
    "configuration": "ue_id",
}


class Store:
    """The gateway's tables in one data folder. Raises StoreError."""

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / "gateway.sqlite3"
        self._lock = lock_folder(Path(folder), "gateway")
        self.pending: dict[int, Pending] = {}
        self.signups: dict[str, SignUp] = {}
        self.registered: dict[str, Registered] = {}
        self.devices: dict[int, Device] = {}
        self.device_of: dict[str, Device] = {}
        self.outbox: dict[int, Kept] = {}
        self.sent_sets: dict[str, SentSet] = {}
        self.parts: dict[int, Part] = {}
        self.reportable: dict[tuple[int, bytes], Reportable] = {}
        self.observations: dict[bytes, Observation] = {}
        self.configurations: dict[str, CachedGet] = {}
        self.ues_at: dict[str, dict[str, None]] = {}
        self._staged: dict[tuple[str, object], _Row | None] = {}
        self._next_id = 1
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None)
        except sqlite3.Error as problem:
            os.close(self._lock)
            raise StoreError(f"{self._path}: {problem}") from None
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_SCHEMA + MESSAGE_SCHEMA)
            columns = [row[1] for row in self._db.execute("PRAGMA table_info(device)")]
            if "speaks_l3" not in columns:
                # A folder from before devices exchanged messages.
                self._db.execute(
                    "ALTER TABLE device ADD COLUMN speaks_l3 INTEGER NOT NULL DEFAULT 0"
                )
            self._load()
        except sqlite3.Error as problem:
            self.close()
            raise StoreError(
                f"{self._path}: {problem}; move the file away to start without cached requests"
            ) from None

    def new_id(self) -> int:
        """Return an unused id for a pending request or a message."""
        self._next_id += 1
        return self._next_id - 1

    def put_pending(self, row: Pending) -> None:
        """Stage a pending request, new or changed."""
        self.pending[row.id] = row
        self._staged["pending", row.id] = row

    def drop_pending(self, row: Pending) -> None:
        """Stage the removal of a pending request."""
        self.pending.pop(row.id, None)
        self._staged["pending", row.id] = None

    def put_signup(self, row: SignUp) -> None:
        """Stage a sign-up."""
        self._forget_place(row.ue)
        self.signups[row.ue] = row
        self.ues_at.setdefault(row.peer, {})[row.ue] = None
        self._staged["signup", row.ue] = row

    def drop_signup(self, ue: str) -> None:
        """Stage the end of a sign-up."""
        self._forget_place(ue)
        if self.signups.pop(ue, None) is not None:
            self._staged["signup", ue] = None

    def put_registered(self, row: Registered) -> None:
        """Stage a UE's registration at the server."""
        self.registered[row.ue] = row
        self._staged["registered", row.ue] = row

    def drop_registered(self, ue: str) -> None:
        """Stage the end of a UE's registration at the server."""
        if self.registered.pop(ue, None) is not None:
            self._staged["registered", ue] = None

    def put_device(self, row: Device) -> None:
        """Stage a device's registration."""
        self.devices[row.application_id] = row
        if row.ue is not None:
            self.device_of[row.ue] = row
        self._staged["device", row.application_id] = row

    def drop_device(self, row: Device) -> None:
        """Stage the end of a device's registration."""
        if self.devices.pop(row.application_id, None) is not None:
            if row.ue is not None:
                self.device_of.pop(row.ue, None)
            self._staged["device", row.application_id] = None

    def put(self, row: MessageRow) -> None:
        """Stage what is kept of messages, new or changed."""
        self._messages(row)[row.key] = row
        self._staged[row.table, row.row()[0]] = row

    def drop(self, row: MessageRow) -> None:
        """Stage the removal of what was kept of messages."""
        if self._messages(row).pop(row.key, None) is not None:
            self._staged[row.table, row.row()[0]] = None

    def is_served(self, ue: str, now: int) -> bool:
        """Tell whether a UE uses the gateway: signed up, or a device that registered."""
        signup = self.signups.get(ue)
        return signup is not None and signup.until_ms > now or ue in self.device_of

    def commit(self) -> None:
        """Make everything staged durable. Raises StoreError; then call `rollback`."""
        if not self._staged:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for (table, key), row in self._staged.items():
                if row is None:
                    self._db.execute(f"DELETE FROM {table} WHERE {_KEY[table]} = ?", (key,))
                else:
                    values = row.row()
                    marks = ", ".join("?" * len(values))
                    self._db.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", values)
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise StoreError(f"{self._path}: {problem}; is the disk full?") from None
        self._staged.clear()

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
        os.close(self._lock)

    def _load(self) -> None:
        rows = self._db.execute
        self.pending = {row[0]: Pending(*row) for row in rows("SELECT * FROM pending ORDER BY id")}
        self.signups = {row[0]: SignUp(*row) for row in rows("SELECT * FROM signup")}
        self.registered = {row[0]: Registered(*row) for row in rows("SELECT * FROM registered")}
        self.devices = {row[0]: Device(*row) for row in rows("SELECT * FROM device")}
        self.device_of = {row.ue: row for row in self.devices.values() if row.ue is not None}
        outbox = [Kept(*row) for row in rows("SELECT * FROM outbox ORDER BY id")]
        self.outbox = {one.key: one for one in outbox}
        sets = [SentSet(*row) for row in rows("SELECT * FROM sent_set ORDER BY noted_ms")]
        self.sent_sets = {one.key: one for one in sets}
        parts = [Part(*row) for row in rows("SELECT * FROM part ORDER BY id")]
        self.parts = {one.key: one for one in parts}
        reportable = [Reportable(*row) for row in rows("SELECT * FROM reportable ORDER BY id")]
        self.reportable = {one.key: one for one in reportable}
        observations = [Observation(*row) for row in rows("SELECT * FROM observation")]
        self.observations = {one.key: one for one in observations}
        gets = [
            CachedGet(*row) for row in rows("SELECT * FROM configuration ORDER BY received_ms")
        ]
        self.configurations = {one.key: one for one in gets}
        self.ues_at = {}
        for signup in self.signups.values():
            self.ues_at.setdefault(signup.peer, {})[signup.ue] = None
        last = [max(table, default=0) for table in (self.pending, self.outbox, self.parts)]
        last += [one.id for one in reportable]
        self._next_id = max(self._next_id, max(last) + 1)

    def _messages(self, row: MessageRow) -> dict[Any, Any]:
        if isinstance(row, Kept):
            return self.outbox
        if isinstance(row, SentSet):
            return self.sent_sets
        if isinstance(row, Observation):
            return self.observations
        if isinstance(row, CachedGet):
            return self.configurations
        return self.parts if isinstance(row, Part) else self.reportable

    def _forget_place(self, ue: str) -> None:
        """Who has signed up is known by place as well."""
        signup = self.signups.get(ue)
        if signup is not None:
            at = self.ues_at[signup.peer]
            del at[ue]
            if not at:
                del self.ues_at[signup.peer]
