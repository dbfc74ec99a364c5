"""Random histories with losses, outages and crashes: the last request of each UE decides.

UEs that behave (one request at a time, repeated until it is answered) ask for this and that in any
order; the server may fail, or get a request whose answer is lost; the gateway may crash at any
point. Once everything works again the server must hold what each UE asked for last, and no request
that was accepted may be without a final result.
"""

import json
import random

import pytest

from msgin5g import coap
from msgin5g import registration as messages
from tests.gateway.bench import Bench, dereg, reg, ue_id

UES = (1, 2, 3)


class Ue:
    def __init__(self, number):
        self.number = number
        self.mid = 0
        self.open = None  # (payload, mid, token, incoming) until it is answered
        self.wanted = None  # "REG" or "DEREG": what was asked for last
        self.waiting = None  # the token of the accepted request without a final result
        self.final = {}


class History:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        bulk = {"interval_s": 3.0, "max_requests": 1, "pending_lifetime_s": 1e6}
        self.bench = Bench(folder, len(UES), bulk)
        self.ues = {f"udp://ue{number}": Ue(number) for number in UES}
        self.registered = set()

    def act(self):
        choice = self.random.random()
        if choice < 0.30:
            self.ask(self.random.choice(list(self.ues.values())))
        elif choice < 0.55:
            self.bench.wait(self.random.choice((1, 100, 1000, 5000, 25_000)))
        elif choice < 0.80:
            self.at_server(self.random.random())
        elif choice < 0.94:
            self.at_ue(self.random.random())
        else:
            self.crash()
        self.read_answers()

    def ask(self, ue):
        if ue.open is None:
            make = self.random.choice((reg, dereg))
            urgent = self.random.random() < 0.3
            wait_s = None if urgent else self.random.choice((None, 0, 1, 5))
            ue.mid += 1
            ue.wanted = "REG" if make is reg else "DEREG"
            ue.waiting = None
            payload = make(ue.number, urgent, wait_s)
            ue.open = [payload, ue.mid, b"%d-%d" % (ue.number, ue.mid), None]
        self.send(ue)

    def send(self, ue):
        payload, mid, token, incoming = ue.open
        if incoming is None:
            ue.open[3] = self.bench.last + 1
            self.bench.receive(payload, ue.number, mid, token)

    def read_answers(self):
        for incoming, code, payload in self.bench.answers:
            for ue in self.ues.values():
                if ue.open is not None and ue.open[3] == incoming:
                    if code >= 0x80:
                        ue.open[3] = None
                    elif "result" not in json.loads(payload):
                        ue.waiting, ue.open = ue.open[2], None
                    else:
                        ue.open = None
        self.bench.answers.clear()

    def at_server(self, luck):
        if not self.bench.north:
            return
        ref, payload = self.bench.north.pop(0)
        if luck < 0.2:
            self.bench.server_fails(ref)
            return
        code, answer = self.process(json.loads(payload))
        if luck < 0.3:
            self.bench.server_fails(ref, "the answer was lost")
        elif luck < 0.35:
            self.bench.server(ref, b"", coap.UNAVAILABLE)
        else:
            self.bench.server(ref, answer, code)

    def process(self, request):
        if "regReqList" in request:
            ues = [one["oriAddr"]["addr"] for one in request["regReqList"]]
            self.registered.update(ues)
            answers = [messages.reg_answer(ue, True, 30) for ue in ues]
            return coap.CREATED, messages.breg_answer(answers)
        if "deregReqList" in request:
            ues = [one["oriAddr"]["addr"] for one in request["deregReqList"]]
            self.registered.difference_update(ues)
            answers = [messages.dereg_answer(ue, True) for ue in ues]
            return coap.CHANGED, messages.bulk_dereg_answer(answers)
        ue = request["oriAddr"]["addr"]
        if request["msgType"] == "REG":
            self.registered.add(ue)
            return coap.CREATED, messages.reg_answer(ue, True, 30)
        self.registered.discard(ue)
        return coap.CHANGED, messages.dereg_answer(ue, True)

    def at_ue(self, luck):
        if not self.bench.posts:
            return
        ref, peer, result, token, _ = self.bench.take_post()
        if luck < 0.2:
            self.bench.ue_fails(ref)
            return
        ue = self.ues[peer]
        assert result["oriAddr"]["addr"] == ue_id(ue.number)
        if token == ue.waiting:
            assert result["result"] is True, result
            ue.waiting = None
        self.bench.ue_answers(ref)

    def crash(self):
        # What was on its way to the server arrives now or never.
        for _, payload in self.bench.north:
            if self.random.random() < 0.5:
                self.process(json.loads(payload))
        self.bench.crash()
        for ue in self.ues.values():
            if ue.open is not None:
                ue.open[3] = None

    def settle_down(self):
        for _ in range(200):
            for ue in self.ues.values():
                if ue.open is not None:
                    self.send(ue)
            self.read_answers()
            while self.bench.north:
                self.at_server(1.0)
            self.read_answers()
            while self.bench.posts:
                self.at_ue(1.0)
            if not self.bench.store.pending and not any(ue.open for ue in self.ues.values()):
                return
            self.bench.wait(1000)
        raise AssertionError("it never settles")


@pytest.mark.parametrize("block", range(20))
def test_the_last_request_of_each_ue_decides(tmp_path, block):
    for seed in range(block * 20, block * 20 + 20):
        history = History(tmp_path / str(seed), seed)
        for _ in range(80):
            history.act()
        history.settle_down()
        for ue in history.ues.values():
            if ue.wanted is not None:
                is_registered = ue_id(ue.number) in history.registered
                assert is_registered is (ue.wanted == "REG"), (seed, ue.number)
            assert ue.waiting is None, (seed, ue.number, "accepted and never answered")
        history.bench.wait(100_000)
        history.settle_down()
        for ue in history.ues.values():
            if ue.wanted == "DEREG":
                assert ue_id(ue.number) not in history.registered, (seed, "refreshed")
        history.bench.close()
