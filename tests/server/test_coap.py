"""The server's CoAP side on real sockets: both ways to the core, formats, failures of the disk."""

import asyncio
import json
import random
import socket

import pytest
from aiocoap import Code, Message

from msgin5g import coap, configuration, registration
from msgin5g.exchange import Endpoint
from msgin5g_host.aiocoap_transport import RULES, create_context
from msgin5g_host.clock import Clock
from msgin5g_host.udp import UdpSocket, open_socket
from msgin5g_server.blockwise import MAX_TRANSFERS, TransferTable
from msgin5g_server.coap import CoapServer
from msgin5g_server.core import ServerCore
from msgin5g_server.registry import Registry
from tests.world import GATEWAY, SERVICE, server_settings, silent_log, ue_id

PATH = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]


class Bench:
    """A CoapServer in this process and a plain socket towards it."""

    def __init__(self, folder, **settings):
        self.settings = server_settings(str(folder), open=True, **settings)
        self.registry = Registry(self.settings["server.data"])
        self.core = ServerCore(self.settings, self.registry, silent_log("server"))
        self.server = CoapServer("127.0.0.1", 0, self.core, Clock(), silent_log("server"))
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.connect(self.server.address)
        self.mid = random.randrange(30_000)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.socket.close()
        await self.server.close()
        self.registry.close()

    async def raw(self, datagram, wait_s=5):
        self.socket.send(datagram)
        loop = asyncio.get_running_loop()
        return await asyncio.wait_for(loop.sock_recv(self.socket, 65535), wait_s)

    async def post(self, payload, options=PATH, code=coap.POST):
        self.mid += 1
        datagram = coap.encode(coap.CON, code, self.mid, b"tok", options, payload)
        return coap.decode(await self.raw(datagram))


def run(scenario):
    asyncio.run(scenario)


def reg(number=1):
    return registration.reg(ue_id(number), SERVICE)


REQUESTS = [
    reg(1),
    reg(1),
    registration.reg(ue_id(2), SERVICE, True, 5, {"triInfo": {"ueId": "x:1", "cliPort": "1"}}),
    registration.breg(GATEWAY, SERVICE, [reg(3), reg(4)]),
    registration.dereg(ue_id(2), SERVICE),
    registration.dereg(ue_id(9), SERVICE),
    registration.bulk_dereg(GATEWAY, SERVICE, [registration.dereg(ue_id(3), SERVICE)]),
    b"{",
    b'{"msgIden":"urn:msgin5g:service","msgType":"REG"}',
    registration.reg(ue_id(1), "urn:other:service"),
]


def test_a_request_does_the_same_in_one_datagram_and_through_aiocoap(tmp_path):
    async def one_datagram():
        async with Bench(tmp_path / "a") as bench:
            answers = [await bench.post(payload) for payload in REQUESTS]
            return [(one.code, bytes(one.payload)) for one in answers], dict(
                (ue, row.profile) for ue, row in bench.registry.items()
            )

    async def through_aiocoap():
        async with Bench(tmp_path / "b") as bench:
            # A Block1 option, even of a single block, takes the way through aiocoap.
            block = [*PATH, (coap.BLOCK1, b"\x06")]
            answers = [await bench.post(payload, block) for payload in REQUESTS]
            return [(one.code, bytes(one.payload)) for one in answers], dict(
                (ue, row.profile) for ue, row in bench.registry.items()
            )

    assert asyncio.run(one_datagram()) == asyncio.run(through_aiocoap())


def test_a_bulk_request_and_its_answer_travel_in_blocks(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            endpoint = Endpoint(random.randrange, known=RULES)
            context, transport = create_context(endpoint)
            clock = Clock()
            udp = UdpSocket(open_socket("127.0.0.1", 0), endpoint, clock, transport.on_event)
            transport.attach(udp, clock.now)
            payload = registration.breg(GATEWAY, SERVICE, [reg(k) for k in range(1, 201)])
            url = "coap://{}:{}/msgin5g".format(*bench.server.address)
            request = Message(code=Code.POST, uri=url, payload=payload, content_format=50)
            answer = await asyncio.wait_for(context.request(request).response, 20)
            assert json.loads(answer.payload)["regRespNum"] == 200
            assert len(bench.registry) == 200
            await context.shutdown()
            udp.close()

    run(scenario())


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x3c")], coap.UNSUPPORTED_FORMAT),
        ([*PATH, (coap.ACCEPT, b"\x3c")], coap.NOT_ACCEPTABLE),
        ([(coap.URI_PATH, b"msgin5g")], coap.CREATED),
        ([], coap.CREATED),
        ([*PATH, (coap.PROXY_URI, b"coap://x")], coap.PROXYING_NOT_SUPPORTED),
        ([*PATH, (65001, b"x")], coap.BAD_OPTION),
    ],
)
def test_formats_and_options_of_a_post(tmp_path, options, code):
    async def scenario():
        async with Bench(tmp_path) as bench:
            answer = await bench.post(reg(), options)
            assert answer.code == code
            assert len(bench.registry) == (code == coap.CREATED)

    run(scenario())


@pytest.mark.parametrize(
    ("code", "options", "payload"),
    [
        (coap.GET, [(coap.URI_PATH, b"su-uc"), (coap.URI_QUERY, b"ue-uri=\xff")], b""),
        (coap.GET, [(coap.URI_PATH, b"\xff")], b""),
        (coap.POST, PATH, b"{"),
        (coap.POST, [*PATH, (coap.ACCEPT, b"\x3c")], reg()),
    ],
)
def test_the_text_of_an_error_is_not_called_json(tmp_path, code, options, payload):
    """RFC 7252, 5.5.2: a diagnostic payload has no Content-Format."""

    async def scenario():
        async with Bench(tmp_path) as bench:
            answer = await bench.post(payload, options, code)
            assert answer.code >= coap.BAD_REQUEST and len(answer.payload)
            assert answer.uint(coap.CONTENT_FORMAT) is None

    run(scenario())


def test_other_methods_and_paths_are_aiocoaps(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            assert (await bench.post(b"", PATH[:1], coap.GET)).code == coap.METHOD_NOT_ALLOWED
            assert (await bench.post(b"", [(11, b"nowhere")], coap.GET)).code == coap.NOT_FOUND
            core = [(11, b".well-known"), (11, b"core")]
            assert b"</msgin5g>" in (await bench.post(b"", core, coap.GET)).payload

    run(scenario())


def test_an_oversize_datagram_gets_4_13_with_the_size_that_is_taken(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            answer = await bench.post(b"x" * 20_000)
            assert answer.code == coap.TOO_LARGE and answer.uint(coap.SIZE1) == 16 * 1024
            assert (await bench.post(reg())).code == coap.CREATED

    run(scenario())


def test_when_the_disk_refuses_the_answer_is_5_03_and_nothing_is_registered(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            assert (await bench.post(reg(1))).code == coap.CREATED
            bench.registry._db.execute("PRAGMA query_only=ON")
            for payload in (reg(2), registration.dereg(ue_id(1), SERVICE)):
                assert (await bench.post(payload)).code == coap.UNAVAILABLE
            assert (await bench.post(reg(3), [*PATH, (coap.BLOCK1, b"\x06")])).code == 0xA3
            assert [ue for ue, _ in bench.registry.items()] == [ue_id(1)]
            bench.registry._db.execute("PRAGMA query_only=OFF")
            assert (await bench.post(reg(2))).code == coap.CREATED

    run(scenario())


def test_when_the_disk_refuses_nothing_is_assigned(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            options = configuration.request_options(SERVICE, "urn:dev:1")
            assert (await bench.post(reg(1))).code == coap.CREATED
            bench.core._store._db.execute("PRAGMA query_only=ON")
            answer = await bench.post(b"", options, coap.GET)
            assert answer.code == coap.UNAVAILABLE
            assert bench.core.counters["store_failures"] == 1 and not bench.core._ue_ids
            bench.core._store._db.execute("PRAGMA query_only=OFF")
            answer = await bench.post(b"", options, coap.GET)
            assert answer.code == coap.CONTENT

    run(scenario())


def test_a_burst_of_a_thousand_datagrams_is_answered(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            for number in range(1000):
                bench.socket.send(
                    coap.encode(coap.CON, coap.POST, number, b"", PATH, reg(number % 50 + 1))
                )
                if number % 100 == 99:
                    await asyncio.sleep(0)
            for _ in range(2000):
                await asyncio.sleep(0)
                if bench.core.counters["registered"] + bench.core.counters["refreshed"] == 1000:
                    break
            assert bench.core.counters["registered"] == 50

    run(scenario())


def test_the_table_of_transfers_is_bounded():
    table = TransferTable()
    for number in range(3 * MAX_TRANSFERS):
        table[number] = "x"
        table[0] = "kept, because it is used"
    assert len(table) == MAX_TRANSFERS and table.evicted == 2 * MAX_TRANSFERS
    assert table[0]


def test_blocks_over_the_limit_get_4_13(tmp_path):
    async def scenario():
        async with Bench(tmp_path) as bench:
            code = coap.CONTINUE
            for number in range(300):
                value = coap.uint(number << 4 | 8 | 6)
                answer = await bench.post(b"x" * 1024, [*PATH, (coap.BLOCK1, value)])
                code = answer.code
                if code != coap.CONTINUE:
                    break
            assert code == coap.TOO_LARGE and number == 256

    run(scenario())
