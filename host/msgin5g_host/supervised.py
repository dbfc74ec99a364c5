"""What a daemon tells systemd (sd_notify): that it is ready, that its loop turns, that it ends.

Without systemd there is no NOTIFY_SOCKET, and nothing is sent.
"""

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator

_PATIENCE_S = 1.0
_BEATS = 3  # in the time after which systemd restarts a silent daemon (WatchdogSec)


def notify(**fields: str | int) -> None:
    """Send assignments such as READY=1, STATUS="…" to whoever started us; lost if nobody reads."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    lines = (f"{key}={' '.join(str(value).split())}" for key, value in fields.items())
    with (
        contextlib.suppress(OSError),
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock,
    ):
        # A full queue must not hold up the loop that the beat is about; the rest comes once.
        sock.settimeout(0 if "WATCHDOG" in fields else _PATIENCE_S)
        sock.sendto("\n".join(lines).encode(), address.replace("@", "\0", 1))


@contextlib.contextmanager
def supervised(status: Callable[[], str]) -> Iterator[None]:
    """Be ready inside the block and stopping after it; beat for the watchdog from the loop.

    status: what `systemctl status` shows, asked for at the start and with every beat.
    """
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle | None = None
    period_s = _period_s()

    def beat() -> None:
        nonlocal timer
        notify(WATCHDOG=1, STATUS=status())
        timer = loop.call_later(period_s, beat)

    notify(READY=1, STATUS=status())
    if period_s:
        beat()
    try:
        yield
    finally:
        notify(STOPPING=1, STATUS="stopping")
        if timer is not None:
            timer.cancel()


def _period_s() -> float:
    """Return the seconds between two beats, 0 if nobody waits for any."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    for_us = os.environ.get("WATCHDOG_PID") in (None, str(os.getpid()))
    return int(wanted) / 1e6 / _BEATS if for_us and wanted.isdigit() else 0.0
