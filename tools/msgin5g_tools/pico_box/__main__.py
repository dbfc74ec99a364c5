"""`python -m msgin5g_tools.pico_box`: a Pico in a box on this desk, until Ctrl-C."""

import argparse
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from msgin5g_tools.pico_box.box import PicoBox
from msgin5g_tools.pico_box.firmware import VARIABLE
from msgin5g_tools.pico_box.parts import prepare
from msgin5g_tools.pico_box.problems import BoxError


def main(argv: Sequence[str] | None = None) -> int:
    """Set up what is missing, run a box; returns 0, or 1 if there can be none."""
    parser = argparse.ArgumentParser(
        prog="python -m msgin5g_tools.pico_box",
        description="Run MicroPython on an emulated Raspberry Pi Pico until Ctrl-C.",
    )
    parser.add_argument(
        "--setup", action="store_true", help="only fetch and build what is missing, then end"
    )
    parser.add_argument(
        "--uf2", metavar="FILE", help=f"firmware image (default: ${VARIABLE}, else built once)"
    )
    parser.add_argument(
        "--state", metavar="DIR", help="keep the board's files here (default: forget them)"
    )
    parser.add_argument(
        "--load", metavar="DIR", help="begin with the files of this folder, and no others"
    )
    args = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        parts = prepare(args.uf2, _say, may_build=True)
        if args.setup:
            _say(f"ready: {parts.image}")
            return 0
        with ExitStack() as stack:
            state = args.state or stack.enter_context(
                tempfile.TemporaryDirectory(prefix="msgin5g-pico-")
            )
            box = PicoBox(parts, Path(state).absolute())
            if args.load:
                box.load(Path(args.load))
            with box:
                _show(box)
                box.wait_until_ended()
        return 0
    except (BoxError, OSError) as problem:
        print(f"pico_box: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


def _say(line: str) -> None:
    print(f"pico_box: {line}", flush=True)


def _show(box: PicoBox) -> None:
    _say(f"console  {box.console_url}  or the tty {box.console_tty}")
    _say(f"uart 0   {box.uart_url}")
    _say(f"try: mpremote connect {box.console_url} exec 'print(1 + 1)'")
    _say(f"or:  msgin5g flash --port {box.console_url} --link serial://uart0; Ctrl-C ends the box")


if __name__ == "__main__":
    sys.exit(main())
