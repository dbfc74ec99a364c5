"""What the gateway counts of messages, through outages and disks that refuse."""

import aiohttp
import pytest

from msgin5g import coap
from msgin5g_gateway import uplink as uplink_module
from msgin5g_gateway.metrics import sources
from msgin5g_gateway.view import GatewayHttp
from msgin5g_host.clock import Clock
from msgin5g_host.journal import Journal
from msgin5g_host.metrics import GATEWAY, Metrics
from tests.gateway.bench import gwreg, msg
from tests.gateway.test_relay_shell import meet
from tests.gateway.test_shell import fail_commits, run, until
from tests.prometheus import parsed, value

NAME = "msgin5g_messages_total"
TOKEN = "0123456789abcdef"


def scrape(rig):
    asked = sources(rig.gateway, Journal())
    return parsed(Metrics(GATEWAY, asked, lambda request: None).text().decode())


def test_messages_up_and_down_with_how_long_they_took(tmp_path):
    async def script(rig):
        port = await meet(rig)
        for mid, code in ((3, coap.CHANGED), (4, coap.BAD_REQUEST)):
            rig.ue.post(rig.port, msg(payload=str(mid)), mid)
            message, peer = await rig.server.receive("MSG")
            rig.server.answer(message, peer, code)
            assert (await rig.ue.receive())[0].code == code
        for mid, code in ((7, coap.CHANGED), (8, coap.BAD_REQUEST)):
            rig.server.post(port, msg(2, 1, payload=str(mid)), mid)
            message, peer = await rig.ue.receive("MSG")
            rig.ue.answer(message, peer, code)
            assert (await rig.server.receive())[0].code == code
        rig.server.post(port, msg(2, 9), 9)
        assert (await rig.server.receive())[0].code == coap.NOT_FOUND
        found = scrape(rig)
        counts = {tuple(one for _, one in key): count for key, count in found[NAME].items()}
        assert counts == {
            ("up", "passed on", "MSG"): 2,
            ("down", "delivered", "MSG"): 1,
            ("down", "failed", "MSG"): 1,
            ("down", "unknown", "MSG"): 1,
        }
        took = "msgin5g_delivery_seconds_count"
        assert value(found, took, direction="up") == 2
        assert value(found, took, direction="down") == 1

    run(tmp_path, script)


def test_what_is_kept_while_the_server_is_silent_is_counted_and_seen_as_a_queue(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(uplink_module, "RELAY_TIMEOUT_MS", 200)

    async def script(rig):
        await meet(rig)
        assert value(scrape(rig), "gateway_server_up") == 1
        rig.ue.post(rig.port, msg(), 3)
        assert (await rig.ue.receive())[0].code == coap.CHANGED
        found = scrape(rig)
        assert value(found, NAME, direction="up", result="kept") == 1
        assert value(found, "gateway_queue_depth", queue="outbox") == 1
        assert value(found, "msgin5g_table_entries", table="outbox_messages") == 1
        assert value(found, "gateway_server_up") == 0

    run(tmp_path, script)


def test_a_core_that_starts_again_counts_on(tmp_path):
    async def script(rig):
        await meet(rig)
        rig.ue.post(rig.port, msg(), 3)
        message, peer = await rig.server.receive("MSG")
        rig.server.answer(message, peer, coap.CHANGED)
        await rig.ue.receive()
        before, core = scrape(rig), rig.gateway.core
        fail_commits(rig.store, 1)
        assert (await rig.ask(gwreg(1), 5)).code == coap.UNAVAILABLE
        await until(lambda: rig.gateway.core is not core)
        after = scrape(rig)
        assert after[NAME] == before[NAME] and value(after, NAME) == 1
        assert value(after, "msgin5g_events_total", event="store_failures") == 1

    run(tmp_path, script)


@pytest.mark.parametrize("path", ["/metrics", "/view/capture"])
def test_the_token_is_asked_for(tmp_path, path):
    async def script(rig):
        settings = rig.gateway._settings
        settings.values.update({"http.token": TOKEN, "http.tls_cert": "", "http.tls_key": ""})
        http = GatewayHttp(rig.gateway, rig.store, settings, Journal(), Clock())
        await http.start("127.0.0.1", 0)
        try:
            async with aiohttp.ClientSession("http://{}:{}".format(*http.address)) as session:
                for headers, status in (({}, 401), ({"Authorization": "Bearer x"}, 401)):
                    async with session.get(path, headers=headers) as answer:
                        assert answer.status == status
                headers = {"Authorization": f"Bearer {TOKEN}"}
                async with session.get(path, headers=headers) as answer:
                    assert answer.status == 200
        finally:
            await http.close()

    run(tmp_path, script)
