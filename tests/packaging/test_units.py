"""The systemd units: what systemd says of them, and what they promise."""

import configparser
import os
import re
import shutil
import subprocess

import pytest

from tests.markdown import ROOT

ROLES = ("server", "gateway")
# systemd's own scale: 10 is unsafe, below 2 is what a service on the network can reach.
MOST_EXPOSED = 20


def unit(role):
    return ROOT / role / f"msgin5g-{role}.service"


def setting(role, name):
    """Return the values of a setting, as often as it is there."""
    return re.findall(rf"^{name}=(.*)$", unit(role).read_text(), re.M)


@pytest.fixture
def analyze():
    program = shutil.which("systemd-analyze")
    if program is None:
        assert "CI" not in os.environ, "systemd-analyze is missing: apt-get install systemd"
        pytest.skip("systemd-analyze is not on this machine: apt-get install systemd")

    def call(*arguments):
        return subprocess.run(
            [program, "--no-pager", *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


@pytest.fixture
def copies(tmp_path):
    """The units with a program that is there in place of the one that is installed later."""
    for role in ROLES:
        text = unit(role).read_text().replace("/opt/msgin5g/bin/msgin5g ", "/bin/true ")
        (tmp_path / unit(role).name).write_text(text)
    return {role: tmp_path / unit(role).name for role in ROLES}


@pytest.mark.parametrize("role", ROLES)
def test_systemd_understands_every_line(analyze, copies, role):
    done = analyze("verify", "--man=no", copies[role])
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_line_that_systemd_does_not_know_is_found(analyze, copies):
    copies["server"].write_text(copies["server"].read_text().replace("MemoryMax", "MemoryMost"))
    assert "MemoryMost" in analyze("verify", "--man=no", copies["server"]).stderr


@pytest.mark.parametrize("role", ROLES)
def test_the_sandbox_is_tight(analyze, copies, role):
    done = analyze("security", "--offline=yes", f"--threshold={MOST_EXPOSED}", copies[role])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("role", ROLES)
def test_a_hung_or_dead_daemon_is_started_again_and_a_wrong_configuration_is_not(role):
    assert setting(role, "Type") == ["notify"]
    assert 10 <= int(setting(role, "WatchdogSec")[0]) <= 60
    assert setting(role, "Restart") == ["on-failure"]
    assert setting(role, "RestartPreventExitStatus") == ["2"]
    # More than the daemon takes to end.
    assert int(setting(role, "TimeoutStopSec")[0]) > 5


@pytest.mark.parametrize("role", ROLES)
def test_state_is_where_the_unit_may_write_and_logs_go_to_the_journal(role):
    command = setting(role, "ExecStart")[0]
    # Where the data are is said by the configuration alone, so that who reads it finds them.
    assert command.endswith(f" {role} -c %d/{role}.toml")
    state = setting(role, "StateDirectory")[0]
    assert f"config init {role} --data /var/lib/{state} " in (ROOT / "README.md").read_text()
    assert setting(role, "LoadCredential") == [f"{role}.toml:/etc/msgin5g/{role}.toml"]
    assert setting(role, "WorkingDirectory") == [f"%S/{setting(role, 'StateDirectory')[0]}"]
    for name in ("StandardOutput", "LogsDirectory"):
        assert setting(role, name) == []


def test_the_gateway_may_use_what_its_links_need():
    groups = setting("gateway", "SupplementaryGroups")[0].split()
    assert groups == ["dialout", "bluetooth"]
    families = setting("gateway", "RestrictAddressFamilies")[0].split()
    assert "AF_UNIX" in families  # D-Bus
    devices = " ".join(setting("gateway", "DeviceAllow"))
    for name in ("ttyACM", "ttyUSB", "ttyAMA", "ttyS"):
        assert f"char-{name} rw" in devices
    assert setting("gateway", "PrivateDevices") == []


@pytest.mark.parametrize("role", ROLES)
def test_every_setting_stands_in_one_of_the_three_sections(role):
    parser = configparser.ConfigParser(strict=False, allow_no_value=True, interpolation=None)
    parser.read(unit(role))
    assert parser.sections() == ["Unit", "Service", "Install"]
