"""`msgin5g doctor`: what this machine has, what is missing or wrong, and what to do about it."""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from msgin5g_tools.doctor import bluetooth, clock, groups, machine, serial_ports
from msgin5g_tools.doctor.findings import FAULT, MARKS, MISSING, SETUP, Finding
from msgin5g_tools.tables import on_terminal


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g doctor`."""
    parser.description = (
        "Check what this machine has: packages, ports, clock, serial ports, Bluetooth, boards. "
        "With the configuration of a server, a gateway and UEs also whether they fit each other, "
        "whether what they name is there, and whether a server answers. Exit code 1 if something "
        "is missing that the demo needs, or that is configured will not work."
    )
    parser.add_argument(
        *("-c", "--config", "--server-config", "--gateway-config", "--ue-config"),
        dest="files",
        action="append",
        default=[],
        metavar="FILE",
        help="configuration of a server, a gateway or a UE; may be repeated",
    )
    parser.add_argument(
        "--data", default=".", metavar="DIR", help="folder for the data (default: this one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the findings; returns 1 if something is missing or wrong."""
    findings = list(examine(Path(args.data), args.files))
    well = all(one.state not in (MISSING, FAULT) for one in findings)
    if args.json:
        checks = [asdict(one) for one in findings]
        print(json.dumps({"ok": well, "checks": checks}, ensure_ascii=False))
        return 0 if well else 1
    rows = [(MARKS[one.state], one.what, one.found, one.do) for one in findings]
    if not on_terminal(("STATE", "WHAT", "FOUND", "WHAT TO DO"), rows):
        wide = max(len(one.what) for one in findings)
        for mark, what, found, do in rows:
            print(f"{mark:7}  {what:{wide}}  {found}{f'; {do}' if do else ''}")
    if args.files:
        print("nothing is wrong with these files" if well else "this will not work yet, see above")
    else:
        print("the demo can run: `make demo`" if well else "the demo cannot run yet")
    return 0 if well else 1


def examine(data: Path, files: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield what was found, in the order of importance."""
    yield from machine.examine(data, for_demo=not files)
    if not files:
        yield from machine.default_ports()
        yield from serial_ports.examine([])
        yield from bluetooth.examine([])
    yield from groups.examine()
    yield from clock.examine()
    yield from serial_ports.boards()
    if files:
        try:
            from msgin5g_tools.doctor.stack import examine as examine_stack
        except ModuleNotFoundError as missing:
            yield Finding("configuration", FAULT, f"{missing.name} is not installed", SETUP)
            return
        yield from examine_stack(files)
