"""GET /ues and /health."""

import asyncio
import json

import aiohttp
import pytest

from msgin5g.registration import reg
from msgin5g_host.capture import Capture
from msgin5g_host.journal import Journal
from msgin5g_server.core import ServerCore
from msgin5g_server.http import HttpServer
from msgin5g_server.registry import Registration, Registry
from tests.world import GATEWAY, SERVICE, server_settings, silent_log, ue_id

NOW = 1_800_000_000_000
AS = "urn:example:as:1"
PROFILE = {"triInfo": {"ueId": "urn:example:ä", "cliPort": "7000"}}


class StoppedClock:
    def now(self):
        return NOW


@pytest.fixture
def core(tmp_path):
    registry = Registry(str(tmp_path))
    settings = server_settings(str(tmp_path), (), open=True)
    settings.rows["application"] = [{"as_service_id": AS}]
    made = ServerCore(settings, registry, silent_log())
    yield made
    made.close()
    registry.close()


def durably(core):
    """What CoapServer.durably does, with a commit at once."""

    async def run(work):
        result = work(NOW)
        core.messages.poll(NOW)
        core.commit()
        return result

    return run


async def _with_server(core, job):
    server = HttpServer(
        *(core, StoppedClock(), dict, durably(core)),
        Journal(),
        Capture("server", StoppedClock()),
        [],
    )
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


def test_the_link_behind_a_gateway_is_not_made_up(core):
    core.registry.put(ue_id(1), Registration(GATEWAY, "10.0.0.1:1", None, NOW, NOW, NOW + 1000))
    assert [(one["via"], one["link"]) for one in ues(core)["ues"]] == [(GATEWAY, "")]


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


# Messages of applications


def post(core, body):
    """Return (status, text) of one POST to /messages."""

    async def job(session):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with session.post("/messages", data=data) as answer:
            return answer.status, await answer.text()

    return asyncio.run(_with_server(core, job))


def test_an_application_sends_and_reads(core):
    fill(core, 1)
    ue = next(iter(core.registry))
    status, text = post(core, {"from": AS, "to": ue, "payload": "hello", "report": True})
    message_id = json.loads(text)["message_id"]
    assert status == 201
    ((attempt, where, payload, _),) = core.messages.take()
    sent = json.loads(payload)
    assert where == "10.0.0.1:1" and sent["msgId"] == message_id
    assert sent["oriAddr"] == {"oriAddrType": "AS", "addr": AS} and sent["payload"] == "hello"
    core.messages.answered(attempt, 0x44, "", NOW)
    report = {
        "msgIden": SERVICE,
        "msgType": "IMDN",
        "oriAddr": {"oriAddrType": "UE", "addr": ue},
        "destAddr": {"destAddrType": "AS", "addr": AS},
        "msgId": message_id,
        "DelSta": "success",
    }
    assert core.handle(json.dumps(report).encode(), "10.0.0.1:1", NOW)[0] == 0x44
    core.commit()
    status, _, text = get(core, "/messages", {"application": AS})
    (found,) = json.loads(text)["messages"]
    assert status == 200 and found["message"]["msgType"] == "IMDN"
    after = {"application": AS, "after": str(found["id"])}
    assert json.loads(get(core, "/messages", after)[2])["messages"] == []


def test_an_application_hears_that_its_message_waits_or_is_gone(core):
    post(core, {"from": AS, "to": "urn:example:ue:away", "payload": "x"})
    later = {"from": AS, "to": "urn:example:ue:away", "payload": "y"}
    post(core, {**later, "store_until": "2030-01-01T00:00:00Z"})
    core.commit()
    rows = json.loads(get(core, "/messages", {"application": AS})[2])["messages"]
    assert [row["message"]["DelSta"] for row in rows] == [
        "failure",
        "stored for deferred delivery",
    ]


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"{", 400, "the body is JSON"),
        ([], 400, "the body is a JSON object"),
        ({"from": AS, "to": ue_id(1)}, 400, "payload: missing"),
        ({"from": AS, "too": ue_id(1)}, 400, "unknown key 'too'"),
        ({"from": AS, "to": ue_id(1), "payload": 5}, 400, "payload: a string is wanted"),
        ({"from": AS, "to": ue_id(1), "payload": "x", "report": "yes"}, 400, "report: true"),
        ({"from": "urn:x:y", "to": ue_id(1), "payload": "x"}, 403, "'urn:x:y' is no application"),
        ({"from": AS, "to": AS, "kind": "AS", "payload": "x"}, 400, "an AS writes to no AS"),
        ({"from": AS, "to": "urn:g", "kind": "GROUP", "payload": "x"}, 404, "unknown recipient"),
        ({"from": AS, "to": ue_id(1), "payload": "x", "priority": "TOP"}, 400, "priority: one of"),
        (
            {"from": AS, "to": ue_id(1), "payload": "x", "store_until": "soon"},
            400,
            "store_until: a date-time",
        ),
        ({"from": AS, "to": ue_id(1), "payload": "x" * 65537}, 400, "payload: at most 65536"),
        ({"from": AS, "to": ue_id(1), "payload": "\ud800"}, 400, "half of a surrogate pair"),
    ],
)
def test_a_message_that_cannot_be_taken_is_refused_with_the_reason(core, body, status, text):
    got, said = post(core, body)
    assert got == status and text in said, said


def test_reading_for_nobody_is_not_found(core):
    status, _, text = get(core, "/messages", {"application": "urn:x:y"})
    assert status == 404 and "server.toml" in text
    assert get(core, "/messages", {"application": AS, "after": "x"})[0] == 400
