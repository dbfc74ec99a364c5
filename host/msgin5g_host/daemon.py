"""The life of a daemon: run until SIGTERM or SIGINT, then end cleanly within five seconds."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

END_WITHIN_S = 5.0


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `main(stop)`; `stop` is set by SIGTERM or SIGINT. Returns the exit code.

    0 for a clean end, 1 when an exception ended it, printed as one line on standard error
    (with MSGIN5G_DEBUG=1 the traceback).
    """
    try:
        asyncio.run(_run(main))
    except KeyboardInterrupt:
        return 0
    except Exception as problem:
        if os.environ.get("MSGIN5G_DEBUG") == "1":
            raise
        name = "" if isinstance(problem, OSError) else f"{type(problem).__name__}: "
        print(f"msgin5g: {name}{problem}", file=sys.stderr)
        return 1
    return 0


async def _run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    work = asyncio.ensure_future(main(stop))
    ending = asyncio.create_task(stop.wait())
    await asyncio.wait((work, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not work.done():
        await asyncio.wait((work,), timeout=END_WITHIN_S)
        if not work.done():
            work.cancel()
            await asyncio.wait((work,), timeout=1)
            return
    await work
