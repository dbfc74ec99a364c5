"""GET /view/capture: a capture while it happens, for as long as the client stays."""

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import web

from msgin5g_host.capture import Capture, CaptureFull

MAX_CAPTURE_QUEUE_BYTES = 4 << 20
CONTENT_TYPE = "application/x-pcapng"
# How often something is sent while nothing happens, so that each side knows of the other.
BEAT_S = 5.0
_FIRST = asyncio.FIRST_COMPLETED


class _Stream:
    """What waits for one client. What finds no room is missed, counted, and told of in a note."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._blocks: deque[bytes] = deque()
        self._bytes = 0
        self._missed = self._missed_before = 0
        self.ready = asyncio.Event()

    def take(self, block: bytes) -> None:
        """Queue a block, or miss it."""
        if self._bytes + len(block) > MAX_CAPTURE_QUEUE_BYTES:
            self._missed += 1
            return
        if self._missed:
            missed, self._missed = self._missed, 0
            self._missed_before += missed
            self._put(self._capture.note(f"{missed} frames missed: the reader was too slow"))
        self._put(block)

    def beat(self) -> None:
        """Say that nothing happens."""
        self._put(self._capture.beat(self._missed_before + self._missed))

    def all(self) -> bytes:
        """Return what waits, and forget it."""
        data = b"".join(self._blocks)
        self._blocks.clear()
        self._bytes = 0
        self.ready.clear()
        return data

    def _put(self, block: bytes) -> None:
        self._blocks.append(block)
        self._bytes += len(block)
        self.ready.set()


class CaptureStreams:
    """Serve the capture of a role. check: raises for who may not look."""

    def __init__(self, capture: Capture, check: Callable[[web.Request], None]) -> None:
        self._capture = capture
        self._check = check
        self._ended = asyncio.Event()

    def add_routes(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_get("/view/capture", self._serve)

    def close(self) -> None:
        """Let the clients go."""
        self._ended.set()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self._check(request)
        stream = _Stream(self._capture)
        try:
            self._capture.follow(stream)
        except CaptureFull as problem:
            raise web.HTTPServiceUnavailable(text=f"{problem}; end one of them\n") from None
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            answer = web.StreamResponse(headers={"Cache-Control": "no-store"})
            answer.content_type = CONTENT_TYPE
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            while not self._ended.is_set() and request.transport is not None:
                await answer.write(stream.all())
                ready = asyncio.ensure_future(stream.ready.wait())
                await asyncio.wait((ready, ended), timeout=BEAT_S, return_when=_FIRST)
                ready.cancel()
                if not stream.ready.is_set():
                    stream.beat()
            return answer
        except ConnectionError:
            # The client has enough.
            return answer
        finally:
            ended.cancel()
            self._capture.leave(stream)
