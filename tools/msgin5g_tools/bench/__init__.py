"""`msgin5g bench`: rate, latency, memory and pauses, with a peer in the same run."""

import argparse
import json
import sys
from pathlib import Path

from msgin5g_tools.bench.measure import BenchError, measure
from msgin5g_tools.bench.report import as_table, missed


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g bench`."""
    parser.description = (
        "Measure the server and the exchange layer against stock aiocoap on this machine: server "
        "on one core, load generator (C, built with gcc) on another, rounds interleaved. Takes "
        "about three minutes."
    )
    parser.add_argument("--quick", action="store_true", help="a short run, only to see it work")
    parser.add_argument("--soak-s", type=float, default=60.0, metavar="S", help="length of (c)")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of (a) and (b)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument(
        "--out", metavar="FILE", default="bench.json", help="write JSON here (default %(default)s)"
    )
    parser.add_argument(
        "--strict", action="store_true", help="exit code 1 if a target is missed (default 0)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the benchmark; returns the exit code."""
    if args.rounds < 1 or args.soak_s < 1:
        print("msgin5g bench: --rounds is at least 1, --soak-s at least 1", file=sys.stderr)
        return 2

    def progress(text: str) -> None:
        if not args.json:
            print(f"  {text}", file=sys.stderr, flush=True)

    try:
        result = measure(args.quick, args.rounds, args.soak_s, progress)
    except BenchError as problem:
        print(f"msgin5g bench: {problem}", file=sys.stderr)
        return 1
    Path(args.out).write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result) if args.json else as_table(result))
    return 1 if args.strict and missed(result) else 0
