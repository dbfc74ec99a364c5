"""Entries that travel: a gateway pushes what it sees, the server checks and takes it."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any

import aiohttp

from msgin5g_host.clock import iso
from msgin5g_host.fill import Fill
from msgin5g_host.follower import Entry, Follower
from msgin5g_host.journal import Journal

MAX_REPORTS = 2_000
MAX_REPORT_ENTRIES = 500
MAX_REPORT_BYTES = 256 * 1024
_EVERY_S = 0.5
_TIMEOUT_S = 10.0
_GOODBYE_S = 1.0
_TOO_LARGE = 413
_LONGEST_PAUSE_S = 30.0
_MAX_FIELDS = 40
_MAX_NAME = 300
_MAX_LINE = 400
_MAX_ENTRY = 4_000
_MAX_INSIDE = 500
_ROLES = ("gateway", "ue")
# A time that is further from ours is that of somebody without a clock.
_MAX_APART_MS = 24 * 3600 * 1000


class Reporter:
    """Push the entries of a journal to `url`; the oldest go while nobody takes them.

    tls: for https. `dropped` counts what was never taken. on_change is called when entries are
    taken no more, with the reason, and when they are again, with "".
    """

    def __init__(
        self, journal: Journal, url: str, token: str, role: str, at: str, tls: ssl.SSLContext
    ) -> None:
        self.dropped = 0
        self.on_change: Callable[[str], None] = lambda reason: None
        self._reason = ""
        self._journal = journal
        self._url = url.rstrip("/") + "/view/reports"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._head = {"at": at, "role": role}
        self._tls = tls
        self._waiting: deque[Entry] = deque()
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None

    def fills(self) -> Iterator[Fill]:
        """Tell how full it is."""
        yield Fill("view_reports", len(self._waiting), MAX_REPORTS)

    def start(self) -> None:
        """Begin."""
        self._follower = self._journal.follow(0)
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """End; what waits is tried once more."""
        if self._task is None or self._follower is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._gather()
        self._journal.leave(self._follower)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S), self._session() as session:
                await self._push(session)

    async def _run(self) -> None:
        pause_s = _EVERY_S
        async with self._session() as session:
            while True:
                await asyncio.sleep(pause_s)
                self._gather()
                taken = await self._push(session)
                pause_s = _EVERY_S if taken else min(pause_s * 2, _LONGEST_PAUSE_S)

    def _session(self) -> aiohttp.ClientSession:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        return aiohttp.ClientSession(timeout=timeout, connector=connector)

    def _gather(self) -> None:
        assert self._follower is not None
        missed, entries = self._follower.take()
        self.dropped += missed
        self._waiting += entries
        while len(self._waiting) > MAX_REPORTS:
            self._waiting.popleft()
            self.dropped += 1

    async def _push(self, session: aiohttp.ClientSession) -> bool:
        """Send what waits, a batch after the other; tells whether all of it was taken."""
        size = MAX_REPORT_ENTRIES // 4
        while self._waiting:
            batch = list(islice(self._waiting, size))
            try:
                # The token is for this address, and where one is sent on is none that takes it.
                async with session.post(
                    self._url,
                    json={**self._head, "entries": batch},
                    headers=self._headers,
                    allow_redirects=False,
                ) as answer:
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError, OSError) as problem:
                self._note(str(problem) or type(problem).__name__)
                return False
            if status >= 500 or status in (401, 403, 404) or 300 <= status < 400:
                is_unknown = status in (401, 403)
                hint = ": report_token is not this gateway's at the server" if is_unknown else ""
                self._note(f"{self._url} answers {status}{hint}")
                return False
            self._note("")
            if status == _TOO_LARGE and len(batch) > 1:
                size = len(batch) // 2
                continue
            # Anything else that is no yes will not be taken the next time, either.
            self.dropped += len(batch) if status >= 400 else 0
            for _ in batch:
                self._waiting.popleft()
        return True

    def _note(self, reason: str) -> None:
        changed, self._reason = bool(reason) != bool(self._reason), reason
        if changed:
            self.on_change(reason)


def check(entry: Any, at: str, now: int) -> Entry:
    """Return an entry of somebody else, at, in the form of one's own. Raises ValueError."""
    if not isinstance(entry, dict) or len(entry) > _MAX_FIELDS:
        raise ValueError(f"an object of at most {_MAX_FIELDS} fields is wanted")
    entry = {**entry, "at": at}
    for name in ("t", "role", "event"):
        if not isinstance(entry.get(name), str):
            raise ValueError(f"{name}: a string is wanted")
    if entry["role"] not in _ROLES:
        raise ValueError(f"role: one of {', '.join(_ROLES)} is wanted")
    for name in ("trace", "ue", "set", "peer", "what", "from", "to", "at"):
        if name in entry and not (isinstance(entry[name], str) and len(entry[name]) <= _MAX_NAME):
            raise ValueError(f"{name}: a string of at most {_MAX_NAME} characters is wanted")
    traces = entry.get("traces", [])
    if not isinstance(traces, list) or len(traces) > _MAX_INSIDE:
        raise ValueError(f"traces: a list of at most {_MAX_INSIDE} is wanted")
    if not all(isinstance(one, str) and len(one) <= _MAX_NAME for one in traces):
        raise ValueError("traces: a list of strings is wanted")
    made = {str(key)[:_MAX_NAME]: _cut(one) for key, one in entry.items() if key != "n"}
    if sum(len(key) + len(str(one)) for key, one in made.items()) > _MAX_ENTRY:
        raise ValueError(f"at most {_MAX_ENTRY} characters are wanted")
    if "traces" in entry:
        made["traces"] = traces
    made["t"] = _moment(entry["t"], now)
    return made


def _cut(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_LINE else text[:_MAX_LINE] + "…"


def _moment(text: str, now: int) -> str:
    """Return the time of an entry in UTC; now for that of somebody without a clock."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return iso(now)
    if moment.tzinfo is None:
        return iso(now)
    at_ms = int(moment.timestamp() * 1000)
    return iso(at_ms if abs(at_ms - now) <= _MAX_APART_MS else now)
