"""GET /view/capture: a capture while it happens, for as long as the client stays."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from msgin5g_host.capture import Capture, CaptureFull
from msgin5g_host.capture_queue import CaptureQueue

CONTENT_TYPE = "application/x-pcapng"
# How often something is sent while nothing happens, so that each side knows of the other.
BEAT_S = 5.0
# A client that takes no piece of so many bytes for so long keeps its place from another.
_WRITE_S = 60.0
_PIECE_BYTES = 64 << 10
_FIRST = asyncio.FIRST_COMPLETED


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
        news = asyncio.Event()
        stream = CaptureQueue(self._capture, news.set)
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
                news.clear()
                data = b"".join(stream.all())
                for at in range(0, len(data), _PIECE_BYTES):
                    async with asyncio.timeout(_WRITE_S):
                        await answer.write(data[at : at + _PIECE_BYTES])
                ready = asyncio.ensure_future(news.wait())
                await asyncio.wait((ready, ended), timeout=BEAT_S, return_when=_FIRST)
                ready.cancel()
                if not news.is_set():
                    stream.beat()
            return answer
        except (ConnectionError, TimeoutError):
            # The client has enough, or is not there any more.
            return answer
        finally:
            ended.cancel()
            self._capture.leave(stream)
