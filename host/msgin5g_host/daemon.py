"""The life of a daemon: run until SIGTERM or SIGINT, then end cleanly within five seconds."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

END_WITHIN_S = 5.0
_CANCEL_AFTER_S = 4.0
_CANCEL_WAIT_S = 0.5
_ENDING = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> int:
    """Run `main(stop)`; `stop` is set by SIGTERM or SIGINT. Returns the exit code.

    `main` has 4 s to end after `stop`, then it is cancelled; what ignores even that is cut off
    when END_WITHIN_S have passed. 0 for an end by signal or by itself, 1 when an exception ended
    it, printed as one line on standard error (with MSGIN5G_DEBUG=1 the traceback).
    """
    try:
        asyncio.run(_run(main))
    except KeyboardInterrupt:
        return 0
    except (Exception, asyncio.CancelledError) as problem:
        if os.environ.get("MSGIN5G_DEBUG") == "1":
            raise
        print(f"msgin5g: {_line(problem)}", file=sys.stderr)
        return 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return 0


async def _run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _ENDING:
        loop.add_signal_handler(number, stop.set)
    try:
        await _until_stopped(main, stop)
    finally:
        # A second signal while the interpreter ends would be its exit code.
        for number in _ENDING:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)


async def _until_stopped(
    main: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event
) -> None:
    work = asyncio.ensure_future(main(stop))
    ending = asyncio.create_task(stop.wait())
    await asyncio.wait((work, ending), return_when=asyncio.FIRST_COMPLETED)
    ending.cancel()
    if not work.done():
        # Tasks that swallow their cancellation and threads that hang would keep the process.
        signal.signal(signal.SIGALRM, _cut_off)
        signal.setitimer(signal.ITIMER_REAL, END_WITHIN_S)
        await asyncio.wait((work,), timeout=_CANCEL_AFTER_S)
        if not work.done():
            work.cancel()
            await asyncio.wait((work,), timeout=_CANCEL_WAIT_S)
            if not work.done() or work.cancelled():
                return
    await work


def _cut_off(_number: int, _frame: object) -> None:
    os._exit(0)


def _line(problem: BaseException) -> str:
    """One line that says what went wrong; the type only where the text alone would not do."""
    text = " ".join(str(problem).split())
    if text and (isinstance(problem, OSError) or type(problem).__module__.startswith("msgin5g")):
        return text
    return f"{type(problem).__name__}: {text}" if text else type(problem).__name__
