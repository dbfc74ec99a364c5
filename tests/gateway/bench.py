"""A GatewayCore without network: requests go in by hand, effects come out, time is passed."""

import io
import json
import random
import uuid

from msgin5g import coap, l3
from msgin5g import message as builders
from msgin5g import registration as messages
from msgin5g_gateway.core import GatewayCore
from msgin5g_gateway.effects import ANSWER, FRAME, NORTH, NORTH_ANSWER, POST
from msgin5g_gateway.store import Store
from msgin5g_host.log import EventLog
from tests.world import SERVICE, gateway_settings, ue_id

__all__ = [
    "SERVICE",
    "Bench",
    "body",
    "dereg",
    "gwreg",
    "imdn",
    "make_id",
    "msg",
    "reg",
    "ue_id",
]


def body(payload):
    return json.loads(payload)


def gwreg(number, **more):
    return messages.gwreg(ue_id(number), SERVICE, **more)


def reg(number, urgent=False, wait_s=None, **more):
    return messages.reg(ue_id(number), SERVICE, urgent, wait_s, **more)


def dereg(number, urgent=False, wait_s=None):
    return messages.dereg(ue_id(number), SERVICE, urgent, wait_s)


def make_id(number):
    """A Message ID."""
    return str(uuid.UUID(int=number))


def _address(one):
    """A number is a UE's, a text any Service ID, a pair what it says."""
    if isinstance(one, tuple):
        return one
    return "UE", ue_id(one) if isinstance(one, int) else one


def msg(origin=1, to=2, number=1, payload="hello", segment=None, **more):
    """MSG; segment: (set identifier, number, total)."""
    message = builders.Message()
    message.origin, message.destination = _address(origin), _address(to)
    message.message_id = make_id(number)
    message.payload = payload
    if segment:
        message.segment = builders.Segment(*segment, segment[1] == segment[2])
    for key, value in more.items():
        setattr(message, key, value)
    return builders.msg(SERVICE, message)


def imdn(origin=2, to=1, number=1, status="success", **more):
    message = builders.Message()
    message.origin, message.destination = _address(origin), _address(to)
    message.message_id, message.status = make_id(number), status
    for key, value in more.items():
        setattr(message, key, value)
    return builders.imdn(SERVICE, message)


def _frame_limit(peer):
    return 1280 if peer.startswith("ble") else 65_507


class Bench:
    """`count` UEs, signed up (unless sign_up is False) at a gateway that is not registered.

    After each step `answers` holds what UEs were answered, `north` what went to the server,
    `told` what the server was answered, `posts` what was posted to UEs and `frames` what L3
    messages went to devices, oldest first, until the test takes it away; `others`: other effects.
    """

    def __init__(
        self, folder, count=3, bulk=None, sign_up=True, outbox=None, addresses=None, **settings
    ):
        ues = [ue_id(number) for number in range(1, count + 1)]
        settings = {"register": False, **settings}
        self.settings = gateway_settings(str(folder), ues, bulk, **settings)
        self.settings.values.update(
            {f"outbox.{key}": value for key, value in (outbox or {}).items()}
        )
        self.settings.rows["address"] = [
            {"address": address, "service_id": one} for address, one in (addresses or {}).items()
        ]
        self.now = 1_000_000
        self._clear()
        self._number = 0
        self.open()
        if sign_up:
            for number in range(1, count + 1):
                self.receive(gwreg(number), number)
            self.answers.clear()

    def open(self):
        self.log = io.StringIO()
        self.store = Store(self.settings["gateway.data"])
        # A crash here is one of the process, not of the machine: no need to wait for the disk.
        self.store._db.execute("PRAGMA synchronous=OFF")
        log = EventLog("gateway", json=True, stream=self.log, messages=True)
        rng = random.Random(1).randrange
        self.core = GatewayCore(self.settings, self.store, log, rng, self.now, _frame_limit)
        self.settle()

    def crash(self):
        """kill -9: what is not on disk is gone, what is under way as well."""
        self.store.close()
        self._clear()
        self.open()

    def _clear(self):
        self.answers, self.north, self.posts, self.frames, self.told = [], [], [], [], []
        self.others = []

    def close(self):
        self.store.close()

    def settle(self):
        self.core.poll(self.now)
        self.core.commit()
        for effect in self.core.take():
            if effect[0] == ANSWER:
                self.answers.append(effect[1:])
            elif effect[0] == NORTH:
                self.north.append(effect[1:3])
            elif effect[0] == FRAME:
                self.frames.append(effect[1:])
            elif effect[0] == NORTH_ANSWER:
                self.told.append(effect[1:])
            elif effect[0] == POST:
                self.posts.append(effect[1:])
            else:
                self.others.append(effect)

    def receive(self, payload, number=1, mid=7, token=b"tk", peer=None):
        """A POST of a UE; returns what the UE is answered at once, (code, payload) or None."""
        self._number += 1
        peer = peer or f"udp://ue{number}"
        self.core.receive(self._number, payload, peer, mid, token, self.now)
        self.settle()
        return self.answer_to(self._number)

    def receive_l3(self, frame, peer="serial:///dev/ttyS1"):
        """An L3 frame of a device; returns the frame that answers it at once, or None."""
        self.frames.clear()
        self.core.receive_l3(frame, peer, self.now)
        self.settle()
        assert all(to == peer for to, _ in self.frames)
        return self.frames[-1][1] if self.frames else None

    def take_frame(self):
        """The oldest L3 message to a device: (peer, L3Message)."""
        peer, frame = self.frames.pop(0)
        return peer, l3.decode(frame)

    def receive_north(self, payload):
        """A POST of the server; returns what it is answered at once, (code, payload) or None."""
        self._number += 1
        self.core.receive_north(self._number, payload, self.now)
        self.settle()
        return self.told_to(self._number)

    def told_to(self, incoming):
        """What a request of the server was answered; incoming: its number, counted from 1."""
        return next(((code, data) for one, code, data in self.told if one == incoming), None)

    def answer_to(self, incoming):
        """What a request was answered; incoming: its number, counted from 1."""
        return next(((code, data) for one, code, data in self.answers if one == incoming), None)

    @property
    def last(self):
        return self._number

    def wait(self, milliseconds):
        """Let time pass, polling when the core wants it."""
        end = self.now + milliseconds
        for _ in range(100_000):
            due = self.core.next_deadline()
            if due > end:
                break
            self.now = max(due, self.now + 1)
            self.settle()
        else:
            raise AssertionError("the gateway never comes to rest")
        self.now = max(self.now, end)
        self.settle()

    def take_north(self):
        """The oldest request to the server: (ref, JSON)."""
        ref, payload = self.north.pop(0)
        return ref, body(payload)

    def server_takes(self, code=coap.CHANGED, payload=b""):
        """Answer the oldest request to the server; returns its JSON."""
        ref, request = self.take_north()
        self.server(ref, payload, code)
        return request

    def server(self, ref, payload, code=coap.CREATED):
        self.core.north_answer(ref, code, payload, self.now)
        self.settle()

    def server_fails(self, ref, reason="timeout"):
        self.core.north_failed(ref, reason, self.now)
        self.settle()

    def serve(self, refuse=(), lifetime_s=3600, cause="no"):
        """Answer the oldest request to the server; returns the UEs in it."""
        ref, request = self.take_north()
        entries = request.get("regReqList", request.get("deregReqList", [request]))
        ues = [entry["oriAddr"]["addr"] for entry in entries]
        if "regReqList" in request or request["msgType"] == "REG":
            made = [
                messages.reg_answer(ue, False, cause=cause)
                if ue in refuse
                else messages.reg_answer(ue, True, lifetime_s)
                for ue in ues
            ]
        else:
            made = [
                messages.dereg_answer(ue, ue not in refuse, cause if ue in refuse else None)
                for ue in ues
            ]
        if "regReqList" in request:
            self.server(ref, messages.breg_answer(made))
        elif "deregReqList" in request:
            self.server(ref, messages.bulk_dereg_answer(made))
        else:
            self.server(ref, made[0])
        return ues

    def take_post(self):
        """The oldest POST to a UE: (ref, peer, JSON, token, mid)."""
        ref, peer, payload, token, mid = self.posts.pop(0)
        return ref, peer, body(payload), token, mid

    def ue_answers(self, ref, code=coap.CHANGED, payload=b""):
        self.core.south_answer(ref, code, self.now, payload)
        self.settle()

    def ue_fails(self, ref, reason="timeout"):
        self.core.south_failed(ref, reason, self.now)
        self.settle()

    def acknowledge_all(self):
        """Every UE takes what was posted to it; returns the JSON of all of it."""
        told = []
        while self.posts:
            ref, _, result, _, _ = self.take_post()
            told.append(result)
            self.ue_answers(ref)
        return told

    def register(self, number=1, lifetime_s=3600, token=b"tk"):
        """Bring a UE to registered, through a bulk request of its own."""
        self.receive(reg(number, wait_s=0), number, token=token)
        self.serve(lifetime_s=lifetime_s)
        self.acknowledge_all()
        self.answers.clear()

    def events(self, name):
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]
