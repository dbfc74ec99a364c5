"""`msgin5g trace`: what crosses the links of a gateway or server, for Wireshark or a person."""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO

import aiohttp

from msgin5g_host.config import parse_address
from msgin5g_tools.capture_reader import CaptureReader, ReadError, fields, line

_TOKEN_VARIABLE = "MSGIN5G_HTTP_TOKEN"
_PATH = "/view/capture"
_CONNECT_S = 5.0
_PIECE_BYTES = 1 << 16
_MAX_DETAIL = 300


class TraceError(Exception):
    """There is nothing to trace; the text says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g trace`."""
    parser.description = (
        "Capture what crosses any link of a running gateway or server, BLE and serial included, "
        "as pcapng: msgin5g trace | wireshark -k -i -. On a terminal it is decoded instead. "
        f"Where a bearer token is wanted, it comes from {_TOKEN_VARIABLE} in the environment."
    )
    parser.add_argument(
        "--http",
        default="127.0.0.1:8080",
        metavar="ADDR",
        help="HTTP address of the gateway or server, host:port or a URL (default %(default)s)",
    )
    parser.add_argument("-r", "--read", metavar="FILE", help="read a capture from a file instead")
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="write the capture there (- for standard output)",
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
        if args.seconds is not None and args.seconds <= 0:
            raise ValueError(f"--for: a number above 0 is wanted, not {args.seconds:g}")
        if args.output and (args.text or args.json):
            raise ValueError("-o writes the capture, --text and --json print it: choose one")
        url = _url(args.http)
    except ValueError as problem:
        print(f"msgin5g trace: {problem}", file=sys.stderr)
        return 2
    try:
        with contextlib.ExitStack() as stack:
            write = _writer(args, stack)
            if args.read:
                with open(args.read, "rb") as file:
                    while piece := file.read(_PIECE_BYTES):
                        write(piece)
            else:
                asyncio.run(_follow(url, args.seconds, write))
    except BrokenPipeError:
        # Whoever reads has enough; the command ends quietly.
        raise
    except (TraceError, ReadError, OSError) as problem:
        print(f"msgin5g trace: {problem}", file=sys.stderr)
        return 1
    return 0


def _writer(args: argparse.Namespace, stack: contextlib.ExitStack) -> Callable[[bytes], None]:
    """Return what takes the pieces of the capture."""
    if args.output not in (None, "-"):
        return _through(stack.enter_context(open(args.output, "wb")))
    shown = args.text or args.json or args.output is None and sys.stdout.isatty()
    if not shown:
        return _through(sys.stdout.buffer)
    reader = CaptureReader()

    def show(piece: bytes) -> None:
        for frame in reader.feed(piece):
            print(json.dumps(fields(frame)) if args.json else line(frame), flush=True)

    return show


def _through(file: BinaryIO) -> Callable[[bytes], None]:
    def write(piece: bytes) -> None:
        file.write(piece)
        file.flush()

    return write


async def _follow(url: str, seconds: float | None, write: Callable[[bytes], None]) -> None:
    work = asyncio.ensure_future(_copy(url, write))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    await asyncio.wait((work,), timeout=seconds)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _copy(url: str, write: Callable[[bytes], None]) -> None:
    token = os.environ.get(_TOKEN_VARIABLE)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(url, headers=headers) as answer,
        ):
            if answer.status != 200:
                detail = " ".join((await answer.text())[:_MAX_DETAIL].split())
                hint = f"; put it into {_TOKEN_VARIABLE}" if answer.status == 401 else ""
                raise TraceError(f"{url} answers {answer.status}: {detail}{hint}")
            async for piece in answer.content.iter_any():
                write(piece)
    except (aiohttp.ClientError, TimeoutError) as problem:
        raise TraceError(
            f"no capture from {url} ({problem}); is the server or gateway running? Give the "
            "address that it prints as http= with --http"
        ) from None


def _url(where: str) -> str:
    """Return the URL of the capture at host:port or http(s)://host:port. Raises ValueError."""
    scheme, separator, place = where.rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise ValueError(f"--http: http:// or https:// is wanted, not {scheme}://")
    try:
        parse_address(place.rstrip("/"))
    except ValueError as problem:
        raise ValueError(f"--http: {problem}") from None
    return f"{scheme or 'http'}://{place.rstrip('/')}{_PATH}"
