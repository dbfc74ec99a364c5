"""Who is registered: in memory for reading, in SQLite for keeps.

Changes are staged and become durable together in `commit`, one transaction for a whole batch of
datagrams (WAL, synchronous=FULL). `rollback` puts memory back to what was committed last, which is
what the disk says; it needs no disk for it, so that it works when the disk does not.
"""

import contextlib
import heapq
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from msgin5g_host.fill import Fill
from msgin5g_host.folder import StoreError, lock_folder

MAX_REGISTRATIONS = 200_000

_EXPIRE_AT_ONCE = 1000
# How long a commit waits for another program that writes to the file, and the whole loop with it.
_BUSY_S = 0.2
# Every changed row writes its whole page; a registration takes about 250 bytes.
_PAGE_BYTES = 1024
# A checkpoint writes every page that changed since the last one and stalls the batch that hits it.
# At 32 MiB of log it comes once in thousands of requests instead of once in thirty batches.
_CHECKPOINT_PAGES = 32768
_SPARE_SECONDS = 64
_NEVER = 1 << 62
_SCHEMA = """
CREATE TABLE IF NOT EXISTS registration (
    ue_service_id TEXT PRIMARY KEY,
    via TEXT NOT NULL,
    peer TEXT NOT NULL,
    profile TEXT,
    registered_at_ms INTEGER NOT NULL,
    refreshed_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL
) WITHOUT ROWID
"""
# Updates a known row in place; INSERT OR REPLACE would delete it first, at several times the cost.
_UPSERT = """
INSERT INTO registration VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (ue_service_id) DO UPDATE SET
    via = excluded.via, peer = excluded.peer, profile = excluded.profile,
    registered_at_ms = excluded.registered_at_ms, refreshed_at_ms = excluded.refreshed_at_ms,
    expires_at_ms = excluded.expires_at_ms
"""
_DELETE = "DELETE FROM registration WHERE ue_service_id = ?"
_COLUMNS = "via, peer, profile, registered_at_ms, refreshed_at_ms, expires_at_ms"


class Registration:
    """One registered UE; never changed, only replaced. Times are milliseconds since the epoch.

    via: UE Service ID of the gateway that registered it, or ""; peer: "host:port" of the sender;
    profile: the MSGin5G Client Profile as JSON text, or None.
    """

    __slots__ = (
        "via",
        "peer",
        "profile",
        "registered_at_ms",
        "refreshed_at_ms",
        "expires_at_ms",
    )

    def __init__(
        self,
        via: str,
        peer: str,
        profile: str | None,
        registered_at_ms: int,
        refreshed_at_ms: int,
        expires_at_ms: int,
    ) -> None:
        self.via = via
        self.peer = peer
        self.profile = profile
        self.registered_at_ms = registered_at_ms
        self.refreshed_at_ms = refreshed_at_ms
        self.expires_at_ms = expires_at_ms


class Registry:
    """The registrations in one data folder, at most `limit`. Raises StoreError."""

    def __init__(self, folder: str, limit: int = MAX_REGISTRATIONS) -> None:
        self._limit = limit
        self._path = Path(folder) / "registry.sqlite3"
        self._lock = lock_folder(Path(folder), "server")
        self._rows: dict[str, Registration] = {}
        # How many of them came by a gateway.
        self.through_gateways = 0
        # What is staged: UE Service ID -> its registration as it was committed last, or None.
        self._changed: dict[str, Registration | None] = {}
        # When to look at whom: seconds of the epoch, a bucket each, the soonest on top of _order.
        self._due: dict[str, int] = {}
        self._buckets: dict[int, dict[str, None]] = {}
        self._order: list[int] = []
        try:
            self._db = _connect(self._path)
        except sqlite3.Error as problem:
            os.close(self._lock)
            raise StoreError(_explain(self._path, problem)) from None
        try:
            self._load()
        except sqlite3.Error as problem:
            self.close()
            raise StoreError(_explain(self._path, problem)) from None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, ue_service_id: str) -> bool:
        return ue_service_id in self._rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def get(self, ue_service_id: str) -> Registration | None:
        """Return the registration of a UE, or None."""
        return self._rows.get(ue_service_id)

    def items(self) -> Iterator[tuple[str, Registration]]:
        """Iterate over (UE Service ID, registration) in an order that a refresh keeps."""
        return iter(self._rows.items())

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("registrations", len(self._rows), self._limit)

    def is_full(self) -> bool:
        """Tell whether one more UE would be too many."""
        return len(self._rows) >= self._limit

    def put(self, ue_service_id: str, registration: Registration) -> None:
        """Stage a registration, new or replacing the one before."""
        before = self._rows.get(ue_service_id)
        if ue_service_id not in self._changed:
            self._changed[ue_service_id] = before
        self._rows[ue_service_id] = registration
        self.through_gateways += _counts(registration) - _counts(before)
        # A later end moves nothing: the UE is looked at when it was due, and then put off.
        if registration.expires_at_ms < self._due.get(ue_service_id, _NEVER) * 1000 - 1000:
            self._schedule(ue_service_id, registration.expires_at_ms)

    def remove(self, ue_service_id: str) -> Registration | None:
        """Stage the removal of a registration; return it, or None if there is none."""
        registration = self._rows.pop(ue_service_id, None)
        if registration is not None:
            self._changed.setdefault(ue_service_id, registration)
            self.through_gateways -= _counts(registration)
            self._unschedule(ue_service_id)
        return registration

    def commit(self) -> None:
        """Make everything staged durable. Raises StoreError; then call `rollback`."""
        if not self._changed:
            return
        puts = []
        removed = []
        for ue in self._changed:
            row = self._rows.get(ue)
            if row is None:
                removed.append((ue,))
            else:
                puts.append(
                    (
                        ue,
                        row.via,
                        row.peer,
                        row.profile,
                        row.registered_at_ms,
                        row.refreshed_at_ms,
                        row.expires_at_ms,
                    )
                )
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if removed:
                self._db.executemany(_DELETE, removed)
            self._db.executemany(_UPSERT, puts)
            self._db.execute("COMMIT")
        except sqlite3.Error as problem:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._db.execute("ROLLBACK")
            raise StoreError(_explain(self._path, problem)) from None
        self._changed.clear()

    def rollback(self) -> None:
        """Forget what was staged."""
        for ue, registration in self._changed.items():
            self.through_gateways += _counts(registration) - _counts(self._rows.get(ue))
            if registration is None:
                self._rows.pop(ue, None)
                self._unschedule(ue)
            else:
                self._rows[ue] = registration
                self._schedule(ue, registration.expires_at_ms)
        self._changed.clear()

    def expire(self, now: int) -> list[tuple[str, Registration]]:
        """Stage the removal of registrations that have ended; return at most _EXPIRE_AT_ONCE.

        `next_deadline` is not above `now` as long as there is more to do.
        """
        ended: list[tuple[str, Registration]] = []
        for _ in range(_EXPIRE_AT_ONCE):
            deadline = self.next_deadline()
            if deadline is None or deadline > now:
                break
            bucket = self._buckets[self._order[0]]
            ue, _ = bucket.popitem()
            del self._due[ue]
            if not bucket:
                del self._buckets[heapq.heappop(self._order)]
            registration = self._rows[ue]
            if registration.expires_at_ms > now:
                self._schedule(ue, registration.expires_at_ms)
            else:
                self.remove(ue)
                ended.append((ue, registration))
        return ended

    def next_deadline(self) -> int | None:
        """Return when `expire` is due, at most a second after a registration ends, or None."""
        order = self._order
        while order and order[0] not in self._buckets:
            heapq.heappop(order)
        return order[0] * 1000 if order else None

    def close(self) -> None:
        """Close the database; what was not committed is dropped."""
        self._db.close()
        os.close(self._lock)

    def _load(self) -> None:
        for ue, *row in self._db.execute(f"SELECT ue_service_id, {_COLUMNS} FROM registration"):
            self._rows[ue] = Registration(*row)
            self.through_gateways += _counts(self._rows[ue])
            self._schedule(ue, self._rows[ue].expires_at_ms)

    def _schedule(self, ue: str, expires_at_ms: int) -> None:
        """Look at this UE in the second after its registration ends."""
        self._unschedule(ue)
        second = expires_at_ms // 1000 + 1
        self._due[ue] = second
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = {}
            heapq.heappush(self._order, second)
        bucket[ue] = None

    def _unschedule(self, ue: str) -> None:
        second = self._due.pop(ue, None)
        if second is None:
            return
        bucket = self._buckets[second]
        del bucket[ue]
        if not bucket:
            del self._buckets[second]
            if len(self._order) > 2 * len(self._buckets) + _SPARE_SECONDS:
                self._order = sorted(self._buckets)


def _counts(registration: Registration | None) -> int:
    return 1 if registration is not None and registration.via else 0


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        db.execute(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def _explain(path: Path, problem: sqlite3.Error) -> str:
    code = getattr(problem, "sqlite_errorcode", None)
    base = None if code is None else code & 0xFF
    if base in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        advice = "another program writes to it: close that program"
    elif base in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
        advice = "make room on the disk and check that it is well"
    elif base in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        advice = "let the server's user write the file and its folder"
    else:
        advice = "move the file away to start with an empty registry"
    return f"{path}: {problem}; {advice}"
