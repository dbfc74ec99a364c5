"""Server-sent events: what the journal takes, UEs that changed, and the rates each second."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from msgin5g_host.follower import Entry
from msgin5g_host.http_access import failure
from msgin5g_host.journal import MAX_FOLLOWERS, Journal

_COMMENT_S = 15.0
# Who has not read for so long is not there any more.
_WRITE_S = 30.0
# Entries that come together leave together.
_GATHER_S = 0.05
_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}
# After these a row of the list may look different.
_CHANGES = (
    *("registered", "refreshed", "deregistered", "expired", "refused", "deferred", "delivered"),
    *("undelivered", "unanswered", "discarded", "signed-up", "signed-off", "stored", "message"),
    *("device-registered", "device-ended", "kept", "answered", "own-registered"),
)


class Events:
    """The streams that are open. row(ue): the UE as the list shows it, or None."""

    def __init__(self, journal: Journal, row: Callable[[str], Any]) -> None:
        self._journal = journal
        self._row = row
        self._streams: list[_Stream] = []

    def sampled(self, sample: dict[str, Any]) -> None:
        """Take a sample of the rates."""
        for stream in self._streams:
            stream.sample = sample
            stream.news.set()

    def close(self) -> None:
        """End all streams."""
        for stream in self._streams:
            stream.is_open = False
            stream.news.set()

    async def serve(self, request: web.Request, after: int | None) -> web.StreamResponse:
        """Send events until the client goes. after: the number of the last entry that it has."""
        follower = self._journal.follow(after)
        if follower is None:
            raise failure(503, f"{MAX_FOLLOWERS} pages are open, close one")
        stream = _Stream()
        follower.on_news = stream.news.set
        self._streams.append(stream)
        stream.news.set()
        try:
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            # At once, so that the client knows that it is heard.
            await response.write(b": here\n\n")
            while stream.is_open:
                try:
                    await asyncio.wait_for(stream.news.wait(), _COMMENT_S)
                except TimeoutError:
                    stream.is_quiet = True
                stream.news.clear()
                await asyncio.sleep(_GATHER_S)
                text = self._text(stream, *follower.take())
                if text:
                    async with asyncio.timeout(_WRITE_S):
                        await response.write(text.encode())
        except ConnectionError:
            pass  # it has gone
        except TimeoutError:
            if request.transport is not None:
                # Even the end of the answer would wait for it.
                request.transport.abort()
        finally:
            self._streams.remove(stream)
            self._journal.leave(follower)
        return response

    def _text(self, stream: "_Stream", missed: int, entries: list[Entry]) -> str:
        parts = []
        if missed:
            parts.append(_event("missed", {"entries": missed}))
        changed: dict[str, None] = {}
        for entry in entries:
            parts.append(f"id: {entry['n']}\n{_event('entry', entry)}")
            if entry["event"] in _CHANGES:
                for name in ("ue", "to", "from"):
                    if isinstance(entry.get(name), str):
                        changed[entry[name]] = None
        for ue in changed:
            row = self._row(ue)
            if row is not None:
                parts.append(_event("ue", row))
        if stream.sample is not None:
            parts.append(_event("rates", stream.sample))
            stream.sample = None
        if stream.is_quiet:
            stream.is_quiet = False
            parts.append(": still here\n\n")
        return "".join(parts)


class _Stream:
    """One client."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.sample: dict[str, Any] | None = None
        self.is_open = True
        self.is_quiet = False


def _event(name: str, data: Any) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
