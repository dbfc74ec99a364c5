"""`msgin5g doctor`: what this machine has, what is missing, and what to do about it."""

import argparse
import contextlib
import importlib.util
import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OK, MISSING, NOTE = "ok", "missing", "note"
_MARKS = {OK: "ok", MISSING: "MISSING", NOTE: "note"}
_SETUP = "run `make setup` in the project's folder"
_PORTS = (
    ("server, CoAP", socket.SOCK_DGRAM, 65401, "another server runs, or give --bind"),
    ("server, HTTP", socket.SOCK_STREAM, 8080, "another program has it; give --http"),
    ("gateway, CoAP", socket.SOCK_DGRAM, 65402, "another gateway runs, or give --link"),
)


@dataclass(frozen=True)
class Finding:
    """One line: state "ok", "missing" (the demo needs it) or "note" (something else does)."""

    what: str
    state: str
    found: str
    do: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g doctor`."""
    parser.description = (
        "Check what this machine has. Exit code 1 if something is missing that the demo needs."
    )
    parser.add_argument(
        "--data", default=".", metavar="DIR", help="folder for the data (default: this one)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the findings; returns 1 if something is missing that the demo needs."""
    findings = list(examine(Path(args.data)))
    well = all(one.state != MISSING for one in findings)
    if args.json:
        print(json.dumps({"ok": well, "checks": [asdict(one) for one in findings]}))
        return 0 if well else 1
    wide = max(len(one.what) for one in findings)
    for one in findings:
        do = f"; {one.do}" if one.do else ""
        print(f"{_MARKS[one.state]:7}  {one.what:{wide}}  {one.found}{do}")
    print("the demo can run: `make demo`" if well else "the demo cannot run yet")
    return 0 if well else 1


def examine(data: Path) -> Iterator[Finding]:
    """Yield what was found, in the order of importance."""
    yield _python(sys.version_info[:3])
    yield _package("aiocoap", MISSING)
    yield _package("aiohttp", MISSING)
    yield _package("rich", NOTE)
    yield _package(
        "pyserial", NOTE, "serial", "serial links need it: pip install 'msgin5g[serial]'"
    )
    yield _package("bleak", NOTE, "bleak", "BLE links need it: pip install 'msgin5g[ble]'")
    yield _micropython()
    yield _sqlite(data)
    for name, kind, port, do in _PORTS:
        yield _port(name, kind, port, do)
    yield _ipv6()
    yield _program("gcc", "only `msgin5g bench` needs it: apt-get install gcc")
    yield _program("node", "only the Pico in a box needs it: apt-get install nodejs npm")


def _python(number: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, number))
    if number < (3, 11):
        return Finding("Python", MISSING, text, "3.11 or newer is needed: apt-get install python3")
    return Finding("Python", OK, text)


def _package(name: str, otherwise: str, module: str = "", do: str = _SETUP) -> Finding:
    with contextlib.suppress(PackageNotFoundError):
        if importlib.util.find_spec(module or name) is not None:
            return Finding(name, OK, version(name))
    return Finding(name, otherwise, "not installed", do)


def _micropython() -> Finding:
    from msgin5g_tools.micropython import MicroPythonMissing, micropython_path

    try:
        path = micropython_path()
    except MicroPythonMissing:
        return Finding("MicroPython", MISSING, "no program `micropython`", _SETUP)
    code = "import sys; print('.'.join(str(n) for n in sys.implementation[1][:3]))"
    try:
        done = subprocess.run(
            [path, "-c", code], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return Finding("MicroPython", MISSING, f"{path} does not run: {problem}", _SETUP)
    return Finding("MicroPython", OK, f"{done.stdout.strip()} at {path}")


def _sqlite(data: Path) -> Finding:
    """Try a database with a write-ahead log in the folder or its nearest existing parent."""
    name = "SQLite"
    folder = data.absolute()
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".msgin5g-doctor-", dir=folder) as scratch:
            connection = sqlite3.connect(Path(scratch) / "test.db")
            with contextlib.closing(connection):
                (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute("CREATE TABLE t (x)")
                connection.commit()
    except (OSError, sqlite3.Error) as problem:
        do = "choose a folder you may write to with --data"
        return Finding(name, MISSING, f"{folder}: {problem}", do)
    if mode != "wal":
        do = "choose a local disk with --data; network file systems do not do"
        return Finding(name, MISSING, f"{folder}: no write-ahead log", do)
    return Finding(name, OK, f"{sqlite3.sqlite_version}, write-ahead log in {folder}")


def _port(name: str, kind: socket.SocketKind, port: int, do: str) -> Finding:
    what = f"port {port} ({name})"
    with socket.socket(socket.AF_INET, kind) as sock:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError as problem:
            return Finding(what, NOTE, problem.strerror or str(problem), do)
    return Finding(what, OK, "free")


def _ipv6() -> Finding:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError as problem:
        return Finding("IPv6", NOTE, problem.strerror or str(problem), "use IPv4 addresses")
    return Finding("IPv6", OK, "loopback works")


def _program(name: str, do: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, NOTE, "not installed", do) if path is None else Finding(name, OK, path)
