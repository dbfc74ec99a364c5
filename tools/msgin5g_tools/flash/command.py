"""`msgin5g flash`: find the board, install the UE, start it, show its first registration."""

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpremote.transport_serial import SerialTransport

from msgin5g_host.config import ConfigError
from msgin5g_tools.durations import seconds
from msgin5g_tools.flash import board as board_module
from msgin5g_tools.flash import boards, install, ports
from msgin5g_tools.flash.board import Facts
from msgin5g_tools.flash.boards import Board
from msgin5g_tools.flash.compile import Format, compile_all
from msgin5g_tools.flash.connection import connected
from msgin5g_tools.flash.explain import explain
from msgin5g_tools.flash.files import firmware_folder, sources
from msgin5g_tools.flash.follow import follow, restart
from msgin5g_tools.flash.problems import BoardGone, FlashError, WrongUse
from msgin5g_tools.flash.report import Report
from msgin5g_tools.shrink.rename import Names
from msgin5g_tools.ue_file import read_ue_file
from ue.board_keys import check_board
from ue.config import defaults, merge
from ue.errors import ConfigError as UeConfigError

_SECRET = ("wifi_password", "credential")
# What a UE may leave of its state file.
_STATE = ("", ".new")
_LINKS = "udp://HOST:PORT, serial://uart0 or ble://"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g flash`."""
    parser.description = (
        "Install the constrained UE on a board with MicroPython, start it, and follow its log "
        "until it is registered. Only what has changed is copied. What is not given stays as it "
        "is in the board's config.json."
    )
    parser.add_argument(
        "--port",
        metavar="PORT",
        help="a0 for /dev/ttyACM0, u0 for /dev/ttyUSB0, a device, id:SERIAL or socket://HOST:PORT "
        "(default: the only board on USB)",
    )
    parser.add_argument("--link", metavar="URL", help=f"the gateway: {_LINKS}")
    parser.add_argument("--board", metavar="NAME", help="default: as the board says")
    parser.add_argument(
        "--ue-service-id", metavar="URI", help="default: from the chip's own number"
    )
    parser.add_argument(
        "--ue-id", metavar="ID", help="MSGin5G UE ID; alone: it asks for its UE Service ID by it"
    )
    parser.add_argument(
        "--config",
        "-c",
        metavar="FILE.json",
        help="keys of docs/reference/config.md, instead of what the board has",
    )
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="one key; repeat it for more",
    )
    parser.add_argument(
        "--wait", type=seconds, default=60.0, metavar="S", help="for the registration (60)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done")
    parser.add_argument("--no-start", action="store_true", help="install, do not start")
    parser.add_argument("--uninstall", action="store_true", help="remove what was installed")
    parser.add_argument(
        "--explain",
        metavar="LOG",
        help="install nothing: print a board's log, its tracebacks with the names of the sources",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per step")


def run(args: argparse.Namespace) -> int:
    """Returns 0 when the UE is registered, 1 when something failed, 2 for wrong use."""
    report = Report(args.json)
    try:
        given = _given(args)
        if args.explain and args.config:
            return _explain(args.explain, given)
        device = ports.find(args.port)
        with connected(device) as transport:
            if args.explain:
                return _explain(args.explain, _on_board(transport))
            facts = board_module.examine(transport)
            board = boards.named(args.board) if args.board else boards.detect(facts.machine)
            report.tell(
                "board",
                f"{device}: {facts.title()}",
                port=device,
                machine=facts.machine,
                board=board.name if board else None,
                version=".".join(map(str, facts.version)),
                free_bytes=facts.free_bytes,
            )
            if args.uninstall:
                return _uninstall(transport, report)
            config = _configuration(transport, args.config is None, given, board, facts)
            board_module.check(facts, merge(config))
            names = _install(transport, config, facts, report, args.dry_run)
            if args.dry_run or args.no_start:
                return 0
            return _start(transport, args.wait, report, names)
    except BoardGone as problem:
        half = "it is not complete and starts nothing; " if report.is_copying else ""
        print(
            f"msgin5g flash: {problem}; {half}plug it in and type the same command again",
            file=sys.stderr,
        )
        return problem.code
    except FlashError as problem:
        print(f"msgin5g flash: {problem}", file=sys.stderr)
        return problem.code
    finally:
        report.end()


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Return the keys that the command line gives. Raises ConfigError."""
    try:
        given = read_ue_file(args.config) if args.config else {}
    except UeConfigError as problem:
        raise ConfigError(f"--config {problem}") from None
    for text in args.settings:
        key, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--set {text}: KEY=VALUE is wanted")
        given[key] = _value(key, value)
    for key in ("link", "ue_service_id", "ue_id"):
        value = getattr(args, key)
        if value is not None:
            given[key] = value
    return given


def _value(key: str, text: str) -> Any:
    """Return the value of a key, which is a text where the UE wants one."""
    if isinstance(defaults().get(key, ""), str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _configuration(
    transport: SerialTransport,
    may_keep: bool,
    given: Mapping[str, Any],
    board: Board | None,
    facts: Facts,
) -> dict[str, Any]:
    """Return the keys for the board's config.json. Raises WrongUse, ConfigError."""
    kept = _on_board(transport) if may_keep else {}
    keys = {**(board.settings() if board else {}), **kept, **given}
    if "link" not in keys:
        raise WrongUse(f"how does this board reach the gateway? Add --link {_LINKS}")
    if keys.get("mode", "client") == "client" and not keys.get("ue_id"):
        number = facts.unique_id.hex()[-8:] or "1"
        keys.setdefault("ue_service_id", f"urn:example:ue:{number}")
    try:
        whole = merge(keys)
    except UeConfigError as problem:
        raise ConfigError(str(problem)) from None
    if wrong := check_board(whole, facts.platform):
        raise ConfigError(f"config: {wrong}")
    return keys


def _on_board(transport: SerialTransport) -> dict[str, Any]:
    """Return the configuration that the board has, {} without one."""
    try:
        keys = json.loads(bytes(transport.fs_readfile(install.CONFIG)))
        merge(keys)
    except FileNotFoundError:
        return {}
    except (ValueError, UeConfigError) as problem:
        raise WrongUse(
            f"the config.json on the board cannot be used ({problem}); give another with "
            "--config FILE.json"
        ) from None
    return dict(keys)


def _install(
    transport: SerialTransport,
    keys: dict[str, Any],
    facts: Facts,
    report: Report,
    is_rehearsal: bool,
) -> Names:
    """Returns what the names in the board's tracebacks mean."""
    report.tell("compile", f"compiling this UE's modules for {facts.form}: some ten seconds")
    compiled = compile_all(sources(merge(keys)), facts.form)
    wanted = {f"lib/{name}": data for name, data in compiled.files.items()}
    wanted[install.CONFIG] = (json.dumps(keys, indent=2) + "\n").encode()
    wanted[install.MAIN] = (firmware_folder() / "boards" / "common" / "main.py").read_bytes()
    there = install.survey(transport, wanted)
    plan = install.make_plan(there, wanted)
    install.check_room(plan, there, facts.block_bytes, facts.free_blocks)
    name = keys.get("ue_service_id") or keys.get("ue_id", "")
    report.tell(
        "plan",
        f"UE {name} at {keys['link']}: {len(plan.copy)} files to copy, "
        f"{plan.kept} are there, {len(plan.remove)} to remove",
        copy=list(plan.copy),
        remove=list(plan.remove),
        kept=plan.kept,
        config={key: value for key, value in keys.items() if key not in _SECRET},
    )
    if is_rehearsal:
        return compiled.names
    if plan.copy:
        report.begin(len(plan.copy), plan.bytes_to_copy())
    install.apply(transport, plan, there, report.progress)
    report.end()
    report.tell("installed", "installed", files=len(wanted))
    return compiled.names


def _start(transport: SerialTransport, wait_s: float, report: Report, names: Names) -> int:
    def say(line: str) -> None:
        meant = explain(line, names)
        report.tell("log", f"  {meant}", line=meant)

    report.tell("start", "starting; the board says:")
    restart(transport)
    last = follow(transport, wait_s, say)
    state = last.get("state")
    cause = last.get("cause") or last.get("reason")
    if state == "registered":
        report.tell("registered", "registered; the board goes on by itself", registered=True)
        return 0
    if state == "refused":
        raise FlashError(f"the UE was refused: {cause}; is its account known? It tries on")
    if state == "ended":
        raise FlashError(f"the UE does not run: {cause}")
    if state is None:
        raise FlashError(
            f"the board said nothing of a state within {wait_s:.0f} s; press its reset button, "
            "then type the same command again"
        )
    raise FlashError(
        f"not registered within {wait_s:.0f} s (state {state}{f': {cause}' if cause else ''}); "
        "is the gateway there, and is the link right? The board tries on"
    )


def _explain(log: str, keys: Mapping[str, Any]) -> int:
    """Print a log with the names of the sources, as of the UE of this configuration."""
    try:
        lines = Path(log).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as problem:
        raise ConfigError(f"{log}: {problem}") from None
    try:
        files = sources(merge(keys))
    except UeConfigError as problem:
        raise ConfigError(str(problem)) from None
    names = compile_all(files, Format(6, 3, "")).names
    for line in lines:
        print(explain(line, names))
    return 0


def _uninstall(transport: SerialTransport, report: Report) -> int:
    there = install.survey(transport, {})
    state = _on_board_state(transport)
    gone = install.uninstall(transport, there, tuple(state + end for end in _STATE))
    report.tell("uninstalled", f"{len(gone)} files removed", removed=gone)
    return 0


def _on_board_state(transport: SerialTransport) -> str:
    """Return the name of the state file, "" if there is none."""
    try:
        return str(_on_board(transport).get("state_file", ""))
    except WrongUse:
        return ""
