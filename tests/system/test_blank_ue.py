"""From blank to a callback: MicroPython with two configured values, real processes, kills."""

import asyncio
import json

import aiohttp
import pytest

from msgin5g_tools.micropython import micropython_path, ue_environment
from tests.processes import DEADLINE_S, Process, Stack, msgin5g
from tests.server.http_world import AS, REGISTRATIONS, Listener
from tests.world import GATEWAY, device_id, ue_id

NUMBERS = (1, 2, 3)
FAST = {"wait_s": 1, "ack_timeout_ms": 300, "backoff_min_s": 1, "backoff_max_s": 2}
# An application on a board: the UE, and what it measures.
SCRIPT = """
import asyncio, json, sys
from ue.config import load
from ue.ue import ConstrainedUE

async def main():
    config = load(sys.argv[1])
    ue = ConstrainedUE(config)
    asyncio.create_task(ue.run())
    await ue.register(60)
    await ue.send("urn:example:as:1", "23.5", kind="AS", timeout_s=60)
    print(json.dumps({"event": "delivered", "ue": config["ue_service_id"]}))

asyncio.run(main())
"""


@pytest.fixture
def stack(tmp_path):
    """A Stack whose UEs are known by their MSGin5G UE IDs."""
    made = Stack(tmp_path)
    accounts, table = [f'[[ue]]\nue_service_id = "{GATEWAY}"\n'], []
    for number in NUMBERS:
        row = f'[[ue]]\nue_service_id = "{ue_id(number)}"\nue_id = "{device_id(number)}"\n'
        accounts.append(f'{row}gateway = "{GATEWAY}"\nsegment_bytes = 300\n')
        table.append(row)
    accounts.append(f'[[application]]\nas_service_id = "{AS}"\n')
    (tmp_path / "server.toml").write_text("".join(accounts))
    (tmp_path / "gateway.toml").write_text("".join(table))
    yield made
    made.stop()


def start_blank(stack, number, **settings):
    name = {"ue_service_id": "", "ue_id": device_id(number)}
    return stack.start_ue(device_id(number), heap="240k", **{**FAST, **name, **settings})


def check_registered(ues):
    for number, ue in ues.items():
        ue.wait_for("state", 3 * DEADLINE_S, state="registered")
        told = [one for one in ue.events if one.get("ue_service_id")]
        assert [one["ue_service_id"] for one in told] == [ue_id(number)]


@pytest.mark.clause("6.2.3.2.1-p2", "7.2.5-svc")
def test_from_blank_to_an_applications_callback_with_two_configured_values(stack, tmp_path):
    stack.start_server()
    stack.start_gateway()
    stack.gateway.wait_for("own-registered")

    async def scenario():
        async with Listener() as application, aiohttp.ClientSession() as session:
            given = {"asSvcId": AS, "targetUri": application.url}
            async with session.post(f"http://{stack.http}{REGISTRATIONS}", json=given) as answer:
                assert answer.status == 201
            script, config = tmp_path / "app.py", tmp_path / "two.json"
            script.write_text(SCRIPT)
            config.write_text(json.dumps({"ue_id": device_id(1), "link": stack.link}))
            argv = [micropython_path(), "-X", "heapsize=240k", str(script), str(config)]
            ue = Process(argv, ue_environment())
            stack.ues.append(ue)
            (got,) = await application.until(1)
            assert got["oriAddr"] == {"addrType": "UE", "addr": ue_id(1)}
            assert got["payload"] == "23.5"
            told = await asyncio.to_thread(ue.wait_for, "delivered")
            assert told["ue"] == ue_id(1)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("message", {"direction": "rx", "what": "GET"}),
        ("cached", {"what": "GET"}),
        ("bulk", {"what": "GET"}),
        ("answered", {"what": "GET"}),
        ("message", {"direction": "rx", "what": "ACK"}),
    ],
)
def test_a_gateway_killed_at_a_step_and_restarted_configures_all(stack, event, fields):
    stack.start_server()
    stack.start_gateway()
    stack.gateway.wait_for("own-registered")
    ues = {number: start_blank(stack, number) for number in NUMBERS}
    stack.gateway.wait_for(event, **fields)
    stack.gateway.kill()
    stack.start_gateway()
    check_registered(ues)


def test_cached_gets_outlive_their_gateway_and_the_ues_ask_no_second_time(stack):
    stack.start_server()
    stack.start_gateway()
    stack.gateway.wait_for("own-registered")
    ues = {number: start_blank(stack, number, wait_s=30) for number in NUMBERS}
    for ue in ues.values():
        ue.wait_for("state", state="configuring")
        ue.wait_for("state", state="configuring", expected_s=2)
    stack.gateway.kill()
    stack.start_gateway()
    check_registered(ues)
    for ue in ues.values():
        assert len([one for one in ue.events if one.get("what") == "GET"]) == 1


@pytest.mark.clause("6.2.1.2-p5", "7.2.5-size")
def test_after_a_reboot_it_knows_who_it_is_and_cuts_as_it_was_told(stack):
    stack.start_server()
    stack.start_gateway()
    stack.gateway.wait_for("own-registered")
    first = start_blank(stack, 1)
    check_registered({1: first})
    first.kill()
    text = "x" * 700
    again = start_blank(stack, 1, say_to=ue_id(2), say_text=text)
    again.wait_for("state", state="registered")
    parts = [again.wait_for("message", what="MSG")["part"] for _ in range(3)]
    assert parts == ["1/3", "2/3", "3/3"]
    assert not [one for one in again.events if one.get("what") == "GET"]


@pytest.mark.clause("6.2.2.1-p1", "6.2.2.2-p1", "6.2.2.2-p2")
def test_through_a_relay_the_same_get_reaches_the_server_and_its_answer_the_ue(stack, tmp_path):
    (tmp_path / "server.toml").write_text(
        f'[[ue]]\nue_service_id = "{ue_id(1)}"\nue_id = "{device_id(1)}"\n'
    )
    stack.start_server()
    relay = msgin5g(
        *("gateway", "--relay", "--json", "--data", tmp_path / "relay"),
        *("--server", f"coap://{stack.coap}", "--link", "udp://127.0.0.1:0"),
    )
    stack.link = relay.wait_for("ready")["links"][0]
    known = start_blank(stack, 1, direct=True)
    check_registered({1: known})
    assert [one["state"] for one in known.events if one["event"] == "state"] == [
        *("configuring", "registering"),
        "registered",
    ]
    stranger = start_blank(stack, 2, direct=True)
    refused = stranger.wait_for("state", state="refused")
    assert refused["cause"].startswith("4.03")
    assert relay.stop() == 0


@pytest.mark.clause("6.2.1.2-c", "6.2.1.2-p1", "7.2.5-server")
def test_directly_at_the_server_it_goes_the_same_way(stack, tmp_path):
    (tmp_path / "server.toml").write_text("[server]\nopen = true\n")
    stack.start_server()
    stack.link = f"udp://{stack.coap}"
    ue = start_blank(stack, 1, direct=True)
    ue.wait_for("state", state="registered")
    assigned = stack.server.wait_for("assigned", ue_id=device_id(1))["ue"]
    assert [one for one in ue.events if one.get("ue_service_id") == assigned]
