"""The `msgin5g` command as a process: verbs, help, versions, exit codes."""

import subprocess
import sys
import time

import pytest

from msgin5g_tools.cli import VERBS, main

CLI = [sys.executable, "-m", "msgin5g_tools.cli"]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*CLI, *arguments], capture_output=True, text=True, timeout=30)


def test_help_names_every_verb_and_is_fast() -> None:
    best = 10.0
    for _ in range(5):
        before = time.perf_counter()
        done = run("--help")
        best = min(best, time.perf_counter() - before)
    assert done.returncode == 0
    for verb in VERBS:
        assert f"\n  {verb} " in done.stdout
    assert best < 0.15


def test_help_loads_no_verb() -> None:
    code = (
        "import sys; from msgin5g_tools.cli import main; main(['--help']); "
        "print([m for m in sys.modules if m.startswith(('aiocoap', 'aiohttp', 'asyncio'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    done = run(verb, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: msgin5g {verb} ")
    assert "--json" in done.stdout


def test_version_names_the_release_of_the_standard() -> None:
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("msgin5g 0.")
    assert "TS 24.538 V18.3.0" in done.stdout


def test_no_verb_is_wrong_use() -> None:
    done = run()
    assert done.returncode == 2
    assert "usage: msgin5g VERB" in done.stdout


def test_unknown_verb_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gatway"]) == 2
    assert capsys.readouterr().err == "msgin5g: unknown verb 'gatway'; did you mean 'gateway'?\n"
    assert main(["xyzzy"]) == 2
    assert "verbs are demo, server" in capsys.readouterr().err


def test_bad_configuration_is_one_clear_line(tmp_path) -> None:
    path = tmp_path / "server.toml"
    path.write_text('[server]\nbnid = "127.0.0.1:1"\n')
    done = run("server", "-c", str(path))
    assert done.returncode == 2
    assert done.stderr == (
        f"msgin5g server: {path}: [server] unknown key 'bnid'; did you mean 'bind'?\n"
    )


def test_missing_package_says_what_to_do(monkeypatch, capsys) -> None:
    monkeypatch.setitem(VERBS, "broken", ("no_such_package", ""))
    assert main(["broken"]) == 1
    assert "'no_such_package' is missing; run `make setup`" in capsys.readouterr().err


def test_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [*CLI, "doctor", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    errors = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), errors) == (0, b"")


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "soon"])
@pytest.mark.parametrize(
    "command", [("listen", "--for"), ("ue", "--for"), ("flash", "--wait")], ids=" ".join
)
def test_a_time_that_is_none_is_wrong_use(command, value, capsys):
    with pytest.raises(SystemExit) as ended:
        main([command[0], f"{command[1]}={value}"])
    assert ended.value.code == 2
    assert f"argument {command[1]}: a number of seconds" in capsys.readouterr().err
