"""The install section of the README, walked through in a clean folder.

Not done are what changes the machine (apt-get, systemctl, journalctl): the command lines of the
units are started here as systemd would, with its folders in other places.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests.markdown import ROOT, blocks
from tests.processes import Process
from tests.service_manager import managing
from tests.test_floors import tree

_OF_THE_MACHINE = ("apt-get", "systemctl", "journalctl")
_INSTALL_S = 600


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder that stands for the root of a file system, with all that the README installs."""
    folder = tmp_path_factory.mktemp("root")
    source = folder / "source"
    for path in tree():
        to = source / path.relative_to(ROOT)
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, to)
    (folder / "etc/systemd/system").mkdir(parents=True)
    done = []
    for words in install_commands():
        if words[0] in _OF_THE_MACHINE or words[-1] == "ues":
            continue
        words = [re.sub(r"^/(?=opt|etc|var)", f"{folder}/", word) for word in words]
        if words[0] == "python3":
            words[0] = sys.executable
        result = subprocess.run(
            words, cwd=source, capture_output=True, text=True, timeout=_INSTALL_S
        )
        assert result.returncode == 0, (words, result.stdout, result.stderr)
        done.append(words)
    assert len(done) >= 6
    return folder


def install_commands():
    """Yield the words of each command in the README's install section, without sudo."""
    for block in blocks("README.md"):
        if "tests/packaging/test_install.py" in block.remark:
            for line in block.text.splitlines():
                words = shlex.split(line, comments=True)
                yield words[1:] if words[0] == "sudo" else words


def start(folder, role, manager, **settings):
    """Start a unit's ExecStart, with the environment that the unit and the manager give it."""
    unit = (folder / f"etc/systemd/system/msgin5g-{role}.service").read_text()
    command = re.search(r"^ExecStart=(.*)$", unit, re.M)[1]
    command = command.replace("%d", f"{folder}/etc/msgin5g").replace("%S", f"{folder}/var/lib")
    words = [re.sub(r"^/opt", f"{folder}/opt", word) for word in shlex.split(command)]
    environment = re.search(r"^Environment=(.*)$", unit, re.M)[1].split()
    names = {f"MSGIN5G_{key}".upper(): value for key, value in settings.items()}
    state = folder / "var/lib" / re.search(r"^StateDirectory=(.*)$", unit, re.M)[1]
    state.mkdir(parents=True)
    given = dict(one.split("=", 1) for one in environment)
    inherited = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "PYTHONWARNINGS": "error"}
    return Process(
        [*words, "--json"],
        {
            **inherited,
            **given,
            **names,
            "NOTIFY_SOCKET": manager.address,
            "WATCHDOG_USEC": "600000",
        },
    )


def test_units_of_the_readme_run_as_installed(installed, tmp_path):
    # Here, because an installation takes its time.
    assert missing_files(installed) == []
    with managing(tmp_path / "server") as at_server, managing(tmp_path / "gateway") as at_gateway:
        # Ports that are free here; everything else is what `config init` wrote.
        server = start(
            *(installed, "server", at_server),
            **{"server_bind": "127.0.0.1:0", "server_http": "127.0.0.1:0"},
        )
        gateway = None
        try:
            ready = server.wait_for("ready")
            assert at_server.take()["READY"] == "1"
            # What the unit's StateDirectory makes is what the configuration names.
            assert ready["data"] == f"{installed}/var/lib/msgin5g-server"
            assert [*(installed / "var/lib/msgin5g-server").glob("*.sqlite3")]
            gateway = start(
                *(installed, "gateway", at_gateway),
                gateway_server=f"coap://{ready['coap']}",
                gateway_links="udp://127.0.0.1:0",
                view_report_to=f"http://{ready['http']}",
            )
            assert at_gateway.take()["READY"] == "1"
            gateway.wait_for("own-registered")
            at_gateway.until(STATUS="registered at the server, 0 requests cached")
            at_server.until(STATUS="1 UEs registered")
            assert "urn:example:gw:1" in listed(installed, ready["http"])
            for daemon, manager in ((gateway, at_gateway), (server, at_server)):
                manager.drain()
                os.kill(daemon.pid, signal.SIGTERM)
                manager.until(STOPPING="1")
        finally:
            if gateway is not None:
                assert gateway.stop() == 0
            assert server.stop() == 0


def listed(folder, http):
    """What the last command of the section prints."""
    command = next(words for words in install_commands() if words[-1] == "ues")
    words = [re.sub(r"^/opt", f"{folder}/opt", word) for word in command]
    done = subprocess.run(
        [*words, "--http", http], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def missing_files(installed):
    """Return the files of the project that the installed packages do not have."""
    python = installed / "opt/msgin5g/bin/python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    site = done.stdout.strip()
    missing = []
    for folder in ("host", "gateway", "server", "tools"):
        for path in (ROOT / folder).rglob("*"):
            name = path.relative_to(ROOT / folder)
            is_package = name.parts[0].startswith("msgin5g_") and "." not in name.parts[0]
            if path.is_file() and is_package and path.suffix not in (".pyc", ".md"):
                missing += [] if os.path.exists(os.path.join(site, name)) else [str(name)]
    return missing
