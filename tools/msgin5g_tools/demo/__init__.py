"""`msgin5g demo`: server, gateway and MicroPython UEs on every link on this machine, live."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from msgin5g_tools.demo.cast import Cast
from msgin5g_tools.demo.plain import JsonView, TextView, View
from msgin5g_tools.demo.processes import DemoError, DemoWorld, Event
from msgin5g_tools.demo.story import Story


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g demo`."""
    parser.description = (
        "Start an MSGin5G Server, a Gateway and constrained UEs (MicroPython on the Unix port) on "
        "this machine, on UDP, serial and BLE links without hardware, and show who is registered "
        "and every protocol message as it passes. Nothing is left behind; Ctrl-C ends it."
    )
    parser.add_argument(
        "--for",
        dest="seconds",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="end by itself after so many seconds; exit code 1 if a UE never registered",
    )
    parser.add_argument("--ues", type=int, default=3, metavar="N", help="how many UEs (1 to 16)")
    parser.add_argument("--json", action="store_true", help="one JSON object per event, no table")
    parser.add_argument("--keep", metavar="DIR", help="keep configuration and data in this folder")


def run(args: argparse.Namespace) -> int:
    """Run the demo; returns 0 when every UE registered, 1 if not, 2 for bad arguments."""
    if not 1 <= args.ues <= 16:
        print("msgin5g demo: --ues takes a number from 1 to 16", file=sys.stderr)
        return 2
    if args.seconds < 0:
        print("msgin5g demo: --for takes seconds from 0, which is for ever", file=sys.stderr)
        return 2
    folder = Path(args.keep) if args.keep else Path(tempfile.mkdtemp(prefix="msgin5g-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        print(f"msgin5g demo: --keep {folder}: {problem.strerror}", file=sys.stderr)
        return 2
    try:
        return asyncio.run(_run(args, folder))
    except DemoError as problem:
        print(f"msgin5g demo: {problem}", file=sys.stderr)
        return 1
    finally:
        if not args.keep:
            shutil.rmtree(folder, ignore_errors=True)


async def _run(args: argparse.Namespace, folder: Path) -> int:
    cast = Cast(folder, args.ues)
    story = Story({player.name: player.link for player in cast.players})
    view = _view(args.json, story)

    def take(event: Event) -> None:
        story.take(event)
        view.show(event)

    try:
        with view:
            await DemoWorld(cast, args.seconds).run(take)
    finally:
        cast.close()
    view.end(story.summary())
    return 0 if story.everyone_registered() else 1


def _view(as_json: bool, story: Story) -> View:
    if as_json:
        return JsonView()
    if sys.stdout.isatty():
        from msgin5g_tools.demo.screen import ScreenView

        return ScreenView(story)
    return TextView()
