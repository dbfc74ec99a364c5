"""README and samples say what the code does."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from msgin5g_gateway import config as gateway_config
from msgin5g_host.config import load
from msgin5g_server import config as server_config
from msgin5g_tools.limits import table
from ue.config import defaults, merge

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_readme_prints_the_limits_as_they_are():
    assert table() in README, "python -m msgin5g_tools.limits prints the table for the README"


def test_every_file_that_the_readme_links_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_every_msgin5g_command_of_the_readme_is_understood():
    commands = re.findall(r"^\.venv/bin/msgin5g ([^#\n]*)", README, re.M)
    assert len(commands) >= 4
    for command in commands:
        verb, *arguments = shlex.split(command)
        done = subprocess.run(
            [sys.executable, "-m", "msgin5g_tools.cli", verb, "--help"],
            capture_output=True,
            text=True,
        )
        for argument in arguments:
            if argument.startswith("--"):
                assert argument in done.stdout, command


@pytest.mark.parametrize(
    ("module", "name"),
    [(server_config, "server/server.toml"), (gateway_config, "gateway/gateway.toml")],
)
def test_the_sample_files_load_and_comment_every_key(module, name):
    settings = load(module.KEYS, module.TABLES, str(ROOT / name), {}, {})
    text = (ROOT / name).read_text()
    for key in module.KEYS:
        assert settings.source(key.name) == "file", key.name
        assert settings[key.name] == key.default, key.name
        before = text[: re.search(rf"^{key.key} =", text, re.M).start()]
        assert before.rstrip("\n").rpartition("\n")[2].startswith("#"), key.name
    for array in module.TABLES:
        assert settings.rows[array.name]
        for key in array.keys:
            assert re.search(rf"^(# )?{key.key} =", text, re.M), key.name


def test_the_firmware_readme_lists_every_key_with_its_default():
    text = (ROOT / "firmware/README.md").read_text()
    for key, value in defaults().items():
        line = next(one for one in text.splitlines() if one.startswith("|") and f"`{key}`" in one)
        if value not in ("", {}) and key not in ("stay_s", "away_s"):
            shown = json.dumps(value) if not isinstance(value, str) else value
            assert shown in line, line
    merge(json.loads((ROOT / "firmware/config.example.json").read_text()))
