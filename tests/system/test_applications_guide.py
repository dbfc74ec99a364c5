"""What docs/applications.md shows works as it stands there, addresses aside."""

import json
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from msgin5g_server.openapi import document
from tests.processes import Process, msgin5g

GUIDE = (Path(__file__).parents[2] / "docs" / "applications.md").read_text()


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```", GUIDE, re.M | re.S)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def place(tmp_path):
    """A running server, and a function that puts its address into an example."""
    server = msgin5g(
        *("server", "--open", "--json", "--data", tmp_path / "data"),
        *("--bind", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    )
    http = server.wait_for("ready")["http"]
    port = str(free_port())
    yield lambda text: text.replace("127.0.0.1:8080", http).replace("9000", port)
    server.stop()


def curl(text):
    """Run a shell block; returns the status and the JSON of the answer."""
    command = text.replace("curl ", "curl -sS -w '\\n%{http_code}' ", 1).replace("-i ", "")
    done = subprocess.run(["bash", "-ec", command], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def test_the_examples_of_the_guide_run(place, tmp_path):
    callback, send = (place(one) for one in blocks("python"))
    register, to_ue, report = (place(one) for one in blocks("sh"))
    (tmp_path / "callback.py").write_text(callback)
    application = Process([sys.executable, "-u", str(tmp_path / "callback.py")])
    try:
        status, ack = curl(register)
        assert (status, ack["result"]["status"]) == (201, 201)

        done = subprocess.run([sys.executable, "-c", send], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "'status': 'DELY_STORED'" in done.stdout

        status, ack = curl(to_ue)
        assert (status, ack["status"]) == (200, "DELY_FAILED")
        assert ack["failureCause"] == "recipient unavailable"

        status, ack = curl(report)
        assert (status, ack["status"]) == (200, "DELY_FAILED")
        assert "nobody sent" in ack["failureCause"]
    finally:
        application.stop()


def test_the_guide_names_what_there_is():
    made = document()
    for path in re.findall(r"127\.0\.0\.1:8080(/msgs-[\w/-]+)", GUIDE):
        assert path in made["paths"], path
    for name in ("UEMessageDelivery", "MessageDeliveryAck"):
        assert name in made["components"]["schemas"]
