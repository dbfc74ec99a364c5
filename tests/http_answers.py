"""An HTTP server in a thread that gives prepared answers: what no real server says."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from aiohttp import web


@contextmanager
def serving(answers: Mapping[str, Callable[[web.Request], web.Response]]) -> Iterator[str]:
    """Serve GET of these paths; yields "host:port"."""
    loop = asyncio.new_event_loop()
    address: list[str] = []
    started = threading.Event()
    stop = asyncio.Event()

    def handler(answer):
        async def handle(request: web.Request) -> web.Response:
            return answer(request)

        return handle

    async def serve() -> None:
        app = web.Application()
        for path, answer in answers.items():
            app.router.add_get(path, handler(answer))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append("{}:{}".format(*runner.addresses[0][:2]))
        started.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(10)
    try:
        yield address[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
