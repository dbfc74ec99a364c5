"""A `UeCore` against a hand-made gateway; time and every datagram are in the test's hands."""

import json
import random

from msgin5g import coap, registration
from msgin5g.receiving import Params, Receiver
from ue.config import merge
from ue.core import PEER, UeCore

UE = "urn:example:ue:1"
SERVICE = "urn:msgin5g:service"
JSON = [(coap.CONTENT_FORMAT, b"\x32")]


def interim(expected_s=3):
    return coap.CHANGED, registration.interim(UE, expected_s)


class Bench:
    """script: msgType -> (code, payload), a function of the request that returns that, or None
    for silence. lose(direction, data): True loses a datagram, direction "up" or "down"."""

    Core = UeCore

    def __init__(self, saved=None, seed=0, **settings):
        rng = random.Random(seed).randrange
        self.config = merge({"ue_service_id": UE, **settings})
        params = Params(
            self.config["ack_timeout_ms"], max_retransmit=self.config["max_retransmit"]
        )
        self.endpoint = Receiver(rng, params, reuse=True)
        self.core = self.Core(self.config, self.endpoint, saved or {}, rng)
        self.now = 0
        self.got = []
        self.answers = []
        self.states = []
        self.saves = []
        self.events = []
        self.lose = lambda direction, data: False
        self.copies = 1
        self.script = {
            "GWREG": (coap.CREATED, registration.gwreg_answer(UE, True, 3600)),
            "REG": interim(),
            "DEREG": interim(),
        }
        self._mid = 60_000
        self._seen = set()

    @property
    def state(self):
        return self.core.state

    @property
    def saved(self):
        return self.saves[-1] if self.saves else {}

    @property
    def info(self):
        return self.states[-1][1]

    def names(self):
        """The states passed through, in order."""
        return [name for name, _ in self.states]

    def requests(self, kind=None):
        """What reached the gateway, retransmissions not counted."""
        return [one for one in self.got if kind in (None, kind_of(one))]

    def register(self):
        self.core.register(self.now)
        self.flush()

    def deregister(self):
        self.core.deregister(self.now)
        self.flush()

    def run(self, milliseconds):
        """Let time pass, stopping at each of the UE's deadlines; a spinning UE fails."""
        end = self.now + milliseconds
        for _ in range(5000):
            self.flush()
            due = self.core.next_deadline()
            if due is None or due > end:
                self.now = end
                return self
            assert due > self.now, "due, but nothing to do"
            self.now = due
        raise AssertionError("the UE never comes to rest")

    def flush(self):
        """Carry datagrams to and fro until nothing is left to carry, and nothing is due."""
        idle = 0
        while True:
            out = [bytes(data) for data, peer in self.core.poll(self.now) if peer == PEER]
            self._take_events()
            due = self.core.next_deadline()
            idle = 0 if out else idle + 1
            if not out and (due is None or due > self.now or idle > 3):
                return self
            for data in out:
                if not self.lose("up", data):
                    self._gateway(data)

    def post(self, payload, token=b"", mid=None, kind=coap.CON, code=coap.POST):
        """Send the UE a request; returns its answer or None."""
        if mid is None:
            self._mid += 1
            mid = self._mid
        self.answers.clear()
        self.core.receive(coap.encode(kind, code, mid, token, JSON, payload), self.now)
        self.flush()
        return self.answers[0] if self.answers else None

    def regresp(self, request, result=True, cause=None, **more):
        return self.post(registration.regresp(UE, SERVICE, result, cause), request.token, **more)

    def deregresp(self, request, result=True, cause=None, **more):
        return self.post(registration.deregresp(UE, SERVICE, result, cause), request.token, **more)

    def to_waiting(self):
        self.register()
        assert self.state == "waiting"
        return self.requests("REG")[-1]

    def to_registered(self):
        request = self.to_waiting()
        self.regresp(request)
        assert self.state == "registered"
        return request

    def _gateway(self, data):
        message = coap.decode(data)
        if not 0 < message.code < 32:
            self.answers.append(message)
            return
        if (message.mid, message.token) not in self._seen:
            self._seen.add((message.mid, message.token))
            self.got.append(message)
        answer = self.script.get(kind_of(message))
        if callable(answer):
            answer = answer(message)
        if answer is None:
            return
        code, payload = answer
        options = JSON if code < 0x80 else []
        datagram = coap.encode(coap.ACK, code, message.mid, message.token, options, payload)
        if not self.lose("down", datagram):
            for _ in range(self.copies):
                self.core.receive(datagram, self.now)

    def _take_events(self):
        while event := self.core.next_event():
            self.events.append(event)
            if event[0] == "state":
                self.states.append(event[1:])
            elif event[0] == "save":
                self.saves.append(event[1])


def kind_of(message):
    if message.code == coap.GET:
        return "GET"
    return json.loads(message.payload)["msgType"]
