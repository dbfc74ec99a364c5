"""Message gateways over HTTP: Legacy 3GPP and Non-3GPP (MSGin5G-2, -4), broadcast (MSGin5G-7)."""

import asyncio
import json

import pytest

from msgin5g import coap, gaps
from tests.server.http_world import (
    AS,
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
    ue_message,
)
from tests.world import ue_id

GATEWAY = "urn:example:mgw:1"
BEHIND = "urn:example:phone:1"
TOKEN = "what-the-gateway-shows-here"


def run(folder, job, kind, answer=204, **more):
    async def scenario():
        async with Listener(answer) as gateway:
            row = {
                **{"mgw_service_id": GATEWAY, "kind": kind, "url": gateway.url, "areas": []},
                **{"ues": [BEHIND], "token": TOKEN, "our_token": "what-we-show-the-gateway"},
                **more,
            }
            rows = {"message_gateway": [row], "application": [{"as_service_id": AS}]}
            async with Site(folder, rows, None, [ue_id(1)]) as site:
                await job(site, gateway)

    asyncio.run(scenario())


@pytest.mark.clause("6.4.1.2.1-a2-a3", "6.4.1.2.6-d2")
@pytest.mark.parametrize(
    ("kind", "api"), [("L3G", "msgg-l3gdelivery"), ("N3G", "msgg-n3gdelivery")]
)
def test_a_message_goes_to_the_gateway_and_its_report_comes_back(tmp_path, kind, api):
    async def job(site, gateway):
        ue = await site.ue(1)
        payload, message_id = a_msg(1, ("UE", BEHIND), report=True, store=True, priority="HIGH")
        assert (await ue.post(payload)).code == coap.CHANGED
        (got,) = await gateway.until(1)
        assert gateway.got[0][0] == f"/{api}/v1/deliver-message"
        assert gateway.got[0][2]["Authorization"] == "Bearer what-we-show-the-gateway"
        assert got == {
            **{"oriAddr": an_address("UE", ue_id(1)), "destAddr": an_address("UE", BEHIND)},
            **{"msgId": message_id, "payload": "21.5", "delivStReqInd": True},
        }
        report = a_report(("UE", BEHIND), ("UE", ue_id(1)), message_id)
        status, body, _ = await site.post(REPORT, report, TOKEN)
        assert (status, "status" in body) == (200, False)
        assert json.loads((await ue.next_request()).payload)["DelSta"] == "success"

    run(tmp_path, job, kind)


@pytest.mark.parametrize(
    ("kind", "api"), [("L3G", "msgg-l3gdelivery"), ("N3G", "msgg-n3gdelivery")]
)
def test_a_message_comes_from_the_gateway_and_the_report_goes_back(tmp_path, kind, api):
    async def job(site, gateway):
        ue = await site.ue(1)
        sent = ue_message(BEHIND, ("UE", ue_id(1)), delivStReqInd=True)
        status, body, _ = await site.post(UE_MESSAGE, sent, TOKEN)
        assert (status, "status" in body) == (200, False)
        got = json.loads((await ue.next_request()).payload)
        assert got["msgId"] == sent["msgId"]
        report = {
            **{"msgIden": got["msgIden"], "msgType": "IMDN", "msgId": got["msgId"]},
            "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
            **{"destAddr": {"destAddrType": "UE", "addr": BEHIND}, "DelSta": "success"},
        }
        assert (await ue.post(json.dumps(report).encode())).code == coap.CHANGED
        (got,) = await gateway.until(1)
        assert gateway.got[0][0] == f"/{api}/v1/deliver-report"
        assert got == a_report(("UE", ue_id(1)), ("UE", BEHIND), sent["msgId"])

    run(tmp_path, job, kind)


def test_a_gateway_speaks_for_its_own_ues_only(tmp_path):
    async def job(site, gateway):
        for origin in (ue_id(1), "urn:example:phone:2"):
            sent = ue_message(origin, ("UE", BEHIND))
            _, body, _ = await site.post(UE_MESSAGE, sent, TOKEN)
            assert body["failureCause"] == gaps.CAUSE_NOT_THE_SENDER
        assert (await site.post(UE_MESSAGE, ue_message(BEHIND), None))[0] == 401
        assert not gateway.got

    run(tmp_path, job, "N3G")


def test_a_failure_that_the_gateway_tells_at_once_is_passed_on(tmp_path):
    async def job(site, gateway):
        ue = await site.ue(1)
        await ue.post(a_msg(1, ("UE", BEHIND))[0])
        response = json.loads((await ue.next_request()).payload)
        assert response["Cause"] == f"{gaps.CAUSE_RECIPIENT_REFUSED}: HTTP 400"

    run(tmp_path, job, "L3G", answer=400)


@pytest.mark.clause("6.4.1.2.1-d", "6.4.1.2.6-d5")
@pytest.mark.parametrize("areas", [[], ["harbour"]])
def test_a_broadcast_goes_to_the_broadcast_gateway(tmp_path, areas):
    async def job(site, gateway):
        ue = await site.ue(1)
        payload, message_id = a_msg(1, ("BC", "harbour"), priority="HIGH")
        await ue.post(payload)
        sent = as_message(("BC", "harbour"))
        await site.post(AS_MESSAGE, sent)
        first, second = await gateway.until(2)
        assert {path for path, *_ in gateway.got} == {"/msgg-bgdelivery/v1/deliver-message"}
        assert first == {
            **{"oriAddr": an_address("UE", ue_id(1)), "destAddr": an_address("BC", "harbour")},
            **{"msgId": message_id, "payload": "21.5", "priority": "HIGH"},
        }
        assert (second["oriAddr"], second["msgId"]) == (an_address("AS", AS), sent["msgId"])

    run(tmp_path, job, "BMG", areas=areas)


def test_an_area_that_nobody_serves_is_refused(tmp_path):
    async def job(site, gateway):
        _, body, _ = await site.post(AS_MESSAGE, as_message(("BC", "lake")))
        assert body["failureCause"] == gaps.CAUSE_NOT_SUPPORTED
        # The gateway's own name is no recipient.
        _, body, _ = await site.post(AS_MESSAGE, as_message(("UE", GATEWAY)))
        assert body["failureCause"] == gaps.CAUSE_UNKNOWN_RECIPIENT

    run(tmp_path, job, "BMG", areas=["harbour"])


def test_a_gateway_that_is_away_gets_what_was_stored_when_it_is_back(tmp_path):
    async def job(site, gateway):
        ue = await site.ue(1)
        payload, message_id = a_msg(1, ("UE", BEHIND), store=True)
        await ue.post(payload)
        boxes = site.core.messages.courier._boxes
        await eventually(lambda: boxes[BEHIND].failures)
        gateway.answer = 204
        first, second = await gateway.until(2)
        assert first == second and first["msgId"] == message_id

    run(tmp_path, job, "N3G", answer=503)
