"""Who is registered: in memory for reading, in SQLite for keeps.

Changes are staged and become durable together in `commit`, one transaction for a whole batch of
datagrams (WAL, synchronous=FULL). `rollback` puts memory back to what the disk says.
"""

import contextlib
import fcntl
import heapq
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

_EXPIRE_AT_ONCE = 1000
# Every changed row writes its whole page; a registration takes about 250 bytes.
_PAGE_BYTES = 1024
# A checkpoint writes every page that changed since the last one and stalls the batch that hits it.
# At 32 MiB of log it comes once in thousands of requests instead of once in thirty batches.
_CHECKPOINT_PAGES = 32768
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


class StoreError(Exception):
    """The registry cannot be opened or written; the text names the file and what to do."""


class Registration:
    """One registered UE. Times are milliseconds since the epoch.

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
    """The registrations in one data folder. Raises StoreError."""

    def __init__(self, folder: str, limit: int = 200_000) -> None:
        self._limit = limit
        self._path = Path(folder) / "registry.sqlite3"
        self._lock = _lock_folder(Path(folder), "server")
        self._rows: dict[str, Registration] = {}
        self._changed: set[str] = set()
        self._scheduled: set[str] = set()
        self._buckets: dict[int, list[str]] = {}
        self._order: list[int] = []
        try:
            self._db = sqlite3.connect(self._path, isolation_level=None)
            self._db.execute(f"PRAGMA page_size={_PAGE_BYTES}")
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            self._db.execute(_SCHEMA)
            for ue, *row in self._db.execute(
                f"SELECT ue_service_id, {_COLUMNS} FROM registration"
            ):
                self._rows[ue] = Registration(*row)
                self._schedule(ue, self._rows[ue].expires_at_ms)
        except sqlite3.Error as problem:
            os.close(self._lock)
            raise StoreError(
                f"{self._path}: {problem}; move the file away to start with an empty registry"
            ) from None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, ue_service_id: str) -> bool:
        return ue_service_id in self._rows

    def get(self, ue_service_id: str) -> Registration | None:
        """Return the registration of a UE, or None."""
        return self._rows.get(ue_service_id)

    def items(self) -> Iterator[tuple[str, Registration]]:
        """Iterate over (UE Service ID, registration) in order of first registration."""
        return iter(self._rows.items())

    def is_full(self) -> bool:
        """Tell whether one more UE would be too many."""
        return len(self._rows) >= self._limit

    def put(self, ue_service_id: str, registration: Registration) -> None:
        """Stage a registration, new or replacing the one before."""
        self._rows[ue_service_id] = registration
        self._changed.add(ue_service_id)
        if ue_service_id not in self._scheduled:
            self._schedule(ue_service_id, registration.expires_at_ms)

    def remove(self, ue_service_id: str) -> Registration | None:
        """Stage the removal of a registration; return it, or None if there is none."""
        registration = self._rows.pop(ue_service_id, None)
        if registration is not None:
            self._changed.add(ue_service_id)
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
            raise StoreError(f"{self._path}: {problem}; is the disk full?") from None
        self._changed.clear()

    def rollback(self) -> None:
        """Forget what was staged. Raises StoreError if the disk cannot even be read."""
        try:
            for ue in self._changed:
                row = self._db.execute(
                    f"SELECT {_COLUMNS} FROM registration WHERE ue_service_id = ?", (ue,)
                ).fetchone()
                if row is None:
                    self._rows.pop(ue, None)
                else:
                    self._rows[ue] = Registration(*row)
        except sqlite3.Error as problem:
            raise StoreError(f"{self._path}: {problem}") from None
        self._changed.clear()

    def expire(self, now: int) -> list[tuple[str, Registration]]:
        """Stage the removal of registrations that have ended, a bounded number a call."""
        expired: list[tuple[str, Registration]] = []
        while self._order and self._order[0] * 1000 <= now and len(expired) < _EXPIRE_AT_ONCE:
            bucket = self._buckets[self._order[0]]
            while bucket and len(expired) < _EXPIRE_AT_ONCE:
                ue = bucket.pop()
                self._scheduled.discard(ue)
                row = self._rows.get(ue)
                if row is None:
                    continue
                if row.expires_at_ms > now:
                    self._schedule(ue, row.expires_at_ms)
                else:
                    self.remove(ue)
                    expired.append((ue, row))
            if not bucket:
                del self._buckets[heapq.heappop(self._order)]
        return expired

    def next_deadline(self) -> int | None:
        """Return when `expire` is due, or None."""
        return self._order[0] * 1000 if self._order else None

    def close(self) -> None:
        """Close the database; what was not committed is dropped."""
        self._db.close()
        os.close(self._lock)

    def _schedule(self, ue: str, expires_at_ms: int) -> None:
        """Look at this UE in the second after its registration ends; refreshing moves nothing."""
        second = expires_at_ms // 1000 + 1
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = []
            heapq.heappush(self._order, second)
        bucket.append(ue)
        self._scheduled.add(ue)


def _lock_folder(folder: Path, what: str) -> int:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as problem:
        raise StoreError(f"{folder}: cannot be used: {problem.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise StoreError(
            f"{folder}: another {what} uses this folder; stop it or choose another with --data"
        ) from None
    return handle
