"""tshark, Wireshark's command, where it is installed."""

import json
import os
import shutil
import subprocess

import pytest

DEADLINE_S = 60


def tshark():
    """Return its path; without it the test is skipped, in CI it fails."""
    path = shutil.which("tshark")
    if path is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("tshark is missing; apt-get install tshark")
    return path


def decoded(file, *options):
    """Return the layers of every frame in a capture, as tshark decodes them without settings."""
    # -n: no names; HOME: nobody's own settings.
    done = subprocess.run(
        [tshark(), "-n", "-r", str(file), "-T", "json", "--no-duplicate-keys", *options],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        env={**os.environ, "HOME": str(file.parent)},
        check=True,
    )
    return [one["_source"]["layers"] for one in json.loads(done.stdout)]
