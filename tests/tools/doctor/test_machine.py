"""`msgin5g doctor` without files: findings, remedies, exit code."""

import json
import os
import socket
from pathlib import Path

from msgin5g_tools import micropython
from msgin5g_tools.cli import main
from msgin5g_tools.doctor import machine
from msgin5g_tools.micropython import MicroPythonMissing
from tests.terminal import on_a_terminal


def checks(capsys, tmp_path, code: int) -> dict[str, dict[str, str]]:
    assert main(["doctor", "--json", "--data", str(tmp_path)]) == code
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] == (code == 0)
    return {one["what"]: one for one in answer["checks"]}


def test_this_machine_can_run_the_demo(capsys, tmp_path) -> None:
    found = checks(capsys, tmp_path, 0)
    for what in ("Python", "aiocoap", "aiohttp", "MicroPython", "SQLite"):
        assert found[what]["state"] == "ok"
    assert found["MicroPython"]["found"].startswith("1.")
    assert list(tmp_path.iterdir()) == []


def test_table_has_one_line_a_check(capsys, tmp_path) -> None:
    assert main(["doctor", "--data", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "the demo can run: `make demo`"
    assert {line.split()[0] for line in lines[:-1]} <= {"ok", "note"}


def test_what_the_demo_needs_decides_the_exit_code(capsys, tmp_path, monkeypatch) -> None:
    def missing() -> str:
        raise MicroPythonMissing("none")

    monkeypatch.setattr(micropython, "micropython_path", missing)
    found = checks(capsys, tmp_path, 1)
    assert found["MicroPython"]["state"] == "missing"
    assert "make setup" in found["MicroPython"]["do"]
    assert main(["doctor", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "the demo cannot run yet"


def test_a_program_that_is_no_micropython(capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(micropython, "micropython_path", lambda: "/bin/false")
    assert checks(capsys, tmp_path, 1)["MicroPython"]["state"] == "missing"


def test_old_python_and_missing_package_are_told() -> None:
    assert machine._python((3, 9, 2)).state == "missing"
    finding = machine._package("no-such-package", "missing")
    assert (finding.state, finding.do) == ("missing", "run `make setup` in the project's folder")


def test_port_in_use_is_a_note(capsys, tmp_path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        finding = machine._port("x", socket.SOCK_DGRAM, sock.getsockname()[1], "give --bind")
    assert (finding.state, finding.do) == ("note", "give --bind")


def test_data_folder_that_does_not_exist_yet(capsys, tmp_path) -> None:
    assert machine.sqlite(tmp_path / "a" / "b").state == "ok"
    assert list(tmp_path.iterdir()) == []


def test_data_folder_that_cannot_be_used() -> None:
    finding = machine.sqlite(Path("/proc"))
    assert finding.state == "missing"
    assert "--data" in finding.do


def test_data_of_another_user_are_told_apart(tmp_path) -> None:
    """As the folder of a service is, which systemd keeps closed to all others."""
    closed = tmp_path / "private"
    closed.mkdir(0)
    own = os.geteuid()
    try:
        if own == 0:
            os.seteuid(65534)
        finding = machine.sqlite(closed / "msgin5g-gateway", "gateway's data", "fault")
    finally:
        os.seteuid(own)
    assert (finding.state, finding.what) == ("fault", "gateway's data")
    assert "permission denied" in finding.found and "sudo" in finding.do


def test_a_folder_that_no_system_can_have_is_a_finding() -> None:
    assert machine.sqlite(Path("/" + "x" * 300)).state == "missing"


def test_on_a_terminal_it_is_a_table(tmp_path) -> None:
    shown = on_a_terminal("doctor", "--data", str(tmp_path))
    assert "WHAT TO DO" in shown and "\x1b[32mok" in shown
    assert "the demo can run: `make demo`" in shown
