"""GET /ues, /health and /metrics."""

import asyncio
import json

import aiohttp
import pytest

from msgin5g.registration import reg
from msgin5g_server.core import ServerCore
from msgin5g_server.http import HttpServer
from msgin5g_server.registry import Registration, Registry
from tests.world import SERVICE, server_settings, silent_log, ue_id

NOW = 1_800_000_000_000
PROFILE = {"triInfo": {"ueId": "urn:example:ä", "cliPort": "7000"}}


class StoppedClock:
    def now(self):
        return NOW


@pytest.fixture
def core(tmp_path):
    registry = Registry(str(tmp_path))
    yield ServerCore(server_settings(str(tmp_path), (), open=True), registry, silent_log())
    registry.close()


async def _with_server(core, job):
    server = HttpServer(core, StoppedClock(), lambda: {"retransmissions": 3, 'odd"name\\': 1})
    await server.start("127.0.0.1", 0)
    try:
        base = "http://{}:{}".format(*server.address)
        async with aiohttp.ClientSession(base) as session:
            return await job(session)
    finally:
        await server.close()


def get(core, path, params=None):
    """Return (status, content type, text) of one GET."""

    async def job(session):
        async with session.get(path, params=params) as answer:
            return answer.status, answer.headers["Content-Type"], await answer.text()

    return asyncio.run(_with_server(core, job))


def ues(core, **params):
    status, content_type, text = get(core, "/ues", params)
    assert status == 200 and content_type.startswith("application/json")
    return json.loads(text)


def fill(core, count):
    for number in range(count):
        row = Registration("", "10.0.0.1:1", None, NOW, NOW, NOW + 1000)
        core.registry.put(f"urn:example:ue:{number:06}", row)


def test_a_registered_ue_is_listed_with_all_that_is_known_of_it(core):
    core.handle(reg(ue_id(1), SERVICE, profile=PROFILE), "10.0.0.1:4000", NOW - 5500)
    core.handle(reg(ue_id(2), SERVICE), "10.0.0.1:4001", NOW)
    answer = ues(core)
    assert (answer["count"], answer["total"]) == (2, 2)
    assert answer["ues"][0] == {
        "ue_service_id": ue_id(1),
        "via": "",
        "link": "udp",
        "peer": "10.0.0.1:4000",
        "registered_at": "2027-01-15T07:59:54.500Z",
        "refreshed_at": "2027-01-15T07:59:54.500Z",
        "expires_at": "2027-01-15T08:59:54.500Z",
        "expires_in_s": 3594,
        "profile": PROFILE,
    }
    assert answer["ues"][1]["profile"] is None


def test_an_empty_registry_is_an_empty_list(core):
    assert ues(core) == {"ues": [], "count": 0, "total": 0}


def test_pages_join_to_the_whole_list(core):
    fill(core, 2500)
    first = ues(core)
    assert (first["count"], first["total"]) == (1000, 2500)
    names = []
    for offset in range(0, 3000, 700):
        page = ues(core, limit=700, offset=offset)
        assert page["total"] == 2500 and page["count"] == len(page["ues"])
        names += [ue["ue_service_id"] for ue in page["ues"]]
    assert names == list(core.registry)
    assert ues(core, limit=0)["count"] == 0
    assert ues(core, offset=2500)["count"] == 0


def test_a_prefix_chooses_and_total_counts_the_chosen(core):
    fill(core, 300)
    core.handle(reg("urn:other:1", SERVICE), "10.0.0.1:1", NOW)
    answer = ues(core, prefix="urn:example:ue:0001", limit=10, offset=95)
    assert (answer["count"], answer["total"]) == (5, 100)
    assert answer["ues"][0]["ue_service_id"] == "urn:example:ue:000195"
    assert ues(core, prefix="urn:nobody")["total"] == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("limit=ten", ["limit", "10000", "ten"]),
        ("limit=10001", ["limit", "10000"]),
        ("limit=-1", ["limit"]),
        ("limit=", ["limit"]),
        ("offset=1.5", ["offset"]),
        ("offset=" + "9" * 5000, ["offset"]),
        ("limit=%D9%A3", ["limit"]),
        ("limt=5", ["limt", "prefix, limit, offset"]),
    ],
)
def test_a_bad_query_is_answered_400_with_a_sentence(core, query, words):
    status, content_type, text = get(core, "/ues?" + query)
    assert status == 400 and content_type.startswith("text/plain") and text.endswith("\n")
    for word in words:
        assert word in text


def test_other_paths_and_methods_are_refused(core):
    assert get(core, "/nothing")[0] == 404

    async def job(session):
        async with session.delete("/ues") as answer:
            return answer.status

    assert asyncio.run(_with_server(core, job)) == 405


def test_health_says_how_many_are_registered(core):
    fill(core, 3)
    assert json.loads(get(core, "/health")[2]) == {"status": "ok", "registered": 3}


def test_metrics_are_prometheus_text(core):
    core.handle(reg(ue_id(1), SERVICE), "10.0.0.1:4000", NOW)
    core.handle(b"{", "10.0.0.1:4000", NOW)
    status, content_type, text = get(core, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=0.0.4")
    lines = text.splitlines()
    assert "msgin5g_registered_ues 1" in lines
    assert 'msgin5g_server_events_total{event="registered"} 1' in lines
    assert 'msgin5g_server_events_total{event="malformed: payload"} 1' in lines
    assert 'coap_events_total{event="retransmissions"} 3' in lines
    assert r'coap_events_total{event="odd\"name\\"} 1' in lines
    types = [line.split()[2:] for line in lines if line.startswith("# TYPE")]
    assert ["msgin5g_registered_ues", "gauge"] in types and len(types) == 3


@pytest.mark.parametrize(
    ("params", "least"),
    [({"limit": "10000"}, 100), ({"prefix": "urn:example:ue:09"}, 24)],
)
def test_a_long_answer_leaves_the_loop_to_others_while_it_is_made(core, params, least):
    fill(core, 100_000)

    async def job(session):
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                core.registry.remove(f"urn:example:ue:{turns:06}")
                core.registry.put(
                    f"urn:example:new:{turns}", Registration("", "", None, NOW, NOW, NOW)
                )
                await asyncio.sleep(0)

        task = asyncio.ensure_future(others())
        try:
            async with session.get("/ues", params=params) as answer:
                assert answer.status == 200
                assert json.loads(await answer.text())["count"] > 900
        finally:
            task.cancel()
        return turns

    assert asyncio.run(_with_server(core, job)) >= least
