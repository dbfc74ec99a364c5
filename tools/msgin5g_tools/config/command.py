"""`msgin5g config`: write configuration files, check that they fit each other, show the result."""

import argparse
import json
import os
import sys
from dataclasses import asdict

from msgin5g_host.config import ConfigError
from msgin5g_tools.config import init
from msgin5g_tools.config.fit import ERROR, Misfit, misfits
from msgin5g_tools.config.kinds import Loaded, load_file, plain, shown
from msgin5g_tools.config.written import write

_SPEAKS = {"server": "a server's, on", "gateway": "a gateway's,", "ue": "a UE's,"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the verbs below `msgin5g config`."""
    parser.description = (
        "Write configuration files for server, gateway and UE, check files and whether they fit "
        "each other, show what they amount to."
    )
    parser.epilog = "Each VERB has --json and --help."
    verbs = parser.add_subparsers(dest="what", required=True, metavar="VERB")
    make = verbs.add_parser(
        "init",
        help="write a file with comments, ready to use",
        description="Write a configuration file with a comment to every key.",
    )
    init.add_arguments(make.add_subparsers(dest="kind", required=True, metavar="ROLE"))
    check = verbs.add_parser(
        "check",
        help="check one or several files, and that they fit each other",
        description="Load the files of a server, its gateways and their UEs, say what each is, "
        "and check that they fit: that each UE is known at both, that addresses and service "
        "identifiers agree, that registrations are refreshed in time. Exit code 1 if something "
        "will not work.",
    )
    check.add_argument("files", nargs="+", metavar="FILE")
    show = verbs.add_parser(
        "show",
        help="print a file merged with environment and defaults",
        description="Print what a daemon or UE would run with: the file, over it MSGIN5G_* of the "
        "environment, below it the defaults. Secrets are not shown.",
    )
    show.add_argument("file", metavar="FILE")
    for one in (check, show):
        one.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Do it; returns 0, or 1 if `check` found what will not work. Raises ConfigError."""
    return {"init": _init, "check": _check, "show": _show}[args.what](args)


def _init(args: argparse.Namespace) -> int:
    text, private = init.text_of(args)
    file = init.target(args)
    if file is None:
        sys.stdout.write(text)
        return 0
    write(file, text, args.force, private)
    if args.json:
        print(json.dumps({"file": str(file), "kind": args.kind, "private": private}))
        return 0
    print(f"{file}: written" + (", for its owner only: it holds a secret" if private else ""))
    return 0


def _check(args: argparse.Namespace) -> int:
    files: list[Loaded] = []
    found: list[Misfit] = []
    for path in args.files:
        try:
            files.append(load_file(path, {}))
        except ConfigError as problem:
            text = str(problem).removeprefix(f"{path}: ")
            found.append(Misfit(ERROR, path, text, "correct the file"))
    found += misfits(files)
    well = all(one.level != ERROR for one in found)
    if args.json:
        known = [{"file": one.path, "kind": one.kind, "name": one.name} for one in files]
        problems = [asdict(one) for one in found]
        print(json.dumps({"ok": well, "files": known, "problems": problems}, ensure_ascii=False))
        return 0 if well else 1
    for file in files:
        print(f"{file.path}: {_SPEAKS[file.kind]} {file.name}")
    for one in found:
        print(f"{one.level}: {one.file}: {one.problem}; {one.do}")
    if well:
        print("they fit each other" if len(files) > 1 else "it can be used")
    return 0 if well else 1


def _show(args: argparse.Namespace) -> int:
    file = load_file(args.file, os.environ)
    if args.json:
        print(json.dumps({"kind": file.kind, **plain(file)}, ensure_ascii=False))
    else:
        print(shown(file))
    return 0
