"""Messages of the MSGin5G Server on real sockets: what its POSTs look like (6.4.1.2)."""

import asyncio
import json
import socket
import uuid

import pytest

from msgin5g import coap, message, registration
from msgin5g_host.clock import Clock
from msgin5g_server.coap import CoapServer
from msgin5g_server.core import ServerCore
from msgin5g_server.registry import Registry
from tests.server.post_office import GROUP, TOPIC, PostOffice
from tests.world import SERVICE, server_settings, silent_log, ue_id


class Socket:
    """The socket of a UE. It answers every POST with 2.04; `requests` are those not looked at."""

    def __init__(self, server):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.connect(server)
        self._mid = 100
        self.requests = []
        self.answers = []

    def close(self):
        self._socket.close()

    async def post(self, payload, token=b"tok"):
        options = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]
        return await self.ask(coap.POST, options, payload, token)

    async def ask(self, code, options, payload=b"", token=b"tok"):
        self._mid += 1
        self._socket.send(coap.encode(coap.CON, code, self._mid, token, options, payload))
        return await self.next_answer()

    async def next_answer(self):
        await self._until(self.answers)
        return self.answers.pop(0)

    async def next_request(self):
        await self._until(self.requests)
        return self.requests.pop(0)

    async def _until(self, wanted):
        loop = asyncio.get_running_loop()
        while not wanted:
            data = await asyncio.wait_for(loop.sock_recv(self._socket, 4096), 5)
            datagram = coap.decode(data)
            if datagram.code != coap.POST:
                self.answers.append(datagram)
                if datagram.type == coap.CON:
                    self._socket.send(coap.encode(coap.ACK, coap.EMPTY, datagram.mid))
                continue
            self.requests.append(datagram)
            if datagram.type == coap.CON:
                answer = (coap.ACK, coap.CHANGED, datagram.mid, datagram.token, [], b"")
                self._socket.send(coap.encode(*answer))


class Network:
    """A CoapServer in this process and a plain socket for each UE."""

    def __init__(self, folder):
        settings = server_settings(str(folder), open=True)
        self.registry = Registry(settings["server.data"])
        self.core = ServerCore(settings, self.registry, silent_log("server"))
        self.server = CoapServer("127.0.0.1", 0, self.core, Clock(), silent_log("server"))
        self.sockets = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        for one in self.sockets:
            one.close()
        await self.server.close()
        self.registry.close()

    async def ue(self, number=None):
        """A UE's socket; with a number it is registered."""
        one = Socket(self.server.address)
        self.sockets.append(one)
        if number is not None:
            answer = await one.post(registration.reg(ue_id(number), SERVICE))
            assert json.loads(answer.payload)["result"] is True
        return one


def a_message(origin, to, **more):
    made = message.Message()
    made.message_id = str(uuid.uuid4())
    made.origin, made.destination = ("UE", ue_id(origin)), ("UE", ue_id(to))
    made.payload = "21.5"
    for name, value in more.items():
        setattr(made, name, value)
    return made


def is_msgin5g_post(datagram):
    path = [value for number, value in datagram.options if number == coap.URI_PATH]
    assert (datagram.code, path) == (coap.POST, [b"msgin5g"])
    assert datagram.uint(coap.CONTENT_FORMAT) == coap.JSON_FORMAT
    return datagram.type == coap.CON


@pytest.mark.clause("6.4.1.2.2-e2-e3", "7.3.4.3")
def test_a_response_goes_to_the_address_of_the_originating_client(tmp_path):
    async def scenario():
        async with Network(tmp_path) as network:
            stranger, other = await network.ue(), await network.ue(1)
            sent = a_message(7, 1)
            answer = await stranger.post(message.msg(SERVICE, sent), token=b"\x51\x52")
            assert answer.code == coap.CHANGED
            post = await stranger.next_request()
            assert is_msgin5g_post(post) and post.token == b"\x51\x52"
            assert json.loads(post.payload) == {
                "msgIden": SERVICE,
                "msgType": "MSGRESP",
                "msgId": sent.message_id,
                "oriAddr": {"oriAddrType": "UE", "addr": ue_id(7)},
                "DelSta": "failure",
                "Cause": "not registered",
            }
            assert not other.requests

    asyncio.run(scenario())


@pytest.mark.clause("6.4.1.2.6-a")
@pytest.mark.parametrize("report", [True, False])
def test_a_delivered_message_is_confirmable(tmp_path, report):
    async def scenario():
        async with Network(tmp_path) as network:
            sender, recipient = await network.ue(1), await network.ue(2)
            sent = a_message(1, 2, report=report)
            await sender.post(message.msg(SERVICE, sent))
            post = await recipient.next_request()
            assert is_msgin5g_post(post)
            assert json.loads(post.payload).get("isDelivStatReq", False) is report

    asyncio.run(scenario())


@pytest.mark.clause("6.4.1.2.5-p1", "6.4.1.2.9-p1")
def test_an_aggregated_report_is_passed_on_whole(tmp_path):
    async def scenario():
        async with Network(tmp_path) as network:
            sender, recipient = await network.ue(1), await network.ue(2)
            sent = [a_message(1, 2, report=True) for _ in range(3)]
            for one in sent:
                await sender.post(message.msg(SERVICE, one))
                await recipient.next_request()
            report = message.Message()
            report.message_id = str(uuid.uuid4())
            report.origin, report.destination = ("UE", ue_id(2)), ("UE", ue_id(1))
            report.entries = []
            for number, one in enumerate(sent):
                entry = message.Entry()
                entry.message_id = one.message_id
                entry.status = "failure" if number == 1 else "success"
                entry.cause = "full" if number == 1 else None
                report.entries.append(entry)
            payload = message.imdn(SERVICE, report)
            assert (await recipient.post(payload)).code == coap.CHANGED
            post = await sender.next_request()
            assert is_msgin5g_post(post)
            assert json.loads(post.payload) == json.loads(payload)
            assert not recipient.requests and not sender.requests

    asyncio.run(scenario())


@pytest.mark.clause("6.4.1.2.1-p-analyse")
def test_the_recipient_element_tells_the_communication_model(tmp_path):
    office = PostOffice(tmp_path)
    models = [
        (("UE", ue_id(3)), [(3, None)]),
        (("GROUP", GROUP), [(2, ue_id(2)), (3, ue_id(3)), (4, ue_id(4))]),
        (("TOPIC", TOPIC), [(2, ue_id(2))]),
    ]
    for destination, copies in models:
        sent = office.send(1, destination)
        got = sorted((office.take() for _ in range(len(office.posts))), key=lambda one: one[0])
        assert [(number, one.recipient) for number, one in got] == copies
        for _, one in got:
            assert one.destination == destination and one.message_id == sent.message_id
            assert one.payload == sent.payload and one.origin == sent.origin
    office.close()
