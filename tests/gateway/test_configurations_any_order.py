"""Random histories of configuration GETs with outages and crashes: every interim answer is kept.

UEs ask, ask anew from elsewhere, take what they are told, are deaf, or answer Reset; the server
answers, refuses, leaves some out, or is silent; the gateway may crash at any point. Whoever got an
interim answer and did not ask anew is told something on its Token; once all works again everybody
who asks gets its configuration.
"""

import json
import random

import pytest

from msgin5g import coap
from msgin5g_gateway.bulk_get import GRACE_MS
from tests.gateway.bench import body, ue_id
from tests.gateway.office import Office

UES = (1, 2, 3, 4)
WAIT_S = 2


class History:
    def __init__(self, folder, seed):
        self.random = random.Random(seed)
        bulk = {"interval_s": 3.0, "max_requests": 2, "max_pending": 3, "default_wait_s": WAIT_S}
        self.office = Office(folder, len(UES), bulk)
        self.asked = 0
        self.promised = {}  # UE: (Token, when it was promised) until it is told
        self.told = {}  # UE: what it was told last

    @property
    def bulk(self):
        return self.office.core.configuring.bulk

    def act(self):
        choice = self.random.random()
        if choice < 0.35:
            self.ask(self.random.choice(UES))
        elif choice < 0.60:
            self.office.wait(self.random.choice((1, 100, 1_000, 5_000, 20_000)))
        elif choice < 0.75:
            self.at_server(self.random.random())
        elif choice < 0.94:
            self.at_ue(self.random.random())
        else:
            self.crash()
        self.check()

    def ask(self, number):
        self.asked += 1
        token = b"%d" % self.asked
        peer = f"udp://ue{number}:{self.random.choice((1, 2))}"
        code, payload = self.office.ask(number, self.asked, token, peer)
        if code == coap.UNAVAILABLE:
            return
        self.promised.pop(number, None)
        if b"maxConfTime" in payload:
            self.promised[number] = token, self.office.now
        else:
            assert body(payload)["ueServiceId"] == ue_id(number)
            self.told[number] = code

    def at_server(self, luck):
        if not self.office.fetches:
            return
        if luck < 0.2:
            self.office.server_fails(self.office.take_fetch()[0])
        elif luck < 0.3:
            self.office.fetches.pop(0)
        elif luck < 0.4:
            self.office.serve_all(code=self.random.choice((coap.FORBIDDEN, coap.UNAVAILABLE)))
        elif luck < 0.5:
            self.office.serve_all(payload=b"nonsense")
        else:
            self.office.serve_all(self.random.choice(UES) if luck < 0.6 else None)

    def at_ue(self, luck):
        if not self.office.late:
            return
        ref, peer, token, _, code, payload = self.office.take_late()
        number = int(peer.removeprefix("udp://ue").partition(":")[0])
        if luck < 0.3:
            reason = self.random.choice(("timeout", "reset", "no room"))
            self.office.core.south_failed(ref, reason, self.office.now)
            if self.promised.get(number, (b"",))[0] == token and not self.is_kept(token):
                # A refusal that it does not take is not kept.
                assert code != coap.CONTENT
                del self.promised[number]
        else:
            if code == coap.CONTENT:
                assert json.loads(payload)["ueServiceId"] == ue_id(number)
            if self.promised.get(number, (b"",))[0] == token:
                del self.promised[number]
            self.told[number] = code
            self.office.core.south_answer(ref, coap.CONTENT, self.office.now)
        self.office.settle()

    def is_kept(self, token):
        return any(one.token == token for one in self.office.store.configurations.values())

    def crash(self):
        self.office.crash()
        for number, (token, _) in self.promised.items():
            self.promised[number] = token, self.office.now

    def check(self):
        rows = self.office.store.configurations
        assert len(rows) <= 3
        waiting = [row for row in rows.values() if not row.code and not row.in_flight]
        assert self.bulk._schedule.count == len(waiting)
        # A promise is kept: in the cache, or told, within its time and the grace.
        for number, (token, at) in self.promised.items():
            row = next((one for one in rows.values() if one.token == token), None)
            on_its_way = any(one[2] == token for one in self.office.late)
            assert row is not None or on_its_way, number
            if row is not None and not row.code:
                assert row.give_up_ms <= at + 40_000 + GRACE_MS

    def settle_down(self):
        """Server and UEs work again."""
        for _ in range(200):
            while self.office.fetches:
                self.office.serve_all()
            while self.office.late:
                self.at_ue(1.0)
            self.office.wait(1_000)
        for number in UES:
            self.told.pop(number, None)
            for _ in range(5):
                if self.told.get(number) == coap.CONTENT:
                    break
                self.ask(number)
                self.office.wait(5_000)
                while self.office.fetches:
                    self.office.serve_all()
                while self.office.late:
                    self.at_ue(1.0)
            assert self.told[number] == coap.CONTENT, number
        self.office.wait(700_000)
        assert not self.office.store.configurations and not self.office.fetches
        assert self.bulk._schedule.count == 0


@pytest.mark.parametrize("block", range(6))
def test_every_interim_answer_is_followed_by_another(tmp_path, block):
    for seed in range(block * 20, block * 20 + 20):
        history = History(tmp_path / str(seed), seed)
        for _ in range(120):
            history.act()
        history.settle_down()
        history.office.close()
