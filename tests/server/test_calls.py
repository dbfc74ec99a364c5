"""Calls to Application Servers on real sockets: the good, the hanging, the lying, the vanished."""

import asyncio
import json
import time

import pytest
from aiohttp import web

from msgin5g import coap, gaps
from msgin5g.message import Segment
from msgin5g_server.calls import MAX_ANSWER_BYTES
from tests.server.http_world import (
    AS,
    AS_MESSAGE,
    REPORT,
    Listener,
    Site,
    a_msg,
    a_report,
    an_address,
    as_message,
    eventually,
)
from tests.world import ue_id

MANY = [f"urn:example:as:{number}" for number in range(1, 21)]
MESSAGE_ID = "7c9a3a5e-3c1e-4a55-9d55-0d6f1f6c2b11"
HOUR_S = 3600
DEADLINE_S = 8.0


def run(folder, job, deadline_s=2.0, **rows):
    """Run job(site) with a Server that knows 20 applications."""

    async def scenario():
        tables = {"application": [{"as_service_id": one} for one in MANY], **rows}
        http = {"http.deadline_s": deadline_s}
        async with Site(folder, tables, http, [ue_id(1), ue_id(2)]) as site:
            return await job(site)

    asyncio.run(scenario())


@pytest.mark.clause("6.4.1.2.1-b", "6.4.1.2.6-d2")
def test_a_message_of_a_ue_reaches_the_callback_and_the_report_comes_back(tmp_path):
    async def job(site):
        async with Listener() as application:
            await site.register_as(application.url + "/in?key=7")
            ue = await site.ue(1)
            payload, message_id = a_msg(1, ("AS", AS), report=True, applications=["7"])
            assert (await ue.post(payload)).code == coap.CHANGED
            await application.until(1)
            path, got, headers = application.got[0]
            assert (path, headers["Content-Type"]) == ("/in", "application/json")
            assert got == {
                **{"oriAddr": an_address("UE", ue_id(1)), "destAddr": an_address("AS", AS)},
                **{"msgId": message_id, "appId": "7", "payload": "21.5"},
                **{"delivStReqInd": True, "stoAndFwInd": False},
            }
            report = a_report(("AS", AS), ("UE", ue_id(1)), message_id)
            status, ack, _ = await site.post(REPORT, report)
            assert (status, ack) == (
                200,
                {"oriAddr": an_address("AS", AS), "msgId": message_id},
            )
            imdn = json.loads((await ue.next_request()).payload)
            assert (imdn["msgType"], imdn["msgId"]) == ("IMDN", message_id)
            assert imdn["DelSta"] == "success"
            assert imdn["oriAddr"] == {"oriAddrType": "AS", "addr": AS}

    run(tmp_path, job)


def test_a_message_of_an_as_reaches_the_ue_and_the_report_the_callback(tmp_path):
    async def job(site):
        async with Listener() as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            sent = as_message(delivStReqInd=True, priority="HIGH", latency=100)
            status, ack, _ = await site.post(AS_MESSAGE, sent)
            assert (status, "status" in ack) == (200, False)
            got = json.loads((await ue.next_request()).payload)
            assert (got["msgId"], got["payload"]) == (sent["msgId"], sent["payload"])
            report = {
                **{"msgIden": got["msgIden"], "msgType": "IMDN", "msgId": got["msgId"]},
                "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
                "destAddr": {"destAddrType": "AS", "addr": AS},
                **{"DelSta": "failure", "Cause": "no valve here"},
            }
            assert (await ue.post(json.dumps(report).encode())).code == coap.CHANGED
            (heard,) = await application.until(1)
            assert heard == a_report(
                *(("UE", ue_id(1)), ("AS", AS), sent["msgId"], "REPT_DELY_FAILED"),
                failureCause="no valve here",
            )

    run(tmp_path, job)


async def _hang(request):
    await asyncio.sleep(HOUR_S)


async def _drip(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b" ")
        await asyncio.sleep(0.02)


async def _endless(request):
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b"x" * 65_536)


async def _cut(request):
    request.transport.abort()
    return 204


async def _moved(request):
    raise web.HTTPTemporaryRedirect(str(request.url.with_path("/elsewhere")))


@pytest.mark.parametrize(
    "answer", [_hang, _drip, _endless, _cut, _moved, 500, 503, 404, 401, 302, 429]
)
def test_a_callback_that_does_not_take_it_is_called_again(tmp_path, answer):
    async def job(site):
        async with Listener(answer) as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            await ue.post(a_msg(1, ("AS", AS))[0])
            await application.until(1)
            await eventually(lambda: site.core.messages.courier._boxes[AS].failures == 1)
            application.answer = 204
            assert len(application.got) == 1
            # Who registers again is there: no waiting.
            await site.register_as(application.url)
            first, second = await application.until(2)
            assert first == second
            assert all(path != "/elsewhere" for path, *_ in application.got)
            await eventually(lambda: not len(site.core._store))

    run(tmp_path, job, deadline_s=0.3)


def test_nobody_at_the_other_end_is_no_harm(tmp_path):
    async def job(site):
        async with Listener() as gone:
            url = gone.url
        await site.register_as(url)
        await site.register_as("http://host.invalid/", MANY[1])
        await site.register_as("http://../", MANY[2])
        ue = await site.ue(1)
        for one in MANY[:3]:
            await ue.post(a_msg(1, ("AS", one))[0])
        boxes = site.core.messages.courier._boxes
        await eventually(lambda: all(boxes[one].failures for one in MANY[:3]))
        assert len(site.core._store) == 3

    run(tmp_path, job)


@pytest.mark.parametrize("status", [400, 409, 410, 413, 422])
def test_a_callback_that_refuses_is_believed(tmp_path, status):
    async def job(site):
        async with Listener(status) as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            _, message_id = payload = a_msg(1, ("AS", AS), store=True)
            await ue.post(payload[0])
            response = json.loads((await ue.next_request()).payload)
            assert (response["msgType"], response["msgId"]) == ("MSGRESP", message_id)
            assert response["Cause"] == f"{gaps.CAUSE_RECIPIENT_REFUSED}: HTTP {status}"
            assert len(application.got) == 1

    run(tmp_path, job)


@pytest.mark.parametrize("text", ["", "{}", "<html>ok</html>", "x" * MAX_ANSWER_BYTES])
def test_whatever_it_says_with_a_2xx_it_is_taken(tmp_path, text):
    async def job(site):
        async with Listener((200, text)) as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            await ue.post(a_msg(1, ("AS", AS))[0])
            await eventually(lambda: site.counters["delivered"])
            assert len(application.got) == 1 and not len(site.core._store)

    run(tmp_path, job)


def test_those_who_hang_do_not_hold_up_the_others(tmp_path):
    async def job(site):
        async with Listener(_hang) as hanging, Listener() as quick:
            for one in MANY[:-1]:
                await site.register_as(hanging.url, one)
            await site.register_as(quick.url, MANY[-1])
            ue = await site.ue(1)
            for one in MANY:
                await ue.post(a_msg(1, ("AS", one))[0])
            began = time.monotonic()
            await quick.until(1)
            await hanging.until(16)
            assert time.monotonic() - began < DEADLINE_S / 2

    run(tmp_path, job, deadline_s=DEADLINE_S)


def test_one_at_a_time_and_in_order(tmp_path):
    under_way = []

    async def slowly(request):
        under_way.append(1)
        assert len(under_way) == 1
        await asyncio.sleep(0.01)
        under_way.pop()
        return 204

    async def job(site):
        async with Listener(slowly) as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            sent = []
            for _ in range(20):
                payload, message_id = a_msg(1, ("AS", AS))
                await ue.post(payload)
                sent.append(message_id)
            assert [one["msgId"] for one in await application.until(20)] == sent

    run(tmp_path, job)


def test_its_token_is_shown_and_not_logged(tmp_path, capsys):
    token = "our-token-for-the-as-0001"
    row = {"as_service_id": AS, "our_token": token}

    async def job(site):
        async with Listener(500) as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            await ue.post(a_msg(1, ("AS", AS))[0])
            await application.until(1)
            assert application.got[0][2]["Authorization"] == f"Bearer {token}"
            await eventually(lambda: site.core.messages.courier._boxes[AS].failures)
        assert token not in site.log_text()
        assert "call-failed" in site.log_text()

    run(tmp_path, job, application=[row])


def test_a_long_message_in_segments_arrives_whole(tmp_path):
    async def job(site):
        async with Listener() as application:
            await site.register_as(application.url)
            ue = await site.ue(1)
            parts = ["a" * 2000, "b" * 2000, "c" * 500]
            for number, text in enumerate(parts, 1):
                piece = Segment("urn:set:1", number, 3, number == 3)
                more = {"message_id": MESSAGE_ID, "segment": piece}
                payload, _ = a_msg(1, ("AS", AS), payload=text, **more)
                assert (await ue.post(payload)).code == coap.CHANGED
            (got,) = await application.until(1)
            assert got["payload"] == "".join(parts) and "segInd" not in got
            assert got["msgId"] == MESSAGE_ID

    run(tmp_path, job)
