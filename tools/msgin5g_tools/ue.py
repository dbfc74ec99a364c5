"""`msgin5g ue`: the firmware on the Unix port of MicroPython, or a fleet of UEs for load."""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile

from msgin5g_tools.durations import seconds_or_ever
from msgin5g_tools.micropython import MicroPythonMissing, ue_command, ue_environment
from msgin5g_tools.ue_file import read_ue_file
from ue.config import merge
from ue.errors import ConfigError as UeConfigError
from ue.modes import CLIENT

_DEFAULT_LINK = "udp://127.0.0.1:65402"
_HEAP = re.compile("([0-9]{1,9})([kKmM]?)")
_UNITS = {"": 1, "k": 1 << 10, "K": 1 << 10, "m": 1 << 20, "M": 1 << 20}
_LEAST_HEAP = 100 << 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g ue`."""
    parser.description = (
        "Run the constrained UE's firmware on the Unix port of MicroPython, or, with --count, a "
        "fleet of UEs with the same protocol core in this process."
    )
    parser.add_argument("-c", "--config", metavar="FILE.json", help="the UE's configuration file")
    parser.add_argument(
        "--link",
        metavar="URL",
        help=f"the gateway: udp://, serial:// or ble:// (default {_DEFAULT_LINK})",
    )
    parser.add_argument("--ue-service-id", metavar="URI", help="default urn:example:ue:1")
    parser.add_argument(
        "--ue-id", metavar="ID", help="MSGin5G UE ID; alone: it asks for its UE Service ID by it"
    )
    parser.add_argument("--urgent", action="store_true", help="register without bulk handling")
    parser.add_argument("--wait-s", type=int, metavar="S", help="longest wait for a bulk answer")
    parser.add_argument("--state", metavar="FILE", help="keep counters and registration here")
    parser.add_argument("--heap", default="240k", help="heap of the board (default %(default)s)")
    fleet = parser.add_argument_group("fleet")
    fleet.add_argument("--count", type=int, default=1, metavar="N", help="how many UEs")
    fleet.add_argument(
        "--rate", type=float, default=50.0, metavar="R", help="UEs that start per second (50)"
    )
    fleet.add_argument(
        "--ramp", type=float, default=0.0, metavar="S", help="seconds until the full rate (0)"
    )
    fleet.add_argument(
        "--jitter",
        type=float,
        default=0.1,
        metavar="J",
        help="random part of every interval, 0 to 1 (0.1)",
    )
    fleet.add_argument(
        "--id-prefix",
        default="urn:example:ue:",
        metavar="URI",
        help="UE Service IDs are this and a number from 1 (default %(default)s)",
    )
    fleet.add_argument("--refresh-s", type=float, metavar="S", help="registration interval")
    fleet.add_argument(
        "--for",
        dest="seconds",
        type=seconds_or_ever,
        default=0.0,
        metavar="S",
        help="end after so many seconds (default: run until Ctrl-C)",
    )
    fleet.add_argument(
        "--once", action="store_true", help="register all, de-register all, report, end"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per event")


def run(args: argparse.Namespace) -> int:
    """Run one UE or a fleet; returns the exit code."""
    if args.count < 1:
        print("msgin5g ue: --count takes a number from 1", file=sys.stderr)
        return 2
    if args.count > 1 or args.once:
        from msgin5g_tools.fleet import FleetError, run_fleet

        try:
            return asyncio.run(run_fleet(args, args.link or _DEFAULT_LINK))
        except FleetError as problem:
            print(f"msgin5g ue: {problem}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 0
    return _run_firmware(args)


def _run_firmware(args: argparse.Namespace) -> int:
    """Become MicroPython, which finds the merged configuration in a file without a name."""
    try:
        settings = _settings(args)
        command = ue_command(_nameless(json.dumps(settings)), args.heap)
    except UeConfigError as problem:
        print(f"msgin5g ue: {problem}", file=sys.stderr)
        return 2
    except MicroPythonMissing as problem:
        print(f"msgin5g ue: {problem}", file=sys.stderr)
        return 1
    sys.stdout.flush()
    os.execve(command[0], command, ue_environment(os.environ.get("MSGIN5G_AIR", "")))


def _settings(args: argparse.Namespace) -> dict[str, object]:
    """Return what file and options say. Raises UeConfigError."""
    for option, value in (("--for", args.seconds), ("--refresh-s", args.refresh_s)):
        if value:
            raise UeConfigError(f"{option} is for a fleet: add --count N, or --once")
    if not (size := _HEAP.fullmatch(args.heap)) or int(size[1]) * _UNITS[size[2]] < _LEAST_HEAP:
        raise UeConfigError(f"--heap: 100k or more is wanted, such as 240k, not {args.heap!r}")
    settings: dict[str, object] = read_ue_file(args.config) if args.config else {}
    is_device = settings.get("mode", CLIENT) != CLIENT
    if not (is_device or settings.get("ue_id") or args.ue_id):
        settings.setdefault("ue_service_id", "urn:example:ue:1")
    settings.setdefault("link", _DEFAULT_LINK)
    for key, value in (
        ("link", args.link),
        ("ue_service_id", args.ue_service_id),
        ("ue_id", args.ue_id),
        ("wait_s", args.wait_s),
        ("state_file", args.state),
        ("urgent", args.urgent or None),
        ("json", args.json or None),
    ):
        if value is not None:
            settings[key] = value
    # Whether there is a microCoAPy only MicroPython can tell.
    told = {key: value for key, value in settings.items() if key != "coap"}
    merge(told, args.config or "options")
    if str(settings["link"]).startswith("ble://") and not os.environ.get("MSGIN5G_AIR"):
        raise UeConfigError(
            f"link: {settings['link']}: MicroPython on this machine has no Bluetooth; use a board "
            "(msgin5g flash), or see msgin5g demo for BLE without hardware"
        )
    return settings


def _nameless(text: str) -> str:
    """Return a path by which the process that this one becomes, and only it, reads the text.

    A configuration has secrets, and nobody would remove a file.
    """
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        number = os.dup(file.fileno())
    os.set_inheritable(number, True)
    return f"/dev/fd/{number}"
