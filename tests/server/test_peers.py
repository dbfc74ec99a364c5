"""Server to server (MSGin5G-8): messages and reports both ways, rings that are cut, strangers."""

import asyncio
import json
import uuid
from contextlib import AsyncExitStack

import pytest

from msgin5g import coap, gaps
from tests.server.http_world import (
    AS_MESSAGE,
    REPORT,
    UE_MESSAGE,
    Listener,
    Site,
    a_msg,
    a_report,
    an_address,
    as_message,
    eventually,
    free_ports,
    ue_message,
)
from tests.world import SERVICE

A, B, C = "a", "b", "c"


def server_id(name):
    return f"urn:{name}:server"


def ue(name, number=1):
    return f"urn:{name}:ue:{number}"


def token(sender, receiver):
    return f"what-{sender}-shows-to-{receiver}"


def ring(folder, ways):
    """Servers with free ports. ways: {name: {neighbour: [domains]}}; tokens on every way."""
    ports = dict(zip(ways, free_ports(len(ways)), strict=True))
    sites = {}
    for name, neighbours in ways.items():
        rows = {
            "peer": [
                {
                    "server_id": server_id(other),
                    "url": f"http://127.0.0.1:{ports[other]}/",
                    "prefixes": [f"urn:{domain}:" for domain in domains],
                    "token": token(other, name),
                    "our_token": token(name, other),
                }
                for other, domains in neighbours.items()
            ],
            "application": [{"as_service_id": f"urn:{name}:as:1"}],
            "group": [
                {
                    "group_service_id": f"urn:{name}:group:1",
                    "members": [ue(one) for one in (A, B)],
                }
            ],
        }
        ues = [ue(name), ue(name, 2)]
        sites[name] = Site(folder / name, rows, None, ues, ports[name])
    return sites


def run(folder, ways, job):
    async def scenario():
        async with AsyncExitStack() as stack:
            sites = ring(folder, ways)
            for one in sites.values():
                await stack.enter_async_context(one)
            await job(**sites)

    asyncio.run(scenario())


TWO = {A: {B: [B]}, B: {A: [A]}}


async def send(client, origin, to, **more):
    """A MSG of a UE; returns its Message ID."""
    payload, message_id = a_msg(origin, to, **more)
    assert (await client.post(payload)).code == coap.CHANGED
    return message_id


async def heard(client):
    return json.loads((await client.next_request()).payload)


@pytest.mark.clause("6.4.1.2.1-a2-a3", "6.4.1.2.1-orig-n")
def test_a_message_crosses_and_its_report_comes_back(tmp_path):
    async def job(a, b):
        here, there = await a.ue(ue(A)), await b.ue(ue(B))
        message_id = await send(here, ue(A), ("UE", ue(B)), report=True, applications=["7"])
        got = await heard(there)
        assert (got["msgId"], got["payload"], got["appId"]) == (message_id, "21.5", "7")
        assert got["oriAddr"] == {"oriAddrType": "UE", "addr": ue(A)}
        assert got["isDelivStatReq"] is True
        report = {
            **{"msgIden": SERVICE, "msgType": "IMDN", "msgId": message_id},
            "oriAddr": {"oriAddrType": "UE", "addr": ue(B)},
            **{"destAddr": {"destAddrType": "UE", "addr": ue(A)}, "DelSta": "success"},
        }
        assert (await there.post(json.dumps(report).encode())).code == coap.CHANGED
        imdn = await heard(here)
        assert (imdn["msgType"], imdn["msgId"], imdn["DelSta"]) == ("IMDN", message_id, "success")
        await eventually(lambda: not len(a.core._store) and not len(b.core._store))

    run(tmp_path, TWO, job)


def test_an_as_there_is_reached_and_reports(tmp_path):
    async def job(a, b):
        async with Listener() as application:
            await b.register_as(application.url, "urn:b:as:1")
            here = await a.ue(ue(A))
            message_id = await send(here, ue(A), ("AS", "urn:b:as:1"), report=True)
            (got,) = await application.until(1)
            assert got["msgId"] == message_id
            assert got["destAddr"] == an_address("AS", "urn:b:as:1")
            report = a_report(("AS", "urn:b:as:1"), ("UE", ue(A)), message_id)
            assert "status" not in (await b.post(REPORT, report))[1]
            assert (await heard(here))["DelSta"] == "success"

    run(tmp_path, TWO, job)


def test_an_as_here_writes_to_a_ue_there(tmp_path):
    async def job(a, b):
        there = await b.ue(ue(B))
        sent = as_message(("UE", ue(B)), "urn:a:as:1", delivStReqInd=True)
        assert "status" not in (await a.post(AS_MESSAGE, sent))[1]
        got = await heard(there)
        assert got["oriAddr"] == {"oriAddrType": "AS", "addr": "urn:a:as:1"}
        report = {
            **{"msgIden": SERVICE, "msgType": "IMDN", "msgId": got["msgId"]},
            "oriAddr": {"oriAddrType": "UE", "addr": ue(B)},
            "destAddr": {"destAddrType": "AS", "addr": "urn:a:as:1"},
            "DelSta": "success",
        }
        await there.post(json.dumps(report).encode())
        inbox = a.core.messages.applications.inbox
        (row,) = await eventually(lambda: inbox("urn:a:as:1", 0))
        assert json.loads(row[2])["msgType"] == "IMDN"

    run(tmp_path, TWO, job)


def test_a_group_there_and_members_there(tmp_path):
    async def job(a, b):
        here, there = await a.ue(ue(A)), await b.ue(ue(B))
        # The group of A has a member at B; the group of B is hosted there and has one at A.
        first = await send(here, ue(A), ("GROUP", "urn:a:group:1"))
        assert (await heard(there))["msgId"] == first
        second = await send(here, ue(A), ("GROUP", "urn:b:group:1"))
        got = await heard(there)
        assert got["msgId"] == second
        assert got["destAddr"] == {"destAddrType": "GROUP", "addr": "urn:b:group:1"}

    run(tmp_path, TWO, job)


def test_segments_cross(tmp_path):
    async def job(a, b):
        there = await b.ue(ue(B))
        text = "".join(chr(97 + number % 26) for number in range(5_000))
        sent = as_message(("UE", ue(B)), "urn:a:as:1", payload=text)
        await a.post(AS_MESSAGE, sent)
        got = [await heard(there)]
        while "lastSegFlag" not in got[-1]["segParams"]:
            got.append(await heard(there))
        assert "".join(one["payload"] for one in got) == text
        numbers = [one["segParams"]["segNumb"] for one in got]
        assert numbers == list(range(1, got[-1]["segParams"]["totalSegCount"] + 1))

    run(tmp_path, TWO, job)


@pytest.mark.parametrize(
    ("store", "status", "cause"),
    [
        (True, "stored for deferred delivery", None),
        (False, "failure", gaps.CAUSE_UNAVAILABLE),
    ],
)
def test_what_becomes_of_it_there_is_told_here(tmp_path, store, status, cause):
    async def job(a, b):
        here = await a.ue(ue(A))
        message_id = await send(here, ue(A), ("UE", ue(B)), store=store)
        response = await heard(here)
        assert (response["msgType"], response["msgId"]) == ("MSGRESP", message_id)
        assert (response["DelSta"], response.get("Cause")) == (status, cause)
        assert len(b.core._store) == store
        await eventually(lambda: not len(a.core._store))
        if store:
            assert (await heard(await b.ue(ue(B))))["msgId"] == message_id

    run(tmp_path, TWO, job)


def test_a_failure_that_comes_out_later_is_reported(tmp_path):
    async def job(a, b):
        here = await a.ue(ue(A))
        there = await b.ue(ue(B))
        message_id = await send(here, ue(A), ("UE", ue(B)), report=True, store=True)
        assert (await heard(there))["msgId"] == message_id
        courier = b.core.messages.courier

        def refuse(now):
            stored = b.core._store.new_body(ue(A), "", b"", kept)
            delivery = b.core._store.put_delivery(stored, ue(B), 1, True, now)
            courier._discard(delivery, gaps.CAUSE_EXPIRED)

        kept, message_id = a_msg(ue(A), ("UE", ue(B)), report=True)
        a.core._store.note_seen(ue(A), message_id, 0, True)
        await b.coap.durably(refuse)
        imdn = await heard(here)
        assert (imdn["msgId"], imdn["DelSta"]) == (message_id, "failure")
        assert imdn["Cause"] == gaps.CAUSE_EXPIRED

    run(tmp_path, TWO, job)


# Who may speak


@pytest.mark.parametrize(
    ("origin", "shown", "status", "words"),
    [
        (ue(A), None, 401, "the bearer token of urn:a:server is wanted"),
        (ue(A), "wrong-token-of-nobody", 401, "not known"),
        (ue(A), token(A, B), 200, None),
        ("urn:c:ue:1", token(A, B), 200, gaps.CAUSE_NOT_THE_SENDER),
        (ue(B), token(A, B), 200, gaps.CAUSE_LOOP),
        (ue(B, 2), token(A, B), 200, gaps.CAUSE_LOOP),
    ],
)
def test_a_peer_speaks_for_its_own_only(tmp_path, origin, shown, status, words):
    async def job(a, b):
        there = await b.ue(ue(B))
        sent = ue_message(origin, ("UE", ue(B)))
        got, body, _ = await b.post(UE_MESSAGE, sent, shown)
        assert got == status
        if words is None:
            assert "status" not in body
            assert (await heard(there))["msgId"] == sent["msgId"]
        else:
            assert words in (body["detail"] if status == 401 else body["failureCause"])
            assert not len(b.core._store)

    run(tmp_path, TWO, job)


# Rings


THREE = {
    A: {B: [B, "x"], C: [C]},
    B: {C: [C, "x"], A: [A]},
    C: {A: [A, "x"], B: [B, A]},
}


def test_a_message_that_nobody_can_deliver_goes_round_once(tmp_path):
    """Each thinks that the next one knows urn:x: A asks B, B asks C, and C asks A, who refuses."""

    async def job(a, b, c):
        here = await a.ue(ue(A))
        message_id = await send(here, ue(A), ("UE", "urn:x:ue:1"), report=True)
        report = await heard(here)
        assert (report["msgType"], report["msgId"]) == ("IMDN", message_id)
        assert report["Cause"] == gaps.CAUSE_LOOP
        for one in (a, b, c):
            await eventually(lambda one=one: not len(one.core._store))
            assert one.counters["rejected: " + gaps.CAUSE_LOOP] == (one is a)
        # What another server says is no name for a counter.
        assert c.counters["discarded: " + gaps.CAUSE_RECIPIENT_REFUSED] == 1
        assert not any(gaps.CAUSE_LOOP in name for name in c.counters)

    run(tmp_path, THREE, job)


@pytest.mark.parametrize(
    ("via", "cause"),
    [
        ([], None),
        (["1.1 proxy.example (x)", "1.0 cache"], None),
        (["1.1 msgin5g-0123456789abcdef"], None),
        (["own"], gaps.CAUSE_LOOP),
        (["1.1 proxy", "own", "1.1 msgin5g-00"], gaps.CAUSE_LOOP),
        ([f"1.1 msgin5g-{number:016x}" for number in range(gaps.MAX_HOPS)], gaps.CAUSE_LOOP),
    ],
)
def test_via_tells_of_a_ring(tmp_path, via, cause):
    async def job(a, b):
        await b.ue(ue(B))
        own = f"1.1 {b.core.messages.outside.own_id}"
        header = ", ".join(own if one == "own" else one for one in via)
        sent = ue_message(ue(A), ("UE", ue(B)))
        _, body, _ = await b.post(UE_MESSAGE, sent, token(A, B), Via=header)
        assert body.get("failureCause") == cause

    run(tmp_path, TWO, job)


def test_a_ring_of_servers_that_name_themselves_nowhere_is_cut(tmp_path):
    """The same message from another neighbour is a loop; from the same it is a repetition."""
    ways = {B: {A: [A], C: [C, A]}, A: {B: [B]}, C: {B: [B]}}

    async def job(a, b, c):
        there = await b.ue(ue(B))
        sent = ue_message(ue(A), ("UE", ue(B)))
        for _ in range(2):
            status, body, _ = await b.post(UE_MESSAGE, sent, token(A, B))
            assert (status, "status" in body) == (200, False)
        _, body, _ = await b.post(UE_MESSAGE, sent, token(C, B))
        assert body["failureCause"] == gaps.CAUSE_LOOP
        assert (await heard(there))["msgId"] == sent["msgId"]
        assert b.counters["attempts"] == 1

    run(tmp_path, ways, job)


def test_the_hops_of_a_message_are_known_after_a_restart(tmp_path):
    """B has it for C, which is down; when C is back it hears through whom it came."""
    ways = {A: {B: [B, C]}, B: {A: [A], C: [C]}, C: {B: [B, A]}}

    async def scenario():
        sites = ring(tmp_path, ways)
        async with sites[B] as b:
            sent = ue_message(ue(A), ("UE", "urn:c:ue:1"), stoAndFwInd=True)
            via = "1.1 msgin5g-00000000000000aa"
            _, body, _ = await b.post(UE_MESSAGE, sent, token(A, B), Via=via)
            await eventually(lambda: b.core.messages.courier._boxes["urn:c:ue:1"].failures)
            own_id = b.core.messages.outside.own_id
        port = int(sites[B].settings.rows["peer"][1]["url"].rpartition(":")[2].strip("/"))
        async with Listener((200, json.dumps(body)), port=port) as stub, sites[B] as b:
            b.coap.expire(0)
            assert b.core.messages.outside.own_id == own_id
            await stub.until(1)
            path, got, headers = stub.got[0]
            assert (path, got["msgId"]) == (UE_MESSAGE, sent["msgId"])
            assert headers["Via"] == f"{via}, 1.1 {own_id}"
            assert headers["Authorization"] == f"Bearer {token(B, C)}"

    asyncio.run(scenario())


# Peers of other makes


ACK = {"oriAddr": an_address("UE", ue(A)), "msgId": str(uuid.uuid4())}


@pytest.mark.parametrize(
    "answer",
    [
        (200, "<html>please log in</html>"),
        (200, "{}"),
        (200, json.dumps(ACK)),
        (200, "[" * 10_000),
        (302, ""),
        (500, ""),
    ],
)
def test_what_is_no_ack_of_this_message_is_no_delivery(tmp_path, answer):
    async def scenario():
        async with Listener(answer) as stub:
            peer = {"server_id": "urn:b:server", "url": stub.url, "prefixes": ["urn:b:"]}
            async with Site(tmp_path, {"peer": [peer]}, None, [ue(A)]) as a:
                here = await a.ue(ue(A))
                await send(here, ue(A), ("UE", ue(B)))
                await stub.until(1)
                await eventually(lambda: a.core.messages.courier._boxes[ue(B)].failures)
                stub.answer = 204
                a.core.messages.courier.wake(ue(B), 0)
                a.coap._flush_soon()
                await eventually(lambda: a.counters["delivered"])

    asyncio.run(scenario())
