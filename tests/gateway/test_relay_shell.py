"""Messages through the shell on real sockets: both ways, a disk that refuses, strangers."""

import asyncio

import pytest

from msgin5g import app_client, coap, l3
from msgin5g import registration as messages
from msgin5g_gateway import uplink as uplink_module
from tests.gateway.bench import SERVICE, body, gwreg, imdn, make_id, msg, reg, ue_id
from tests.gateway.test_shell import JSON, PATH, Peer, fail_commits, run, until


async def meet(rig):
    """Sign UE 1 up, and let the server learn the gateway's address; returns its port."""
    await rig.ask(gwreg(1), 1)
    rig.ue.post(rig.port, reg(1, True), 2)
    message, peer = await rig.server.receive("REG")
    rig.server.answer(message, peer, coap.CREATED, messages.reg_answer(ue_id(1), True, 3600))
    await rig.ue.receive()
    return peer[1]


def test_up_and_down(tmp_path):
    async def script(rig):
        port = await meet(rig)
        rig.ue.post(rig.port, msg(), 3, token=b"mine")
        message, peer = await rig.server.receive("MSG")
        assert (message.payload, peer[1]) == (msg(), port)
        rig.server.answer(message, peer, coap.CHANGED)
        answer, _ = await rig.ue.receive()
        assert (answer.code, answer.mid, answer.token) == (coap.CHANGED, 3, b"mine")
        payload = msg(2, 1)
        rig.server.post(port, payload, 77, token=b"srv")
        got, peer = await rig.ue.receive("MSG")
        assert (got.type, got.payload, got.uri_path()) == (coap.CON, payload, "msgin5g")
        assert got.uint(coap.CONTENT_FORMAT) == 50 and peer[1] == rig.port
        rig.ue.answer(got, peer, coap.CHANGED)
        answer, _ = await rig.server.receive()
        assert (answer.type, answer.code, answer.mid) == (coap.ACK, coap.CHANGED, 77)
        assert answer.token == b"srv"
        # Sent twice by mistake: the same answer, and the UE hears nothing of it.
        rig.server.post(port, payload, 77, token=b"srv")
        assert (await rig.server.receive())[0].code == coap.CHANGED
        assert rig.ue.got.empty()

    run(tmp_path, script)


def test_a_long_message_goes_up_in_blocks(tmp_path):
    async def script(rig):
        await meet(rig)
        payload = msg(payload="x" * 1500)
        rig.ue.post(rig.port, payload, 3)
        whole = b""
        while len(whole) < len(payload):
            message, peer = await rig.server.receive()
            block = dict(message.options)[coap.BLOCK1]
            whole += message.payload
            code = coap.CONTINUE if block[-1] & 8 else coap.CHANGED
            data = coap.encode(
                coap.ACK, code, message.mid, message.token, [(coap.BLOCK1, block)], b""
            )
            rig.server.transport.sendto(data, peer)
        assert whole == payload
        assert (await rig.ue.receive())[0].code == coap.CHANGED

    run(tmp_path, script)


@pytest.mark.parametrize(
    ("options", "code", "answer"),
    [
        ([(coap.URI_PATH, b"other"), JSON], coap.POST, coap.NOT_FOUND),
        (PATH, coap.GET, coap.METHOD_NOT_ALLOWED),
        ([*PATH, (coap.CONTENT_FORMAT, b"")], coap.POST, coap.UNSUPPORTED_FORMAT),
        ([*PATH, JSON, (coap.ACCEPT, b"\x3c")], coap.POST, coap.NOT_ACCEPTABLE),
        ([*PATH, JSON, (coap.BLOCK1, b"\x0e")], coap.POST, coap.TOO_LARGE),
    ],
)
def test_what_the_server_may_send(tmp_path, options, code, answer):
    async def script(rig):
        port = await meet(rig)
        rig.server.post(port, msg(2, 1), 5, options=options, code=code)
        assert (await rig.server.receive())[0].code == answer

    run(tmp_path, script)


def test_only_the_server_may_send_to_ues(tmp_path):
    async def script(rig):
        port = await meet(rig)
        stranger = await Peer.open()
        stranger.post(port, msg(2, 1), 5)
        answer, _ = await stranger.receive()
        assert answer.code == coap.FORBIDDEN and rig.ue.got.empty()
        stranger.transport.close()

    run(tmp_path, script)


def test_what_does_not_fit_the_link_is_4_13_and_who_is_gone_5_04(tmp_path):
    async def script(rig):
        port = await meet(rig)
        rig.server.post(port, msg(2, 1, payload="x" * 2048), 5)
        assert (await rig.server.receive())[0].code == coap.TOO_LARGE
        rig.store.signups[ue_id(1)].peer = "ble://AA:BB:CC:DD:EE:FF"
        rig.server.post(port, msg(2, 1), 6)
        assert (await rig.server.receive())[0].code == coap.GATEWAY_TIMEOUT

    run(tmp_path, script)


def test_when_the_disk_refuses_both_sides_hear_later(tmp_path):
    async def script(rig):
        port = await meet(rig)
        # One message is on its way to the UE and one to the server when the disk fails.
        rig.server.post(port, msg(2, 1), 5)
        await rig.ue.receive("MSG")
        rig.ue.post(rig.port, msg(number=2), 6)
        await rig.server.receive("MSG")
        fail_commits(rig.store, 1)
        rig.ue.post(rig.port, gwreg(1), 7)
        got = [(await rig.ue.receive())[0] for _ in range(2)]
        assert {one.code for one in got} == {coap.UNAVAILABLE}
        assert {one.mid for one in got} == {6, 7}
        answer, _ = await rig.server.receive()
        assert (answer.code, answer.mid) == (coap.UNAVAILABLE, 5)

    run(tmp_path, script)


def test_a_silent_server_means_the_outbox_and_a_restart_empties_it(tmp_path, monkeypatch):
    monkeypatch.setattr(uplink_module, "RELAY_TIMEOUT_MS", 200)

    async def before(rig):
        await meet(rig)
        rig.ue.post(rig.port, msg(report=True), 3)
        await rig.server.receive("MSG")
        assert (await rig.ue.receive())[0].code == coap.CHANGED
        assert len(rig.store.outbox) == 1

    async def after(rig):
        message, peer = await rig.server.receive("MSG")
        assert body(message.payload)["msgId"] == make_id(1)
        rig.server.answer(message, peer, coap.CHANGED)
        await until(lambda: not rig.store.outbox)

    run(tmp_path, before)
    run(tmp_path, after)


TABLE = [(17, "s3cret", "urn:example:ue:17")]


async def enrol(rig, form):
    """Register device 17, on behalf, in one of the two forms; returns the server's peer."""
    if form == "l3":
        frame = l3.registration_request(17, b"s3cret")
        rig.ue.transport.sendto(frame, ("127.0.0.1", rig.port))
    else:
        rig.ue.post(rig.port, app_client.registration(SERVICE, 17, b"s3cret"), 1)
    message, peer = await rig.server.receive("REG")
    good = messages.reg_answer("urn:example:ue:17", True, 3600)
    rig.server.answer(message, peer, coap.CREATED, good)
    return peer


@pytest.mark.clause("A.3.1.3", "A.3.1.3-a", "A.3.1.4", "A.3.1.4-a", "A.3.1.5")
def test_a_device_in_the_coap_form(tmp_path):
    async def script(rig):
        peer = await enrol(rig, "coap")
        await rig.ue.receive()
        request = app_client.sending_request("UE", ue_id(1), bytes(16), b"hi", None, True)
        rig.ue.post(rig.port, request, 2, token=b"mine")
        message, _ = await rig.server.receive("MSG")
        rig.server.answer(message, peer, coap.CHANGED)
        answer, _ = await rig.ue.receive()
        assert (answer.code, answer.token, answer.mid) == (coap.CONTENT, b"mine", 2)
        assert answer.uint(coap.CONTENT_FORMAT) == 50
        assert app_client.parse_request(answer.payload).success
        for payload in (msg(1, "urn:example:ue:17", report=True), imdn(1, "urn:example:ue:17")):
            rig.server.post(peer[1], payload, 7 + len(payload))
            got, at = await rig.ue.receive(coap.POST)
            assert got.type == coap.CON and got.uint(coap.CONTENT_FORMAT) == 50
            kind = app_client.parse_request(got.payload).msg_type
            assert kind in (l3.MESSAGE_RECEIVED_REQUEST, l3.DELIVERY_REPORT_RECEIVED_REQUEST)
            if kind == l3.MESSAGE_RECEIVED_REQUEST:
                rig.ue.answer(got, at, coap.CONTENT, app_client.received_response(True))
            else:
                rig.ue.answer(got, at, coap.CHANGED)
            assert (await rig.server.receive())[0].code == coap.CHANGED

    run(tmp_path, script, devices=TABLE)


class Frames(asyncio.DatagramProtocol):
    """A device that speaks L3 over UDP."""

    def __init__(self):
        self.got = asyncio.Queue()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, peer):
        self.got.put_nowait(l3.decode(data))


def test_a_device_in_the_l3_form(tmp_path):
    async def script(rig):
        loop = asyncio.get_running_loop()
        address = "127.0.0.1", rig.port
        transport, device = await loop.create_datagram_endpoint(Frames, remote_addr=address)
        transport.sendto(l3.registration_request(17, b"s3cret"))
        message, peer = await rig.server.receive("REG")
        good = messages.reg_answer("urn:example:ue:17", True, 3600)
        rig.server.answer(message, peer, coap.CREATED, good)
        assert (await device.got.get()).type == l3.REGISTRATION_ACCEPT
        target = ("fqdn", ue_id(1))
        transport.sendto(l3.message_sending_request("UE", target, bytes(16), b"hi"))
        message, _ = await rig.server.receive("MSG")
        rig.server.answer(message, peer, coap.CHANGED)
        response = await device.got.get()
        assert (response.type, response.success) == (l3.MESSAGE_SENDING_RESPONSE, True)
        rig.server.post(peer[1], msg(1, "urn:example:ue:17", report=True), 7)
        request = await device.got.get()
        assert (request.type, request.payload) == (l3.MESSAGE_RECEIVED_REQUEST, b"hello")
        transport.sendto(l3.message_received_response(True))
        assert (await rig.server.receive())[0].code == coap.CHANGED
        report = l3.delivery_report_sending_request(True, bytes(16), request.message_id)
        transport.sendto(report)
        message, _ = await rig.server.receive("IMDN")
        assert body(message.payload)["destAddr"]["addr"] == ue_id(1)
        transport.close()

    run(tmp_path, script, devices=TABLE)
