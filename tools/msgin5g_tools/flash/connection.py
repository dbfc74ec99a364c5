"""The connection to a board: mpremote's transport with a deadline for every wait."""

import ast
import contextlib
import io
import struct
from collections.abc import Iterator
from typing import Any

import serial
from mpremote.transport import TransportError, TransportExecError
from mpremote.transport_serial import SerialTransport

from msgin5g_tools.flash.ports import check_rights
from msgin5g_tools.flash.problems import BoardGone, FlashError, WrongUse

ANSWER_S = 10.0
# How often a board that says something else at first is asked for its REPL.
_TRIES = 2
_HEARD = 60
_GONE = (serial.SerialException, OSError, TransportError, struct.error)


@contextlib.contextmanager
def connected(device: str, answer_s: float = ANSWER_S) -> Iterator[SerialTransport]:
    """Give mpremote's transport to the board, in the raw REPL after a soft reset.

    The UE that ran is stopped by that. Raises WrongUse if this is no MicroPython or nobody may
    open it, and inside the block, BoardGone if the board goes away.
    """
    transport = _open(device, answer_s)
    try:
        _enter(transport, device, answer_s)
        try:
            yield transport
        except TransportExecError as problem:
            last = problem.error_output.strip().rpartition("\n")[2]
            raise FlashError(f"the board could not do it: {last}") from None
        except _GONE as problem:
            raise BoardGone(
                f"the board at {device} does not answer any more ({problem})"
            ) from None
    finally:
        # A board that is gone takes no farewell, and then mpremote leaves its port open.
        for close in (transport.close, transport.serial.close):
            with contextlib.suppress(*_GONE):
                close()


def _open(device: str, answer_s: float) -> SerialTransport:
    check_rights(device)
    try:
        return SerialTransport(device, timeout=answer_s)
    except (TransportError, serial.SerialException, OSError, ValueError) as problem:
        if "://" in device:
            raise WrongUse(
                f"nothing answers at {device}; does what listens there, such as `make box`, still "
                "run, and is this the address that it tells?"
            ) from None
        raise WrongUse(
            f"{device} cannot be opened; is the board plugged in, and no other program "
            f"(a terminal, mpremote, an editor) connected to it? ({problem})"
        ) from None


def _enter(transport: SerialTransport, device: str, answer_s: float) -> None:
    heard = ""
    for _ in range(_TRIES):
        said = io.StringIO()
        try:
            # mpremote prints what it did not expect.
            with contextlib.redirect_stdout(said):
                transport.enter_raw_repl(timeout_overall=answer_s)
            return
        except _GONE:
            heard = said.getvalue().strip() or heard
    raise WrongUse(_what_answers(device, heard))


def _what_answers(device: str, heard: str) -> str:
    """Return the sentence for a device that has no raw REPL. heard: as `repr` of bytes."""
    heard = heard[2:-1] if heard.startswith(("b'", 'b"')) else heard
    if "CircuitPython" in heard:
        return f"the board at {device} runs CircuitPython; put MicroPython on it first"
    if not heard:
        return (
            f"nothing answers at {device}; is there MicroPython on the board? If a program keeps "
            "it busy or asleep, press its reset button and try again at once"
        )
    return (
        f"what answers at {device} is not MicroPython's REPL (it says {heard[:_HEARD]!r}); "
        "choose another port, or put MicroPython on the board"
    )


def ask(transport: SerialTransport, code: str) -> Any:
    """Run code on the board that prints one `repr`, and return that value."""
    said = transport.exec(code).decode(errors="replace").strip()
    try:
        return ast.literal_eval(said)
    except (ValueError, SyntaxError):
        raise WrongUse(
            f"the board does not answer as MicroPython does: {said[:_HEARD]!r}"
        ) from None
