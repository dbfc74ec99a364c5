"""An address to listen on that cannot be had: which one, why, and what to do."""

import contextlib
import errno
import os
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def listening(what: str, option: str) -> Iterator[None]:
    """Bind `what` in here; an OSError of it names what, why, and the option that changes it."""
    try:
        yield
    except OSError as problem:
        reason: object = problem.strerror or problem
        if problem.errno is not None and not isinstance(problem, socket.gaierror):
            # asyncio puts a sentence with the address as a tuple into strerror.
            reason = os.strerror(problem.errno)
        stop = "stop what uses it or " if problem.errno == errno.EADDRINUSE else ""
        raise OSError(f"{what}: {reason}; {stop}choose another with {option}") from None
