"""The constrained UE on MicroPython: `micropython check_ue.py`.

A full cycle of `UeCore` against a scripted gateway, with a lost datagram and a duplicate, the
state file, the configuration, and the heap. Plain MicroPython that CPython runs as well (without
the heap); prints a line per failure and a last line with counts.
"""

import gc
import json
import os
import sys

gc.collect()
bare_bytes = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0

from msgin5g import coap, registration  # noqa: E402
from msgin5g.receiving import Params, Receiver  # noqa: E402
from ue import config as settings  # noqa: E402
from ue.core import UeCore  # noqa: E402
from ue.storage import Storage  # noqa: E402

UE = "urn:example:ue:1"
SERVICE = "urn:msgin5g:service"
CYCLES = 20
# What the protocol core and the firmware take once imported, on a 64-bit port from source.
IMPORT_BUDGET_BYTES = 110 * 1024
# What one more refresh leaves behind: nothing but a few events.
GROWTH_BUDGET_BYTES = 512
FILE = "check_ue.state"

results = [0, 0]


def check(condition, name, what=""):
    """Count one check; print it if it failed."""
    results[not condition] += 1
    if not condition:
        print("FAILED %s: %s" % (name, what))


class Board:
    """A UE and its gateway; `now` is in the caller's hands."""

    def __init__(self, saved):
        self.config = settings.merge({"ue_service_id": UE, "refresh_s": 100, "wait_s": 60})
        params = Params(max_datagram_bytes=1280, max_waiting=2)
        endpoint = Receiver(self.rng, params, reuse=True)
        self.core = UeCore(self.config, endpoint, saved, self.rng)
        self.now = 0
        self.saved = saved
        self.last = None
        self.mid = 500
        self.used = []
        self.answers = []
        self.is_deaf = False

    def rng(self, limit):
        return limit // 2

    def flush(self):
        while True:
            out = self.core.poll(self.now)
            if not out:
                break
            for data, _ in [(bytes(data), peer) for data, peer in out]:
                if not self.is_deaf:
                    self.gateway(coap.decode(data))
        while True:
            event = self.core.next_event()
            if event is None:
                return
            if event[0] == "save":
                self.saved = event[1]

    def gateway(self, message):
        if not 0 < message.code < 32:
            self.answers.append((message.code, message.mid, bytes(message.token)))
            return
        kind = registration.parse_request(message.payload).msg_type
        self.last = (kind, bytes(message.token))
        self.used.append(message.mid)
        if kind == "GWREG":
            payload = registration.gwreg_answer(UE, True, 86400)
        else:
            payload = registration.interim(UE, 3)
        self.post(coap.ACK, coap.CHANGED, message.mid, message.token, payload)
        self.post(coap.ACK, coap.CHANGED, message.mid, message.token, payload)

    def post(self, kind, code, mid, token, payload):
        options = ((coap.CONTENT_FORMAT, b"\x32"),)
        data = coap.encode(kind, code, mid, token, options, payload)
        self.core.receive(memoryview(data), self.now)

    def tell(self, build, result, cause=None):
        """Post REGRESP or DEREGRESP for the last request, twice; return the UE's answers."""
        self.answers = []
        self.mid += 1
        payload = build(UE, SERVICE, result, cause)
        for _ in range(2):
            self.post(coap.CON, coap.POST, self.mid, self.last[1], payload)
            self.flush()
        return self.answers

    def run(self, milliseconds):
        end = self.now + milliseconds
        while True:
            self.flush()
            due = self.core.next_deadline()
            if due is None or due > end:
                self.now = end
                return
            self.now = max(self.now, due)


def cycle():
    """In, refreshed, lost, in again, out."""
    board = Board({})
    board.is_deaf = True
    board.core.register(0)
    board.run(1500)
    check(board.core.state == "signing-up", "cycle", board.core.state)
    board.is_deaf = False
    board.run(3000)
    check(board.core.state == "waiting", "cycle", board.core.state)
    check(board.last[0] == "REG", "cycle", board.last)
    answers = board.tell(registration.regresp, True)
    check(board.core.state == "registered", "cycle", board.core.state)
    check(len(answers) == 2 and answers[0] == answers[1], "duplicate", answers)
    check(answers[0][0] == coap.CHANGED and answers[0][2] == board.last[1], "2.04", answers)
    board.run(130000)
    board.tell(registration.regresp, True)
    check(board.core.counters["refreshes"] == 1, "refresh", board.core.counters)
    board.tell(registration.regresp, False, "account closed")
    check(board.core.state == "backoff", "lost", board.core.state)
    board.run(5000)
    board.tell(registration.regresp, True)
    check(board.core.state == "registered", "lost", board.core.state)
    board.core.deregister(board.now)
    board.flush()
    check(board.core.state == "leaving", "out", board.core.state)
    board.tell(registration.deregresp, True)
    check(board.core.state == "deregistered", "out", board.core.state)
    board.run(10000000)
    check(board.core.state == "deregistered", "out", "came back")
    return board


def reboot(board):
    """Nothing is used twice, and the file on disk says so."""
    storage = Storage(FILE)
    check(storage.save(board.saved), "storage", storage.problem)
    again = Board(Storage(FILE).load())
    check(again.core.wanted == "deregistered", "reboot", again.core.wanted)
    again.core.register(0)
    again.run(1000)
    check(not set(board.used) & set(again.used), "reboot", again.used)


def storage():
    """Every cut of the file is survived."""
    with open(FILE) as file:
        whole = file.read()
    for size in range(len(whole)):
        with open(FILE, "w") as file:
            file.write(whole[:size])
        kept = Storage(FILE)
        check(kept.load() == {} and kept.damaged == 1, "storage", "cut to %d" % size)
    with open(FILE, "wb") as file:
        file.write(b"\xff\xfe")
    check(Storage(FILE).load() == {}, "storage", "not UTF-8")
    os.remove(FILE)
    check(Storage(FILE).load() == {}, "storage", "missing")
    nowhere = Storage("no/such/folder/" + FILE)
    check(not nowhere.save({}) and nowhere.failures == 1, "storage", "no folder")


def configuration():
    """Errors name the key."""
    for given, text in (
        ({"refesh_s": 1}, "config: unknown key 'refesh_s'; did you mean 'refresh_s'?"),
        ({"wait_s": "5"}, "config: wait_s: a whole number is wanted, not '5'"),
        ({"urgent": 1}, "config: urgent: true or false is wanted, not 1"),
        ({"link": "udp://x"}, "config: link: udp://x: udp://HOST:PORT is wanted"),
        ({"profile": {"triInfo": {}}}, "config: cliProfile.triInfo.ueId: missing"),
    ):
        given["ue_service_id"] = UE
        try:
            settings.merge(given)
            check(False, "config", text)
        except settings.ConfigError as problem:
            check(str(problem) == text, "config", problem)
    with open(FILE, "w") as file:
        json.dump({"ue_service_id": UE, "wait_s": 7}, file)
    check(settings.load(FILE)["wait_s"] == 7, "config", "load")
    os.remove(FILE)


def heap(imported_bytes):
    """Print what the imports take, and what a refresh leaves on the heap."""
    if not hasattr(gc, "mem_alloc"):
        return
    board = Board({})
    board.core.register(0)
    board.flush()
    board.tell(registration.regresp, True)
    used = 0
    for number in range(CYCLES + 5):
        if number == 5:
            gc.collect()
            used = gc.mem_alloc()
        board.used = []
        board.run(130000)
        board.tell(registration.regresp, True)
    gc.collect()
    grown = gc.mem_alloc() - used
    check(board.core.counters["refreshes"] >= CYCLES, "heap", board.core.counters)
    print("heap: %d bytes imported, %d more after %d refreshes" % (imported_bytes, grown, CYCLES))
    check(imported_bytes <= IMPORT_BUDGET_BYTES, "heap", "%d bytes imported" % imported_bytes)
    check(grown <= GROWTH_BUDGET_BYTES, "heap", "%d bytes grown" % grown)


def main():
    gc.collect()
    imported_bytes = gc.mem_alloc() - bare_bytes if hasattr(gc, "mem_alloc") else 0
    reboot(cycle())
    storage()
    configuration()
    heap(imported_bytes)
    print("%d passed, %d failed" % (results[0], results[1]))
    return 1 if results[1] else 0


sys.exit(main())
