"""Other people's CoAP clients fetch a configuration: libcoap and stock aiocoap."""

import asyncio
import json
import shutil
import subprocess

import aiocoap
import pytest

from msgin5g import cbor, configuration, registration
from tests.processes import Stack

SERVICE = "urn:msgin5g:service"
PATH = ["su-uc", "v1", "val-services", SERVICE, "ue-configurations"]
DEVICE = "urn:dev:mac:0024befffe804ff1"
_COAP_CLIENTS = ("coap-client-notls", "coap-client", "coap-client-openssl", "coap-client-gnutls")


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    # All addresses are bound: a UE is told the one by which it came.
    made = Stack(tmp_path_factory.mktemp("configuration"), server=["--open"])
    made.coap = "0.0.0.0:0"
    made.start_server()
    yield made
    made.stop()


def port(stack):
    return stack.coap.rpartition(":")[2]


def coap_client(stack, query, *options):
    """GET with libcoap's client; returns the octets that it prints."""
    program = next((shutil.which(one) for one in _COAP_CLIENTS if shutil.which(one)), None)
    if program is None:
        pytest.fail("libcoap's coap-client is missing; apt-get install libcoap3-bin")
    url = f"coap://127.0.0.1:{port(stack)}/{'/'.join(PATH)}{query}"
    done = subprocess.run(
        [program, "-B", "10", "-m", "get", *options, url], capture_output=True, timeout=20
    )
    return (done.stdout + done.stderr).strip()


async def get(stack, query=(), payload=b"", path=PATH, **options):
    context = await aiocoap.Context.create_client_context()
    try:
        uri = f"coap://127.0.0.1:{port(stack)}"
        request = aiocoap.Message(code=aiocoap.GET, uri=uri, payload=payload)
        request.opt.uri_path, request.opt.uri_query = path, query
        for name, option in options.items():
            setattr(request.opt, name, option)
        return await asyncio.wait_for(context.request(request).response, 20)
    finally:
        await context.shutdown()


@pytest.mark.clause("6.2.1.3-p2", "6.8.2.1-p1")
def test_libcoap_fetches_the_same_configuration_again_after_a_kill(stack):
    query = f"?ue-uri={DEVICE}&ue-vendor=Example&ue-type=35209900"
    first = json.loads(coap_client(stack, query))
    assert set(first) == {"ueServiceId", "serverAddr", "segSize"}
    assert first["serverAddr"] == f"coap://127.0.0.1:{port(stack)}"
    # It was on disk before it was answered.
    stack.server.kill()
    stack.start_server()
    payload = configuration.request(DEVICE).decode()
    assert json.loads(coap_client(stack, "", "-t", "50", "-e", payload)) == first
    (document,) = cbor.loads(coap_client(stack, query, "-A", "60"))
    assert document["valUeIds"] == {"uris": [DEVICE]}
    assert f">{first['ueServiceId']}<" in document["ueConfigs"][0]["configData"]
    for wrong, code in (("?ue-id=x", b"4.00"), (f"?ue-uri={DEVICE}", b"4.06")):
        accept = ["-A", "0"] if code == b"4.06" else []
        assert code in coap_client(stack, wrong, *accept)


def test_aiocoap_fetches_one_and_many_and_the_ue_registers(stack):
    found = asyncio.run(get(stack, [f"ue-uri={DEVICE}:2"]))
    assert str(found.code) == "2.05 Content" and found.opt.content_format == 50
    one = configuration.parse_answer(found.payload).configuration
    # More than fits a datagram, both ways: in blocks.
    devices = [f"{DEVICE}:{number}" for number in range(300)]
    payload = configuration.bulk_request(devices)
    assert len(payload) > 4096
    found = asyncio.run(get(stack, payload=payload, content_format=50))
    entries = configuration.parse_answer(found.payload).entries
    assert [entry.ue_id for entry in entries] == devices
    assert entries[2].ue_service_id == one.ue_service_id
    wrong = asyncio.run(get(stack, path=[*PATH[:3], "urn:other", PATH[4]], observe=0))
    assert str(wrong.code) == "4.04 Not Found" and wrong.opt.content_format == 257

    async def register():
        context = await aiocoap.Context.create_client_context()
        payload = registration.reg(one.ue_service_id, SERVICE)
        request = aiocoap.Message(code=aiocoap.POST, payload=payload, content_format=50)
        request.set_request_uri(f"{one.server}/msgin5g")
        answer = await asyncio.wait_for(context.request(request).response, 20)
        await context.shutdown()
        return answer

    assert json.loads(asyncio.run(register()).payload)["result"] is True
