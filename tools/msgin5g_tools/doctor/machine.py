"""Programs, packages, ports and folders of this machine."""

import contextlib
import importlib.util
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from msgin5g_tools.doctor.findings import MISSING, NOTE, OK, SETUP, Finding

_PORTS = (
    ("server, CoAP", socket.SOCK_DGRAM, 65401, "another server runs, or give --bind"),
    ("server, HTTP", socket.SOCK_STREAM, 8080, "another program has it; give --http"),
    ("gateway, CoAP", socket.SOCK_DGRAM, 65402, "another gateway runs, or give --link"),
)


def examine(data: Path, for_demo: bool) -> Iterator[Finding]:
    """Yield what was found of programs and packages. for_demo: what the demo needs must be."""
    wanted = MISSING if for_demo else NOTE
    yield _python(sys.version_info[:3])
    yield _package("msgin5g", wanted)
    yield _package("aiocoap", MISSING)
    yield _package("aiohttp", MISSING)
    yield _package("msgspec", MISSING)
    yield _package("rich", NOTE)
    yield _package(
        "pyserial", NOTE, "serial", "serial links need it: pip install 'msgin5g[serial]'"
    )
    yield _package("bleak", NOTE, "bleak", "BLE links need it: pip install 'msgin5g[ble]'")
    yield _package(
        "mpremote", NOTE, "mpremote", "only `msgin5g flash` needs it: pip install 'msgin5g[flash]'"
    )
    yield _micropython(wanted)
    if for_demo:
        yield sqlite(data)
    yield _ipv6()
    yield _program("gcc", "only `msgin5g bench` needs it: apt-get install gcc")
    yield _program("node", "only the Pico in a box needs it: apt-get install nodejs npm")


def default_ports() -> Iterator[Finding]:
    """Yield which of the ports that are the default are taken."""
    for name, kind, port, do in _PORTS:
        yield _port(name, kind, port, do)


def _python(number: tuple[int, int, int]) -> Finding:
    text = ".".join(map(str, number))
    if number < (3, 11):
        return Finding("Python", MISSING, text, "3.11 or newer is needed: apt-get install python3")
    return Finding("Python", OK, text)


def _package(name: str, otherwise: str, module: str = "", do: str = SETUP) -> Finding:
    with contextlib.suppress(PackageNotFoundError):
        if importlib.util.find_spec(module or name) is not None:
            return Finding(name, OK, version(name))
    return Finding(name, otherwise, "not installed", do)


def _micropython(otherwise: str) -> Finding:
    from msgin5g_tools.micropython import MicroPythonMissing, micropython_path

    try:
        path = micropython_path()
    except MicroPythonMissing:
        return Finding("MicroPython", otherwise, "no program `micropython`", SETUP)
    code = "import sys; print('.'.join(str(n) for n in sys.implementation[1][:3]))"
    try:
        done = subprocess.run(
            [path, "-c", code], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as problem:
        return Finding("MicroPython", otherwise, f"{path} does not run: {problem}", SETUP)
    return Finding("MicroPython", OK, f"{done.stdout.strip()} at {path}")


def sqlite(data: Path, name: str = "SQLite", bad: str = MISSING, key: str = "--data") -> Finding:
    """Try a database with a write-ahead log in the folder or its nearest existing parent."""
    folder = data.absolute()
    try:
        if folder.exists() and not folder.is_dir():
            do = f"choose a folder with {key}"
            return Finding(name, bad, f"{folder}: is a file", do)
        while not folder.is_dir() and folder != folder.parent:
            folder = folder.parent
        with tempfile.TemporaryDirectory(prefix=".msgin5g-doctor-", dir=folder) as scratch:
            connection = sqlite3.connect(Path(scratch) / "test.db")
            with contextlib.closing(connection):
                (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
                connection.execute("CREATE TABLE t (x)")
                connection.commit()
    except PermissionError:
        do = f"run doctor with sudo, or choose a folder that may be written with {key}"
        return Finding(name, bad, f"{folder}: permission denied", do)
    except (OSError, sqlite3.Error) as problem:
        do = f"choose a folder that may be written with {key}"
        return Finding(name, bad, f"{folder}: {problem}", do)
    if mode != "wal":
        do = f"choose a local disk with {key}; network file systems do not do"
        return Finding(name, bad, f"{folder}: no write-ahead log", do)
    return Finding(name, OK, f"SQLite {sqlite3.sqlite_version} can write to {folder}")


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
