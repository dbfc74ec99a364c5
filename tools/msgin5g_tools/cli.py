"""The `msgin5g` command: one verb per module, loaded only when it is called."""

import argparse
import difflib
import importlib
import os
import sys
from collections.abc import Sequence

# verb: (module with add_arguments(parser) and run(args) -> int, one line of help)
VERBS = {
    "demo": ("msgin5g_tools.demo", "server, gateway and MicroPython UEs on this machine, live"),
    "server": ("msgin5g_server.main", "run the MSGin5G Server"),
    "gateway": ("msgin5g_gateway.main", "run the MSGin5G Gateway UE"),
    "ue": ("msgin5g_tools.ue", "run a constrained UE on MicroPython, or a fleet of them"),
    "flash": ("msgin5g_tools.flash.command", "install the firmware on a board on USB"),
    "ues": ("msgin5g_tools.ues", "list the UEs that are registered at a server"),
    "messages": ("msgin5g_tools.messages", "show what passed lately, or one message hop by hop"),
    "send": ("msgin5g_tools.send", "send a message from a UE or an application"),
    "listen": ("msgin5g_tools.listen", "show the messages of a UE or an application"),
    "group": ("msgin5g_tools.group", "create, show, change, delete and list groups"),
    "config": ("msgin5g_tools.config.command", "write, check and show configuration files"),
    "trace": ("msgin5g_tools.trace", "capture what crosses the links of a gateway or server"),
    "bench": ("msgin5g_tools.bench", "measure throughput, latency, memory and wire bytes"),
    "doctor": ("msgin5g_tools.doctor", "check what this machine has and what is missing"),
}
_RELEASE = "3GPP TS 24.538 V18.3.0"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns its exit code: 0 well, 1 failed, 2 wrong use or configuration."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    first = arguments[0] if arguments else ""
    try:
        if first == "--version":
            print(f"msgin5g {_version()} ({_RELEASE})")
            return 0
        if first in ("", "-h", "--help", "help"):
            print(_help())
            return 0 if first else 2
        if first not in VERBS:
            print(f"msgin5g: unknown verb {first!r}{_nearest(first)}", file=sys.stderr)
            return 2
        return _run(first, arguments[1:])
    except BrokenPipeError:
        # The reader of our output went away; the interpreter's last flush must not complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def parser_of(verb: str) -> argparse.ArgumentParser:
    """Return the parser of a verb's options. Raises ModuleNotFoundError."""
    module = importlib.import_module(VERBS[verb][0])
    parser = argparse.ArgumentParser(prog=f"msgin5g {verb}", allow_abbrev=False)
    module.add_arguments(parser)
    return parser


def _run(verb: str, arguments: list[str]) -> int:
    try:
        parser = parser_of(verb)
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0].startswith("msgin5g"):
            raise
        print(
            f"msgin5g {verb}: the Python package {missing.name!r} is missing; run `make setup` "
            "in the project's folder, or `msgin5g doctor` to see all that is missing",
            file=sys.stderr,
        )
        return 1
    from msgin5g_host.config import ConfigError

    try:
        code: int = importlib.import_module(VERBS[verb][0]).run(parser.parse_args(arguments))
    except ConfigError as problem:
        print(f"msgin5g {verb}: {problem}", file=sys.stderr)
        return 2
    sys.stdout.flush()
    return code


def _help() -> str:
    lines = [
        "usage: msgin5g VERB [options]",
        "",
        f"MSGin5G ({_RELEASE}) for constrained devices: UE, gateway and server.",
        "",
        "verbs:",
        *(f"  {verb:8} {text}" for verb, (_, text) in VERBS.items()),
        "",
        "options:",
        "  -h, --help  show this text; `msgin5g VERB --help` shows the options of a verb",
        "  --version   show the version and the release of the standard",
    ]
    return "\n".join(lines)


def _nearest(verb: str) -> str:
    close = difflib.get_close_matches(verb, VERBS, 1, 0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return "; verbs are " + ", ".join(VERBS)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("msgin5g")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
