"""What the demo's UEs log goes to the server's page as well: no gateway sees inside a UE."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import aiohttp

from msgin5g_host.reporting import MAX_REPORTS

Event = dict[str, Any]

_EVERY_S = 0.3
_AT_ONCE = 100
_TIMEOUT_S = 5.0


class PageReports:
    """Push the events of UEs to POST /view/reports; what the server does not take is lost."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Event]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, url: str) -> None:
        """Begin. url: of the server's HTTP side."""
        self._task = asyncio.create_task(self._run(url + "/view/reports"))

    def beside(self, take: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return what takes an event of a UE for the page, and hands it on to `take`."""

        def both(event: Event) -> None:
            take(event)
            if event.get("role") == "ue":
                waiting = self._waiting.setdefault(str(event.get("ue", "")), [])
                if len(waiting) < MAX_REPORTS:
                    waiting.append(event)

        return both

    async def close(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, url: str) -> None:
        timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while True:
                await asyncio.sleep(_EVERY_S)
                # A UE may be heard of for the first time while others' events are on their way.
                for name, waiting in list(self._waiting.items()):
                    batch, waiting[:_AT_ONCE] = waiting[:_AT_ONCE], []
                    if not batch:
                        continue
                    with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                        body = {"at": name, "role": "ue", "entries": batch}
                        await (await session.post(url, json=body)).release()
