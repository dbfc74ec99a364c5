"""`msgin5g ue`: one UE on MicroPython, and a fleet in one process."""

import json
import os
import subprocess
import sys

import pytest

from tests.processes import Stack, msgin5g


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(
        tmp_path_factory.mktemp("fleet"),
        server=["--open"],
        gateway=["--open"],
        bulk=["interval_s = 1.0"],
    )
    made.start_server()
    made.start_gateway()
    yield made
    made.stop()


def run_ue(*arguments):
    command = [sys.executable, "-m", "msgin5g_tools.cli", "ue", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=90)


def test_a_fleet_registers_and_de_registers_in_bulk(stack):
    done = run_ue(
        *("--link", stack.link, "--count", 200, "--rate", 400, "--ramp", 0.3, "--jitter", 0.2),
        *("--wait-s", 1, "--once", "--for", 60, "--json"),
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, (done.stderr, events[-1:])
    settled = next(one for one in events if one["event"] == "all-settled")
    assert settled["states"] == {"registered": 200}
    assert events[-1]["states"] == {"deregistered": 200}
    bulks = [one for one in stack.gateway.events if one["event"] == "bulk"]
    assert 4 <= len(bulks) <= 40 and max(one["ues"] for one in bulks) >= 40


def test_one_ue_is_the_firmware_on_micropython(stack):
    process = msgin5g("ue", "--link", stack.link, "--ue-service-id", "urn:x:one", "--json")
    process.wait_for("state", state="registered", ue="urn:x:one")
    process.stop()


def test_a_device_without_a_client_is_called_by_its_application_id(tmp_path):
    config = tmp_path / "device.json"
    device = {"mode": "l3", "application_id": 7, "credential": "x", "link": "udp://127.0.0.1:9"}
    config.write_text(json.dumps(device))
    process = msgin5g("ue", "-c", config, "--json")
    process.wait_for("start", ue="application:7")
    process.stop()


def test_the_configuration_of_a_ue_is_left_in_no_file(stack, tmp_path):
    config = tmp_path / "ue.json"
    config.write_text(json.dumps({"link": stack.link, "urgent": True}))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = msgin5g("ue", "-c", config, "--json", environment=environment)
    process.wait_for("state", state="registered", ue="urn:example:ue:1")
    process.stop()
    assert list(tmp_path.iterdir()) == [config]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--count", 0), "from 1"),
        (("--count", 2, "--rate", 0), "--rate"),
        (("--count", 2, "--link", "tcp://x"), "udp://host:port"),
        (("--count", 2, "--link", "udp://no-such-host.invalid:1"), "no-such-host.invalid:1: "),
        (("-c", "/nowhere.json"), "/nowhere.json: No such file or directory"),
        (("-c", "{cut}"), "cut.json: is not valid JSON: "),
        (("-c", "{list}"), "list.json: an object {...} is wanted"),
        (("-c", "{typo}"), "typo.json: unknown key 'ue_service_idd'; did you mean"),
        (("--link", "ble://"), "no Bluetooth"),
        (("--heap", "much"), "--heap: 100k or more is wanted"),
        (("--heap", "1k"), "--heap: 100k or more is wanted"),
        (("--for", 5), "--for is for a fleet"),
    ],
)
def test_bad_arguments_are_clear_errors(arguments, text, tmp_path):
    files = {}
    for name, content in (("cut", "{"), ("list", "[]"), ("typo", '{"ue_service_idd": "urn:x:1"}')):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(content)
    done = run_ue(*(str(one).format_map(files) for one in arguments))
    assert done.returncode == 2 and text in done.stderr
    assert done.stderr.startswith("msgin5g ue: ") and done.stderr.count("\n") == 1


def test_a_fleet_without_a_gateway_says_how_many_are_where():
    done = run_ue("--link", "udp://127.0.0.1:9", "--count", 3, "--for", 2)
    assert done.returncode == 1 and "signing-up 3" in done.stdout
