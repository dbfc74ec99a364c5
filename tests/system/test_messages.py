"""Messages between UEs and devices through a real gateway and a real server, both killed at will.

The UEs are scripted: each is a socket that repeats what is not answered, answers what it gets, and
keeps it.
"""

import json
import socket
import time

import pytest

from msgin5g import coap, l3
from tests.gateway.bench import body, gwreg, imdn, make_id, msg, reg, ue_id
from tests.processes import DEADLINE_S, Stack

PATH = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]
DEVICE = "urn:example:ue:17"


class Ue:
    """A UE on a UDP socket of its own."""

    def __init__(self, link):
        host, _, port = link.removeprefix("udp://").rpartition(":")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._gateway = host, int(port)
        self._mid = 0
        self._seen = {}
        self._answers = {}
        self.got = []
        self.frames = []

    def close(self):
        self._socket.close()

    def read(self):
        """Take one datagram: an answer, a frame, or a POST, which is answered 2.04."""
        try:
            data, peer = self._socket.recvfrom(65535)
        except (TimeoutError, ConnectionRefusedError):
            return
        if l3.is_l3(data[0]):
            self.frames.append(l3.decode(data))
            return
        message = coap.decode(data)
        if message.code == coap.POST:
            if message.mid not in self._seen:
                self._seen[message.mid] = None
                self.got.append(body(message.payload))
            answer = coap.encode(coap.ACK, coap.CHANGED, message.mid, message.token, [], b"")
            self._socket.sendto(answer, peer)
        elif message.code:
            if message.type == coap.CON:
                self._socket.sendto(coap.encode(coap.ACK, 0, message.mid), peer)
            self._answers[bytes(message.token)] = message

    def ask(self, payload, deadline_s=60.0):
        """POST until it is answered; returns the code."""
        self._mid += 1
        token = b"%d" % self._mid
        data = coap.encode(coap.CON, coap.POST, self._mid, token, PATH, payload)
        end = time.monotonic() + deadline_s
        again = 0.0
        while token not in self._answers:
            assert time.monotonic() < end, "no answer"
            if time.monotonic() > again:
                self.send(data)
                again = time.monotonic() + 2.0
            self.read()
        return self._answers.pop(token).code

    def send(self, data):
        self._socket.sendto(data, self._gateway)

    def join(self, number):
        assert self.ask(gwreg(number)) < coap.BAD_REQUEST
        assert self.ask(reg(number, True)) < coap.BAD_REQUEST

    def wait_for(self, kind, number, deadline_s=60.0):
        """Return the message or report with this id; what came before it stays."""
        end = time.monotonic() + deadline_s
        while True:
            for one in self.got:
                if one["msgType"] == kind and one["msgId"] == make_id(number):
                    return one
            assert time.monotonic() < end, f"no {kind} {number}: {self.got}"
            self.read()

    def wait_for_frame(self, kind):
        end = time.monotonic() + DEADLINE_S
        while True:
            for one in self.frames:
                if one.type == kind:
                    self.frames.remove(one)
                    return one
            assert time.monotonic() < end, f"no {l3.NAMES[kind]}"
            self.read()


@pytest.fixture
def stack(tmp_path):
    made = Stack(tmp_path, [ue_id(1), ue_id(2), DEVICE], bulk=["interval_s = 0.5"])
    with (tmp_path / "gateway.toml").open("a") as file:
        for number, ue in ((17, DEVICE), (18, None)):
            file.write(f'[[device]]\napplication_id = {number}\ncredential = "s3cret"\n')
            file.write(f"ue_service_id = {json.dumps(ue)}\n" if ue else "")
    made.start_server()
    made.start_gateway()
    made.gateway.wait_for("own-registered")
    made.peers = []
    yield made
    for one in made.peers:
        one.close()
    made.stop()


def join(stack, *numbers):
    ues = [Ue(stack.link) for _ in numbers]
    stack.peers += ues
    for ue, number in zip(ues, numbers, strict=True):
        ue.join(number)
    return ues


def test_a_message_its_report_and_a_long_one(stack):
    first, second = join(stack, 1, 2)
    assert first.ask(msg(1, 2, 1, report=True)) == coap.CHANGED
    assert second.wait_for("MSG", 1)["payload"] == "hello"
    assert second.ask(imdn(2, 1, 1)) == coap.CHANGED
    assert first.wait_for("IMDN", 1)["DelSta"] == "success"
    for at in (1, 2):
        assert first.ask(msg(1, 2, 2, "part", ("set-2", at, 2))) == coap.CHANGED
    second.wait_for("MSG", 2)
    while len([one for one in second.got if one["msgId"] == make_id(2)]) < 2:
        second.read()
    assert first.ask(msg(1, "urn:example:ue:unknown", 3)) == coap.CHANGED
    assert first.wait_for("MSGRESP", 3)["Cause"] == "unknown recipient"


@pytest.mark.clause("6.1-b", "6.1-annexA")
def test_a_device_writes_to_a_ue_and_the_ue_to_the_device(stack):
    (ue,) = join(stack, 1)
    device = Ue(stack.link)
    stack.peers.append(device)
    device.send(l3.registration_request(17, b"s3cret"))
    device.wait_for_frame(l3.REGISTRATION_ACCEPT)
    device.send(
        l3.message_sending_request(
            "UE", ("fqdn", ue_id(1)), bytes(15) + b"\x07", b"hi", report=True
        )
    )
    assert device.wait_for_frame(l3.MESSAGE_SENDING_RESPONSE).success
    assert ue.wait_for("MSG", 7)["payload"] == "hi"
    assert ue.ask(imdn(1, DEVICE, 7)) == coap.CHANGED
    assert device.wait_for_frame(l3.DELIVERY_REPORT_RECEIVED_REQUEST).success
    assert ue.ask(msg(1, DEVICE, 8, "to you", report=True)) == coap.CHANGED
    request = device.wait_for_frame(l3.MESSAGE_RECEIVED_REQUEST)
    assert (request.payload, request.originator) == (b"to you", ue_id(1))
    device.send(l3.message_received_response(True))
    device.send(l3.delivery_report_sending_request(True, bytes(16), request.message_id))
    assert ue.wait_for("IMDN", 8)["oriAddr"]["addr"] == DEVICE


def test_long_messages_of_and_for_a_device(stack):
    device = Ue(stack.link)
    stack.peers.append(device)
    device.send(l3.registration_request(17, b"s3cret"))
    device.wait_for_frame(l3.REGISTRATION_ACCEPT)
    text = "0123456789" * 500
    frame = l3.message_sending_request("UE", ("fqdn", DEVICE), bytes(16), text.encode())
    device.send(frame)
    request = device.wait_for_frame(l3.MESSAGE_RECEIVED_REQUEST)
    assert request.payload.decode() == text
    device.send(l3.message_received_response(True))
    assert device.wait_for_frame(l3.MESSAGE_SENDING_RESPONSE).success


def test_what_was_acknowledged_arrives_whoever_is_killed(stack):
    first, second = join(stack, 1, 2)
    stack.server.kill()
    assert first.ask(msg(1, 2, 1)) == coap.CHANGED, "kept by the gateway"
    assert first.ask(msg(1, 2, 2)) == coap.CHANGED
    stack.gateway.kill()
    stack.start_gateway()
    assert first.ask(msg(1, 2, 3)) == coap.CHANGED
    stack.start_server()
    for number in (1, 2, 3):
        second.wait_for("MSG", number, 120.0)
    order = [one["msgId"] for one in second.got if one["msgType"] == "MSG"]
    assert list(dict.fromkeys(order)) == [make_id(one) for one in (1, 2, 3)]
