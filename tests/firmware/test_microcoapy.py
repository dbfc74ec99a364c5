"""UEs on an installed microCoAPy: MSGIN5G_MICROCOAPY names the folder that has `microcoapy/`."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import Process, Stack
from ue.config import ConfigError, merge

FOLDER = os.environ.get("MSGIN5G_MICROCOAPY", "")
EXAMPLE = Path(__file__).parents[2] / "firmware" / "examples" / "microcoapy_register.py"
UE = "urn:example:ue:1"
installed = pytest.mark.skipif(
    not (Path(FOLDER) / "microcoapy" / "__init__.py").exists(),
    reason="no microCoAPy: set MSGIN5G_MICROCOAPY to the folder that has microcoapy/",
)


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path, [UE], bulk=["interval_s = 0.2", "default_wait_s = 0.2"])
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


def environment():
    found = ue_environment()
    return {**found, "MICROPYPATH": f"{FOLDER}:{found['MICROPYPATH']}"}


@installed
@pytest.mark.parametrize("urgent", [False, True])
def test_it_registers_is_refreshed_and_leaves(stack, tmp_path, urgent):
    file = tmp_path / "ue.json"
    config = {"ue_service_id": UE, "link": stack.link, "json": True, "coap": "microcoapy"}
    config |= {"urgent": urgent, "wait_s": 1, "refresh_s": 1, "stay_s": 4, "away_s": 60}
    file.write_text(json.dumps(config))
    argv = [micropython_path(), "-X", "heapsize=200k", "-m", "ue.main", str(file)]
    ue = Process(argv, environment())
    stack.ues.append(ue)
    ue.wait_for("state", state="registered")
    ue.wait_for("state", state="registered", refresh=True)
    ue.wait_for("state", state="deregistered")
    stack.server.wait_for("deregistered", ue=UE)
    assert not [one for one in ue.events if one["event"] == "output"], ue.events


@installed
def test_it_repeats_what_is_lost(stack, tmp_path):
    file = tmp_path / "ue.json"
    config = {"ue_service_id": UE, "link": stack.link, "json": True, "coap": "microcoapy"}
    config |= {"wait_s": 1, "ack_timeout_ms": 300}
    file.write_text(json.dumps(config))
    stack.gateway.kill()
    argv = [micropython_path(), "-X", "heapsize=200k", "-m", "ue.main", str(file)]
    ue = Process(argv, environment())
    stack.ues.append(ue)
    ue.wait_for("message", what="GWREG")
    stack.start_gateway()
    ue.wait_for("state", state="registered")


@installed
def test_microcoapy_alone_registers_through_the_gateway(stack):
    host, _, port = stack.link.removeprefix("udp://").rpartition(":")
    done = subprocess.run(
        [micropython_path(), str(EXAMPLE), host, port, UE],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["result"] is True


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"coap": "aiocoap"}, "coap: '' or 'microcoapy' is wanted"),
        ({"coap": "microcoapy", "messages": True}, "for registration only"),
        ({"coap": "microcoapy", "path": "a/b"}, "a path of one segment"),
        ({"coap": "microcoapy", "server_host": "x"}, "no server_host"),
        ({"coap": "microcoapy"}, "microcoapy is not on this board"),
    ],
)
def test_what_it_cannot_do_is_told_at_the_start(settings, text):
    with pytest.raises(ConfigError, match=text):
        merge({"ue_service_id": UE, **settings})
