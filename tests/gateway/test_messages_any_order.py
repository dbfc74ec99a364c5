"""Random histories of messages with losses, outages and crashes: what was acknowledged arrives.

UEs that behave (one message at a time, repeated until it is answered) write to the server, which
may fail, or take a message and lose the answer; the server writes to UEs and to a device, each
message again until it is taken or refused; the gateway may be killed at any point.
"""

import json
import random

import pytest

from msgin5g import coap, l3
from msgin5g.message import parse_ranges
from tests.gateway.bench import Bench, make_id, msg, ue_id

UES = (1, 2, 3)
DEVICE, DEVICE_UE, CABLE = 17, "urn:example:ue:17", "serial:///dev/ttyS1"
FAR = "urn:example:ue:99"


def segment(number, at):
    return msg(FAR, DEVICE_UE, number, f"{at}", (f"set-{number}", at, 3))


class SlowLink(Bench):
    """A Bench that knows when a frame left; the link brings it within 30 s or never."""

    def _clear(self):
        super()._clear()
        self.times = []

    def settle(self):
        before = len(self.frames)
        super().settle()
        self.times += [self.now] * (len(self.frames) - before)

    def read_frame(self):
        """What the device reads next, or None."""
        while self.frames:
            _, frame = self.frames.pop(0)
            if self.now - self.times.pop(0) < 30_000:
                return l3.decode(frame)
        return None


class History:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        outbox = {"per_second": 50.0, "max_messages": 20}
        table = [(DEVICE, "s3cret", DEVICE_UE)]
        self.bench = SlowLink(folder, len(UES), outbox=outbox, devices=table)
        self.bench.receive_l3(l3.registration_request(DEVICE, b"s3cret"), CABLE)
        self.bench.serve()
        self.bench.frames, self.bench.times = [], []
        self.bench.answers.clear()
        self.number = 0
        self.open = dict.fromkeys(UES)  # UE: [payload, Message ID, incoming or None]
        self.acknowledged = {ue: [] for ue in UES}
        self.refused = 0
        self.arrived = {ue_id(ue): [] for ue in UES}
        self.down = {}  # recipient: [payload, Message ID, incoming or None]
        self.done = {}
        self.taken = {}
        self.given_up = set()
        self.again = {}  # what the gateway asked for once more, by number

    def act(self):
        choice = self.random.random()
        if choice < 0.30:
            self.ask(self.random.choice(UES))
        elif choice < 0.45:
            self.bench.wait(self.random.choice((1, 100, 1000, 5000, 21_000)))
        elif choice < 0.62:
            self.at_server(self.random.random())
        elif choice < 0.76:
            self.from_server(self.random.choice((ue_id(1), ue_id(2), DEVICE_UE)))
        elif choice < 0.94:
            self.at_ue(self.random.random())
        else:
            self.crash()
        self.read_answers()

    def next_id(self):
        self.number += 1
        return self.number

    def ask(self, ue):
        if self.open[ue] is None:
            number = self.next_id()
            self.open[ue] = [msg(ue, FAR, number), make_id(number), None]
        job = self.open[ue]
        if job[2] is None:
            job[2] = self.bench.last + 1
            self.bench.receive(job[0], ue, mid=self.bench.last & 0xFFFF)

    def from_server(self, to):
        """Start or repeat a message to a UE or device; of a device every third is in segments."""
        job = self.down.get(to)
        if job is None and to == DEVICE_UE and self.again:
            job = self.down[to] = self.again.pop(next(iter(self.again)))
        if job is None:
            number = self.next_id()
            payloads = [msg(FAR, to, number)]
            if to == DEVICE_UE and number % 3 == 0:
                payloads = [segment(number, at) for at in (1, 2, 3)]
            job = self.down[to] = [payloads, make_id(number), None]
        if job[2] is None:
            job[2] = self.bench.last + 1
            self.bench.receive_north(job[0][0])

    def read_answers(self):
        for incoming, code, _ in self.bench.answers:
            for ue, job in self.open.items():
                if job is not None and job[2] == incoming:
                    job[2] = None
                    if code < coap.BAD_REQUEST:
                        self.acknowledged[ue].append(job[1])
                        self.open[ue] = None
                    else:
                        assert code == coap.UNAVAILABLE
                        self.refused += 1
        self.bench.answers.clear()
        for incoming, code, _ in self.bench.told:
            for to, job in list(self.down.items()):
                if job[2] == incoming:
                    job[2] = None
                    if code < coap.BAD_REQUEST:
                        job[0].pop(0)
                        if not job[0]:
                            self.done.setdefault(to, []).append(job[1])
                            del self.down[to]
                    else:
                        assert code >= coap.INTERNAL_ERROR, code
        self.bench.told.clear()

    def process(self, payload):
        request = json.loads(payload)
        if request["msgType"] == "MSG":
            self.arrived[request["oriAddr"]["addr"]].append(request["msgId"])
        elif request["msgType"] == "SEGCONFIR" and not request["result"]:
            number = int(request["segId"].partition("-")[2])
            self.given_up.add(make_id(number))
            self.again.pop(number, None)
            job = self.down.get(DEVICE_UE)
            if job is not None and job[1] == make_id(number):
                del self.down[DEVICE_UE]
        elif request["msgType"] == "SEGREC":
            number = int(request["segId"].partition("-")[2])
            wanted = [
                segment(number, at)
                for first, last in parse_ranges(request["segNoList"])
                for at in range(first, last + 1)
            ]
            job = self.down.get(DEVICE_UE)
            if job is None or job[1] != make_id(number):
                self.again[number] = [wanted, make_id(number), None]

    def at_server(self, luck):
        if not self.bench.north:
            return
        ref, payload = self.bench.north.pop(0)
        if luck < 0.25:
            self.bench.server_fails(ref)
            return
        self.process(payload)
        if luck < 0.35:
            self.bench.server_fails(ref, "the answer was lost")
        else:
            self.bench.server(ref, b"", coap.CHANGED)

    def at_ue(self, luck):
        if self.bench.posts:
            ref, _, request, _, _ = self.bench.take_post()
            if luck < 0.3:
                self.bench.ue_fails(ref)
                return
            ue = request["destAddr"]["addr"]
            self.taken.setdefault(ue, []).append(request["msgId"])
            if luck < 0.4:
                self.bench.ue_fails(ref, "the answer was lost")
            else:
                self.bench.ue_answers(ref)
        elif self.bench.frames:
            found = self.bench.read_frame()
            if found is None:
                return
            if found.type == l3.MESSAGE_RECEIVED_REQUEST and luck > 0.3:
                number = int.from_bytes(found.message_id, "big")
                assert found.payload == (b"123" if number % 3 == 0 else b"hello")
                self.taken.setdefault(DEVICE_UE, []).append(make_id(number))
                if luck > 0.4:
                    frame = l3.message_received_response(True)
                    self.bench.core.receive_l3(frame, CABLE, self.bench.now)
                    self.bench.settle()

    def crash(self):
        # What was on its way to the server arrives now or never.
        for _, payload in self.bench.north:
            if self.random.random() < 0.5:
                self.process(payload)
        self.bench.crash()
        for job in [*self.open.values(), *self.down.values()]:
            if job is not None:
                job[2] = None

    def settle_down(self):
        for _ in range(600):
            for ue, job in self.open.items():
                if job is not None:
                    self.ask(ue)
            for to in list(self.down) + [DEVICE_UE] * bool(self.again):
                self.from_server(to)
            while self.bench.north:
                self.at_server(1.0)
            while self.bench.posts or self.bench.frames:
                self.at_ue(1.0)
            self.read_answers()
            store = self.bench.store
            busy = any(self.open.values()) or self.down or store.outbox or store.parts
            if not busy and not self.bench.north:
                return
            self.bench.wait(1000)
        raise AssertionError("it never settles")


@pytest.mark.parametrize("block", range(10))
def test_what_was_acknowledged_arrives_in_order(tmp_path, block):
    for seed in range(block * 10, block * 10 + 10):
        history = History(tmp_path / str(seed), seed)
        for _ in range(120):
            history.act()
        history.settle_down()
        for ue, ids in history.acknowledged.items():
            first = list(dict.fromkeys(history.arrived[ue_id(ue)]))
            assert [one for one in first if one in ids] == ids, (seed, ue)
        for to, ids in history.done.items():
            ids = [one for one in ids if one not in history.given_up]
            assert set(ids) <= set(history.taken[to]), (seed, to)
            # A set that was asked for once more is done when its last segment has come again.
            ids = [one for one in ids if to != DEVICE_UE or int(one[-4:], 16) % 3]
            first = list(dict.fromkeys(history.taken[to]))
            assert [one for one in first if one in ids] == ids, (seed, to)
        store = history.bench.store
        assert not store.outbox and not store.parts
        history.bench.close()
