"""A Bench at which UEs ask for their configuration."""

from msgin5g import coap, configuration, configuration_requests
from msgin5g_gateway.effects import LATE, NORTH_FETCH, NORTH_GET, OBSERVED
from tests.gateway.bench import SERVICE, Bench, body, ue_id
from tests.world import device_id

SERVER = "coap://192.0.2.1:65401"


def given(number, segment_bytes=None, named=True):
    """The Configuration of a UE; named: as an entry of a bulk answer."""
    device = device_id(number) if named else None
    return configuration.Configuration(ue_id(number), SERVER, segment_bytes, device)


class Office(Bench):
    """`gets` passed on to the server, `passed` answers to them, `fetches` of many, and what UEs
    were told `late`; oldest first. UE n has the MSGin5G UE ID `device_id(n)`."""

    def __init__(self, folder, count=3, bulk=None, **settings):
        self.office_rows = [
            {"ue_service_id": ue_id(number), "ue_id": device_id(number)}
            for number in range(1, count + 1)
        ]
        super().__init__(folder, count, bulk, sign_up=False, **settings)

    def open(self):
        self.settings.rows["ue"] = self.office_rows
        super().open()

    def _clear(self):
        super()._clear()
        self.gets, self.passed, self.fetches, self.late = [], [], [], []

    def settle(self):
        super().settle()
        kinds = {NORTH_GET: self.gets, OBSERVED: self.passed, NORTH_FETCH: self.fetches}
        kinds[LATE] = self.late
        for effect in self.others:
            kinds[effect[0]].append(effect[1:])
        self.others = []

    def ask(self, number=1, mid=7, token=b"tk", peer=None, **more):
        """A configuration GET; returns what it is answered at once, (code, payload) or None.

        more: of `configuration.request_options`.
        """
        more = {"service_id": SERVICE, "ue_id": device_id(number), **more}
        return self.ask_with(configuration.request_options(**more), b"", number, mid, token, peer)

    def ask_with(self, options, payload=b"", number=1, mid=7, token=b"tk", peer=None):
        """A GET with these options; returns as `ask` does."""
        self._number += 1
        get = coap.decode(coap.encode(coap.CON, coap.GET, mid, token, options, payload))
        peer = peer or f"udp://ue{number}"
        self.core.configuring.receive(self._number, get, peer, self.now)
        self.settle()
        return self.answer_to(self._number)

    def take_fetch(self):
        """The oldest bulk GET: (ref, options, JSON)."""
        ref, options, payload = self.fetches.pop(0)
        return ref, options, body(payload)

    def serve_all(self, *but, code=coap.CONTENT, payload=None):
        """The server answers the oldest bulk GET, all UEs `but` these; returns who was in it."""
        ref, _, request = self.take_fetch()
        asked = request["ueIdList"]
        if payload is None:
            numbers = [int(one.rpartition(":")[2]) for one in asked]
            entries = [given(number) for number in numbers if number not in but]
            payload = configuration_requests.bulk_answer(entries)
        self.core.north_answer(ref, code, payload, self.now)
        self.settle()
        return asked

    def take_late(self):
        """The oldest second answer: (ref, peer, token, mid, code, payload)."""
        return self.late.pop(0)

    def pass_back(self, code=coap.CONTENT, payload=b"{}", options=()):
        """The server answers the oldest GET that was passed on."""
        ref = self.gets.pop(0)[0]
        self.core.observed(ref, code, payload, list(options), self.now)
        self.settle()
