"""Other people's clients ask our gateway for a configuration; and many ask at once."""

import asyncio
import json
import shutil
import socket
import subprocess

import aiocoap
import pytest

from msgin5g import coap, configuration, gaps
from tests.interop.test_coap_client import _COAP_CLIENTS
from tests.processes import Stack
from tests.world import device_id

DEADLINE_S = 20
MANY = 300
PATH = ["su-uc", "v1", "val-services", gaps.SERVICE_ID, "ue-configurations"]


def make_stack(folder, *bulk):
    made = Stack(folder, server=["--open"], gateway=["--open"], bulk=bulk)
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    return made


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    made = make_stack(tmp_path_factory.mktemp("bulk"), "default_wait_s = 1.0")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def passing(tmp_path_factory):
    made = make_stack(tmp_path_factory.mktemp("passing"), "configuration = false")
    yield made
    made.stop()


def base(stack):
    return stack.link.replace("udp://", "coap://")


async def aiocoap_get(stack, ue_id, accept=None):
    request = aiocoap.Message(code=aiocoap.GET, uri=base(stack))
    request.opt.uri_path = PATH
    request.opt.uri_query = [f"ue-uri={ue_id}"]
    request.opt.accept = accept
    context = await aiocoap.Context.create_client_context()
    try:
        answer = await asyncio.wait_for(context.request(request).response, DEADLINE_S)
        # It stays to see, and to reset, what comes later.
        if b"maxConfTime" in answer.payload:
            await asyncio.to_thread(stack.gateway.wait_for, "not-taken", ue=ue_id)
    finally:
        await context.shutdown()
    return answer


def libcoap_get(stack, ue_id):
    program = next((shutil.which(one) for one in _COAP_CLIENTS if shutil.which(one)), None)
    if program is None:
        pytest.fail("libcoap's coap-client is missing; apt-get install libcoap3-bin")
    url = f"{base(stack)}/{'/'.join(PATH)}?ue-uri={ue_id}"
    done = subprocess.run([program, "-B", "10", url], capture_output=True, text=True, timeout=20)
    return (done.stdout + done.stderr).strip()


def test_stock_aiocoap_resets_the_second_answer_and_gets_it_with_its_next_get(stack):
    first = asyncio.run(aiocoap_get(stack, "a1"))
    assert json.loads(first.payload) == {"maxConfTime": 1} and first.opt.content_format == 50
    second = asyncio.run(aiocoap_get(stack, "a1"))
    assert second.code == aiocoap.CONTENT and second.opt.content_format == 50
    found = configuration.parse_answer(second.payload).configuration
    assert found.ue_service_id.startswith("urn:") and found.server == f"coap://{stack.coap}"


def test_libcoap_gets_it_with_its_second_get(stack):
    assert json.loads(libcoap_get(stack, "l1")) == {"maxConfTime": 1}
    stack.gateway.wait_for("answered", ue="l1")
    # Whoever has gone is told three times, and then no more; a new GET comes first.
    assert json.loads(libcoap_get(stack, "l1"))["serverAddr"] == f"coap://{stack.coap}"


def test_passed_on_the_answer_comes_at_once_in_the_form_that_is_asked_for(passing):
    answer = json.loads(libcoap_get(passing, "l2"))
    assert answer["serverAddr"] == f"coap://{passing.coap}"
    document = asyncio.run(aiocoap_get(passing, "l2", accept=60))
    assert document.opt.content_format == 60
    assert answer["ueServiceId"].encode() in document.payload


def test_three_hundred_are_fetched_block_by_block_and_each_is_told(tmp_path):
    """Request and answer take several blocks; the second answers wait for room at their peer."""
    stack = make_stack(tmp_path, "max_requests = 250", "default_wait_s = 3.0")
    try:
        host, _, port = stack.link.removeprefix("udp://").rpartition(":")
        told = {}
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.settimeout(DEADLINE_S)
            one.connect((host, int(port)))
            for number in range(MANY):
                options = configuration.request_options(gaps.SERVICE_ID, device_id(number))
                one.send(coap.encode(coap.CON, coap.GET, number, b"%d" % number, options))
                interim = coap.decode(one.recv(2048))
                while interim.token != b"%d" % number:
                    interim = take(one, interim, told)
            while len(told) < MANY:
                take(one, coap.decode(one.recv(2048)), told, again=False)
        names = {
            configuration.parse_answer(payload).configuration.ue_service_id
            for payload in told.values()
        }
        assert len(names) == MANY
        bulks = [event["ues"] for event in stack.gateway.events if event["event"] == "bulk"]
        assert sum(bulks) == MANY and max(bulks) > 200
    finally:
        stack.stop()


def take(one, message, told, again=True):
    """Note and acknowledge a second answer; with `again` return the next message."""
    if message.type == coap.CON and message.code == coap.CONTENT:
        told[bytes(message.token)] = bytes(message.payload)
        one.send(coap.encode(coap.ACK, 0, message.mid))
    return coap.decode(one.recv(2048)) if again else None
