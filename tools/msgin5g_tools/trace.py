"""`msgin5g trace`: what crosses the links of a gateway or server, for Wireshark or a person."""

import argparse
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import BinaryIO

from msgin5g_tools.capture_reader import Blocks, CaptureReader, ReadError, fields, line
from msgin5g_tools.http_client import HttpError, add_http_arguments, connect

_PATH = "/view/capture"
_PIECE_BYTES = 1 << 16
_LONGEST_S = 1e7
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)

Write = Callable[[bytes], None]
End = Callable[[], bool]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g trace`."""
    parser.description = (
        "Capture what crosses any link of a running gateway or server, BLE and serial included, "
        "as pcapng: msgin5g trace | wireshark -k -i -. On a terminal it is decoded instead."
    )
    add_http_arguments(parser, " or gateway")
    parser.add_argument("--timeout-s", type=float, default=5.0, metavar="S", help="default 5")
    parser.add_argument("-r", "--read", metavar="FILE", help="read a capture from a file instead")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write the capture there (- for standard output)"
    )
    parser.add_argument(
        "--for", dest="seconds", type=float, metavar="S", help="end after S seconds"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--text", action="store_true", help="print a decoded line per frame")
    how.add_argument("--json", action="store_true", help="print a decoded JSON object per frame")


def run(args: argparse.Namespace) -> int:
    """Trace until Ctrl-C, --for or the other side's end; returns the exit code."""
    try:
        if args.seconds is not None and not 0 < args.seconds <= _LONGEST_S:
            raise ValueError(
                f"--for: more than 0 and at most {_LONGEST_S:g} s are wanted, not {args.seconds:g}"
            )
        if args.output and (args.text or args.json):
            raise ValueError("-o writes the capture, --text and --json print it: choose one")
        if args.read and args.seconds is not None:
            raise ValueError("--for is for a capture that is made, not for --read: leave it out")
        if args.read and args.output and _are_same(args.read, args.output):
            raise ValueError("-o would write over the capture that is read: name another file")
        client = connect(args)
    except ValueError as problem:
        print(f"msgin5g trace: {problem}", file=sys.stderr)
        return 2
    try:
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(open(args.read, "rb")) if args.read else None
            write, end = _writer(args, stack)
            if file:
                for piece in iter(lambda: file.read(_PIECE_BYTES), b""):
                    write(piece)
                if not end():
                    note = f"{args.read} ends within a frame; all before it was read"
                    print(f"msgin5g trace: {note}", file=sys.stderr)
            else:
                _follow(lambda: client.pieces(_PATH), args.seconds, write)
    except BrokenPipeError:
        # Whoever reads has enough; the command ends quietly.
        raise
    except (HttpError, ReadError, OSError) as problem:
        print(f"msgin5g trace: {problem}", file=sys.stderr)
        return 1
    return 0


def _are_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False  # one of them is not there


def _writer(args: argparse.Namespace, stack: contextlib.ExitStack) -> tuple[Write, End]:
    """Return what takes the pieces of the capture, and what says if it was whole at its end."""
    if args.output not in (None, "-"):
        return _whole_blocks(stack.enter_context(open(args.output, "ab")), is_new=True)
    if not (args.text or args.json or args.output is None and sys.stdout.isatty()):
        return _whole_blocks(sys.stdout.buffer)
    reader = CaptureReader()

    def show(piece: bytes) -> None:
        for frame in reader.feed(piece):
            print(json.dumps(fields(frame)) if args.json else line(frame), flush=True)

    return show, reader.end


def _whole_blocks(file: BinaryIO, is_new: bool = False) -> tuple[Write, End]:
    """Write no block in part, so that what was written so far can always be read.

    is_new: what the file held goes, but not before something comes to be written.
    """
    blocks = Blocks()

    def write(piece: bytes) -> None:
        nonlocal is_new
        if is_new and file.seekable():
            file.truncate(0)
        is_new = False
        for block in blocks.feed(piece):
            file.write(block)
        file.flush()

    return write, blocks.end


class _Ended(Exception):
    """A signal has come while nothing was being written."""


class _Stop:
    """Makes signals end the wait for data, but nothing that is being written."""

    def __init__(self) -> None:
        self._has_come = self._waits = False

    def on_signal(self, *_: object) -> None:
        self._has_come = True
        if self._waits:
            raise _Ended

    def waiting_for(self, work: Callable[[], bytes | None]) -> bytes | None:
        """Return what work() returns. Raises _Ended if a signal comes, or came before."""
        self._waits = True
        try:
            if self._has_come:
                raise _Ended
            return work()
        finally:
            self._waits = False


def _follow(
    open_stream: Callable[[], Iterator[bytes]], seconds: float | None, write: Write
) -> None:
    """Write what comes until it ends, a signal comes, or so many seconds of it are over."""
    stop = _Stop()
    before = {number: signal.signal(number, stop.on_signal) for number in _SIGNALS}
    stream: Iterator[bytes] = iter(())

    def begin() -> bytes | None:
        nonlocal stream
        stream = open_stream()
        return next(stream, None)

    try:
        piece = stop.waiting_for(begin)
        signal.setitimer(signal.ITIMER_REAL, seconds or 0)
        while piece is not None:
            write(piece)
            piece = stop.waiting_for(lambda: next(stream, None))
    except _Ended:
        return
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
