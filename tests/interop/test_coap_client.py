"""Other people's CoAP clients against our server and gateway: libcoap and aiocoap."""

import asyncio
import json
import shutil
import subprocess

import aiocoap
import pytest

from msgin5g import registration
from tests.processes import Stack

SERVICE = "urn:msgin5g:service"
UE = "urn:example:ue:1"
_COAP_CLIENTS = ("coap-client-notls", "coap-client", "coap-client-openssl", "coap-client-gnutls")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = Stack(tmp_path_factory.mktemp("interop"), server=["--open"], gateway=["--open"])
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    yield made
    made.stop()


def coap_client(url, payload):
    """POST with libcoap's client; returns what it prints."""
    program = next((shutil.which(one) for one in _COAP_CLIENTS if shutil.which(one)), None)
    if program is None:
        pytest.fail("libcoap's coap-client is missing; apt-get install libcoap3-bin")
    done = subprocess.run(
        [program, "-B", "10", "-m", "post", "-t", "50", "-e", payload.decode(), url],
        capture_output=True,
        text=True,
        timeout=20,
    )
    return (done.stdout + done.stderr).strip()


def test_libcoap_registers_refreshes_and_de_registers_at_the_server(stack):
    url = f"coap://{stack.coap}/msgin5g"
    first = json.loads(coap_client(url, registration.reg(UE, SERVICE)))
    assert first["result"] is True and first["regExpTime"] == 3600
    assert json.loads(coap_client(url, registration.reg(UE, SERVICE)))["result"] is True
    assert json.loads(coap_client(url, registration.dereg(UE, SERVICE)))["result"] is True
    again = json.loads(coap_client(url, registration.dereg(UE, SERVICE)))
    assert again == {**again, "result": False, "cause": "not registered"}
    assert "4.00" in coap_client(url, b'{"msgIden":"urn:msgin5g:service"}')


def test_libcoap_signs_up_registers_refreshes_and_de_registers_at_the_gateway(stack):
    url = stack.link.replace("udp://", "coap://") + "/msgin5g"
    signed = json.loads(coap_client(url, registration.gwreg(UE, SERVICE, expires_s=60)))
    assert signed["result"] is True and signed["acceptedTime"] == 60
    for _ in range(2):
        final = json.loads(coap_client(url, registration.reg(UE, SERVICE, True)))
        assert final["result"] is True
    interim = json.loads(coap_client(url, registration.reg(UE, SERVICE, False, 1)))
    assert "result" not in interim and interim["expectedTime"] >= 1
    stack.server.wait_for("message", what="BREG")
    assert json.loads(coap_client(url, registration.dereg(UE, SERVICE, True)))["result"] is True


async def aiocoap_post(url, payload):
    context = await aiocoap.Context.create_client_context()
    try:
        request = aiocoap.Message(code=aiocoap.POST, uri=url, payload=payload, content_format=50)
        return await asyncio.wait_for(context.request(request).response, 20)
    finally:
        await context.shutdown()


@pytest.mark.parametrize("where", ["server", "gateway"])
def test_aiocoap_registers_refreshes_and_de_registers(stack, where):
    ue = f"urn:example:ue:{where}"
    base = f"coap://{stack.coap}" if where == "server" else stack.link.replace("udp", "coap")
    urgent = None if where == "server" else True
    if where == "gateway":
        answer = asyncio.run(aiocoap_post(f"{base}/msgin5g", registration.gwreg(ue, SERVICE)))
        assert str(answer.code) == "2.01 Created"
    codes = []
    for payload in (
        registration.reg(ue, SERVICE, urgent),
        registration.reg(ue, SERVICE, urgent),
        registration.dereg(ue, SERVICE, urgent),
    ):
        answer = asyncio.run(aiocoap_post(f"{base}/msgin5g", payload))
        assert answer.opt.content_format == 50
        assert json.loads(answer.payload)["result"] is True
        codes.append(str(answer.code)[:4])
    assert codes == ["2.01", "2.04", "2.04"]


def test_aiocoap_sends_a_bulk_request_block_by_block(stack):
    ues = [f"urn:example:ue:block:{number}" for number in range(60)]
    entries = [registration.reg(ue, SERVICE) for ue in ues]
    payload = registration.breg("urn:example:gw:1", SERVICE, entries)
    assert len(payload) > 4096
    answer = asyncio.run(aiocoap_post(f"coap://{stack.coap}/msgin5g", payload))
    body = json.loads(answer.payload)
    assert body["regRespNum"] == 60 and all(one["result"] for one in body["regRespList"])


def test_aiocoap_finds_the_resource(stack):
    async def get():
        context = await aiocoap.Context.create_client_context()
        url = f"coap://{stack.coap}/.well-known/core"
        answer = await context.request(aiocoap.Message(code=aiocoap.GET, uri=url)).response
        await context.shutdown()
        return answer

    assert b"</msgin5g>" in asyncio.run(get()).payload
