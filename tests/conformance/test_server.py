"""MSGin5G-1 at the Server and a client on it: clauses 6.3.1 and 6.3.4.4, on the wire."""

import json

import pytest

from msgin5g import coap, registration
from msgin5g.exchange import Endpoint
from tests.wire import Wire
from tests.world import (
    GATEWAY,
    SERVICE,
    ServerNode,
    UeNode,
    World,
    device_id,
    rng,
    server_settings,
    ue_id,
)

PROFILE = {
    "triInfo": {"ueId": "urn:example:device:1", "cliPorts": [{"portNum": 7, "Protocol": "NIDD"}]},
    "comAvail": {
        "schTime": "2026-01-01T00:00:00Z",
        "durTime": "2026-01-01T01:00:00Z",
        "periIndi": True,
        "periInterval": "2026-01-02T00:00:00Z",
        "dataSize": "100",
        "storeForward": "no",
    },
}


class Client:
    """A hand-driven client: one datagram in, the decoded answer out."""

    def __init__(self, folder, accounts=None, **settings):
        if accounts is None:
            accounts = [{"ue_service_id": ue_id(k), "gateway": None} for k in (1, 2)]
            accounts += [{"ue_service_id": ue_id(3), "gateway": GATEWAY}]
            accounts += [{"ue_service_id": GATEWAY, "gateway": None}]
        self.wire = Wire()
        self.server = ServerNode(server_settings(str(folder), accounts, **settings))
        self.wire.attach("server", self.server)
        self.wire.attach("client", self)
        self.inbox, self.outbox = [], []
        self.mid = 100

    def receive(self, data, peer, now):
        self.inbox.append(data)

    def poll(self, now):
        out, self.outbox = self.outbox, []
        return [(data, "server") for data in out]

    def next_deadline(self):
        return 0 if self.outbox else None

    def raw(self, data):
        self.outbox.append(data)
        self.wire.run(self.wire.now + 5)
        return self.inbox.pop(0) if self.inbox else None

    def post(self, payload, mid=None, token=b"\x01\x02\x03"):
        self.mid += 1
        options = [(coap.URI_PATH, b"msgin5g"), (coap.CONTENT_FORMAT, b"\x32")]
        datagram = coap.encode(coap.CON, coap.POST, mid or self.mid, token, options, payload)
        return coap.decode(self.raw(datagram))

    def ask(self, payload):
        return json.loads(self.post(payload).payload)

    def stored(self, number):
        return self.server.registry.get(ue_id(number))


@pytest.fixture
def client(tmp_path):
    made = Client(tmp_path)
    yield made
    made.server.registry.close()


def reg(number=1, profile=None):
    return registration.reg(ue_id(number), SERVICE, profile=profile)


def dereg(number=1):
    return registration.dereg(ue_id(number), SERVICE)


@pytest.mark.clause("6.3.1.2.1-b", "6.3.1.2.1-b1", "6.3.1.2.1-b2", "6.3.1.2.1-b2-iii")
@pytest.mark.clause("S0-6.1-a2", "S0-6.1-a3", "S0-6.1-a4", "S0-6.1-p1", "6.1-coap")
def test_a_registration_is_answered_on_the_ack_with_result_and_lifetime(client):
    answer = client.post(reg(), mid=0x1234, token=b"tok")
    assert (answer.type, answer.code) == (coap.ACK, coap.CREATED)
    assert (answer.mid, answer.token) == (0x1234, b"tok")
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    body = json.loads(answer.payload)
    assert body["oriAddr"] == {"oriAddrType": "UE", "addr": ue_id(1)}
    assert body["result"] is True and body["regExpTime"] == 3600
    assert client.post(reg()).code == coap.CHANGED


@pytest.mark.clause("6.3.1.2.1-a")
def test_the_registration_stores_identity_profile_and_where_it_came_from(client):
    client.ask(reg(profile=PROFILE))
    row = client.stored(1)
    assert json.loads(row.profile) == PROFILE
    assert row.peer == "client:1"
    client.ask(reg())
    assert client.stored(1).profile is None


@pytest.mark.clause("6.3.1.2.1-p1", "6.1-auth", "6.3.1.2.1-b2-iii-not", "6.3.1.2.1-b2-iv")
def test_an_unknown_ue_is_refused_with_a_cause_and_nothing_is_stored(client):
    body = client.ask(reg(99))
    assert body["result"] is False and body["cause"] == "unknown UE Service ID"
    assert "regExpTime" not in body
    assert client.stored(99) is None
    assert "cause" not in client.ask(reg(1))


@pytest.mark.clause("6.1-auth")
def test_a_ue_that_belongs_to_a_gateway_cannot_come_by_itself(client):
    body = client.ask(reg(3))
    assert body["result"] is False and "gateway" in body["cause"]
    assert client.stored(3) is None


@pytest.mark.clause("6.3.1.2.2-p1", "6.3.1.2.2-a", "6.3.1.2.2-b", "6.3.1.2.2-b1", "6.3.1.2.2-b3")
def test_a_de_registration_deletes_and_is_answered_2_04(client):
    client.ask(reg(profile=PROFILE))
    answer = client.post(dereg(), mid=77, token=b"t")
    assert (answer.type, answer.code, answer.mid, answer.token) == (2, coap.CHANGED, 77, b"t")
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    assert json.loads(answer.payload) == {
        "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
        "result": True,
    }
    assert client.stored(1) is None


@pytest.mark.clause("6.3.1.2.2-b2")
def test_the_answer_to_a_de_registration_names_no_address_option(client):
    client.ask(reg())
    answer = client.post(dereg())
    assert [number for number, _ in answer.options] == [coap.CONTENT_FORMAT]


@pytest.mark.clause("6.3.1.2.2-b3-iii", "6.3.1.2.2-p1")
def test_a_de_registration_of_somebody_unknown_or_not_registered_fails_with_a_cause(client):
    for number, cause in ((1, "not registered"), (99, "unknown UE Service ID")):
        body = client.ask(dereg(number))
        assert body["result"] is False and body["cause"] == cause


def breg(*numbers, gateway=GATEWAY):
    return registration.breg(gateway, SERVICE, [reg(number) for number in numbers])


@pytest.mark.clause("6.3.4.4.1-p1", "6.3.4.4.1-a", "6.3.4.4.1-b", "6.3.4.4.1-b2-i")
@pytest.mark.clause("6.3.4.4.1-b2-ii")
def test_a_bulk_registration_is_verified_and_answered_entry_by_entry(client):
    answer = client.post(breg(1, 99, 3), mid=9, token=b"bulk")
    assert (answer.type, answer.code, answer.mid, answer.token) == (2, 0x41, 9, b"bulk")
    assert answer.uint(coap.CONTENT_FORMAT) == 50
    body = json.loads(answer.payload)
    assert body["regRespNum"] == 3 == len(body["regRespList"])
    assert [one["result"] for one in body["regRespList"]] == [True, False, True]
    assert [one["oriAddr"]["addr"] for one in body["regRespList"]] == [
        ue_id(1),
        ue_id(99),
        ue_id(3),
    ]
    assert "cause" in body["regRespList"][1]
    assert client.stored(1) and client.stored(3) and client.stored(99) is None
    assert client.stored(3).via == GATEWAY
    assert client.post(breg(1, 3)).code == coap.CHANGED


@pytest.mark.clause("6.3.4.4.1-p1", "6.1-auth")
def test_another_gateway_cannot_register_the_ues_of_the_first(tmp_path):
    other = "urn:example:gw:2"
    accounts = [
        {"ue_service_id": GATEWAY, "gateway": None},
        {"ue_service_id": other, "gateway": None},
        {"ue_service_id": ue_id(3), "gateway": GATEWAY},
    ]
    client = Client(tmp_path, accounts)
    (entry,) = client.ask(breg(3, gateway=other))["regRespList"]
    assert entry["result"] is False and entry["cause"] == "gateway may not speak for this UE"
    assert client.stored(3) is None
    client.server.registry.close()


@pytest.mark.clause("6.3.4.4.2-p1", "6.3.4.4.2-a", "6.3.4.4.2-b", "6.3.4.4.2-b2-i")
@pytest.mark.clause("6.3.4.4.2-b2-ii")
def test_a_bulk_de_registration_removes_the_listed_ues_and_never_the_gateway(client):
    client.ask(registration.reg(GATEWAY, SERVICE))
    client.ask(breg(1, 2, 3))
    payload = registration.bulk_dereg(GATEWAY, SERVICE, [dereg(1), dereg(99), dereg(3)])
    answer = client.post(payload, mid=8, token=b"out")
    assert (answer.type, answer.code, answer.mid, answer.token) == (2, 0x44, 8, b"out")
    body = json.loads(answer.payload)
    assert body["deregRespNum"] == 3 == len(body["deregRespList"])
    assert [one["result"] for one in body["deregRespList"]] == [True, False, True]
    assert client.stored(1) is None and client.stored(3) is None
    assert client.stored(2) is not None
    assert client.server.registry.get(GATEWAY) is not None


@pytest.mark.parametrize("broken", ["deregReqNum", "deregReqList"])
def test_a_broken_bulk_list_never_de_registers_the_gateway(client, broken):
    client.ask(registration.reg(GATEWAY, SERVICE))
    body = json.loads(registration.bulk_dereg(GATEWAY, SERVICE, [dereg(1)]))
    del body[broken]
    assert client.post(json.dumps(body).encode()).code == coap.BAD_REQUEST
    assert client.server.registry.get(GATEWAY) is not None


@pytest.mark.clause("7.1-type", "7.1-values")
@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b"", "empty"),
        (b"{", "JSON"),
        (b"[1]", "object"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"msgIden":"urn:msgin5g:service"}', "msgType"),
        (b'{"msgIden":"urn:msgin5g:service","msgType":"NOPE"}', "msgType"),
        (
            b'{"msgIden":"urn:other:service","msgType":"REG","oriAddr":'
            b'{"oriAddrType":"UE","addr":"urn:example:ue:1"}}',
            "msgIden",
        ),
        (b'{"msgIden":"urn:msgin5g:service","msgType":"REG"}', "oriAddr"),
        (
            b'{"msgIden":"urn:msgin5g:service","msgType":"REG","oriAddr":'
            b'{"oriAddrType":"AS","addr":"urn:example:ue:1"}}',
            "oriAddr.oriAddrType",
        ),
        (
            b'{"msgIden":"urn:msgin5g:service","msgType":"REG","urgentTag":1,"oriAddr":'
            b'{"oriAddrType":"UE","addr":"urn:example:ue:1"}}',
            "urgentTag",
        ),
        (b'{"a":' + b"[" * 500 + b"]" * 500 + b"}", "nested"),
        (
            b'{"msgIden":"urn:msgin5g:service","msgType":"REG","oriAddr":'
            b'{"oriAddrType":"UE","addr":"urn:' + b"x" * 300 + b'"}}',
            "oriAddr.addr",
        ),
    ],
)
def test_nonsense_gets_4_00_with_a_text_that_names_the_key_and_stores_nothing(client, body, key):
    answer = client.post(body)
    assert answer.code == coap.BAD_REQUEST
    assert key in answer.payload.decode(), answer.payload
    assert len(answer.payload) <= 120
    assert len(client.server.registry) == 0


@pytest.mark.clause("7.1-values")
@pytest.mark.parametrize("msg_type", ["REGRESP", "DEREGRESP", "GWREG", "MSGRESP"])
def test_a_server_refuses_the_message_types_that_are_not_for_it(client, msg_type):
    body = {
        "msgIden": SERVICE,
        "msgType": msg_type,
        "result": True,
        "oriAddr": {"oriAddrType": "UE", "addr": ue_id(1)},
        "msgId": "6f9619ff-8b86-d011-b42d-00cf4fc964ff",
        "DelSta": "failure",
    }
    answer = client.post(json.dumps(body).encode())
    assert answer.code == coap.BAD_REQUEST and b"msgType" in answer.payload


# A client that registers directly


def direct_ue(tmp_path, **settings):
    wire = Wire()
    accounts = [{"ue_service_id": ue_id(1), "gateway": None}]
    server = wire.attach("server", ServerNode(server_settings(str(tmp_path), accounts)))
    ue = wire.attach("ue", UeNode(1, gateway="server", direct=True, **settings))
    return wire, server, ue


def sent_by(wire, name):
    return [coap.decode(data) for _, source, _, data in wire.log if source == name]


@pytest.mark.clause("6.3.1.1.1-p1", "6.3.1.1.1-a", "6.3.1.1.1-bc", "6.3.1.1.1-d1-d3", "S0-6.1-a")
@pytest.mark.clause("6.3.1.1.2-a-c", "6.3.1.1.2-d1-d3", "6.3.0-p5")
def test_a_direct_client_registers_and_de_registers_with_confirmable_posts(tmp_path):
    wire, server, ue = direct_ue(tmp_path, server_host="server.example")
    ue.core.register(0)
    assert wire.run(5000, lambda: ue.state == "registered")
    ue.core.deregister(wire.now)
    assert wire.run(10_000, lambda: ue.state == "deregistered")
    for message, kind in zip(sent_by(wire, "ue"), ("REG", "DEREG"), strict=True):
        assert (message.type, message.code) == (coap.CON, coap.POST)
        assert message.options[0] == (coap.URI_HOST, b"server.example")
        assert message.uri_path() == "msgin5g" and message.uint(coap.CONTENT_FORMAT) == 50
        body = json.loads(message.payload)
        assert body["msgIden"] == SERVICE and body["msgType"] == kind
        assert body["oriAddr"] == {"oriAddrType": "UE", "addr": ue_id(1)}
        assert "urgentTag" not in body
    server.registry.close()


@pytest.mark.clause("6.3.1.1.1-d4", "6.3.1.1.1-d4-i1", "6.3.1.1.1-d4-i2", "6.3.1.1.1-d4-ii1-2")
@pytest.mark.clause("6.3.1.1.1-d4-ii3", "6.3.1.1.1-d4-ii4", "6.3.1.1.1-d4-ii5")
@pytest.mark.clause("6.3.1.1.1-d4-ii6")
def test_a_direct_client_can_show_its_profile_and_the_server_keeps_it(tmp_path):
    wire, server, ue = direct_ue(tmp_path, profile=PROFILE)
    ue.core.register(0)
    assert wire.run(5000, lambda: ue.state == "registered")
    assert json.loads(sent_by(wire, "ue")[0].payload)["cliProfile"] == PROFILE
    assert json.loads(server.registry.get(ue_id(1)).profile) == PROFILE
    server.registry.close()


@pytest.mark.clause("6.1-relay")
def test_through_a_relay_the_server_sees_the_requests_of_a_direct_client(tmp_path):
    class Relay:
        """A plain ProSe relay: datagrams pass unchanged in both directions."""

        def __init__(self):
            self.out = []

        def receive(self, data, peer, now):
            self.out.append((data, "server" if peer == "ue" else "ue"))

        def poll(self, now):
            out, self.out = self.out, []
            return out

        def next_deadline(self):
            return 0 if self.out else None

    payloads = []
    for relayed in (False, True):
        wire, server, ue = direct_ue(tmp_path / str(relayed))
        if relayed:
            wire.attach("relay", Relay())
            ue.gateway = "relay"
        ue.core.register(0)
        assert wire.run(5000, lambda ue=ue: ue.state == "registered")
        payloads.append([data for _, _, target, data in wire.log if target == "server"])
        server.registry.close()
    assert payloads[0] == payloads[1]


def test_a_registration_ends_when_its_lifetime_is_over(tmp_path):
    client = Client(tmp_path, registration_lifetime_s=10)
    client.ask(reg())
    client.wire.run(9_000)
    assert client.stored(1)
    client.wire.run(12_000)
    assert client.stored(1) is None
    client.server.registry.close()


def test_the_endpoint_replays_the_stored_answer_to_a_duplicate(client):
    datagram = coap.encode(coap.CON, coap.POST, 5, b"t", [(coap.URI_PATH, b"msgin5g")], reg())
    first = client.raw(datagram)
    assert client.raw(datagram) == first
    assert client.server.core.counters["registered"] == 1
    assert client.server.core.counters["refreshed"] == 0


def test_an_endpoint_survives_every_datagram_of_two_bytes_and_less(client):
    endpoint = Endpoint(rng(1))
    for data in [b"", *(bytes([one]) for one in range(256)), b"\x40\x02"]:
        endpoint.receive(data, "peer", 0)
    assert endpoint.next_event() is None and not endpoint.poll(0)


SHORT_KEYS = set(
    [
        "msgIden",
        "msgType",
        "urgentTag",
        "oriAddr",
        "oriAddrType",
        "addr",
        "cliProfile",
        "triInfo",
        "ueId",
        "cliPort",
        "cliPorts",
        "portNum",
        "Protocol",
        "comAvail",
        "schTime",
        "durTime",
        "periIndi",
        "periInterval",
        "dataSize",
        "storeForward",
        "reqExpTime",
        "result",
        "regExpTime",
        "cause",
        "expectedTime",
        "oriUEAddr",
        "expiredTime",
        "acceptedTime",
        "regReqNum",
        "regReqList",
        "regRespNum",
        "regRespList",
        "deregReqNum",
        "deregReqList",
        "deregRespNum",
        "deregRespList",
    ]
) | {"failure reason"}


def keys_of(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner)


@pytest.mark.clause("7.3.1", "6.1-coap")
def test_every_payload_that_passes_is_a_json_object_with_the_short_keys(tmp_path):
    profile = {**PROFILE, "triInfo": {**PROFILE["triInfo"], "ueId": device_id(1)}}
    world = World(tmp_path, 1, ue={"profile": profile, "ue_id": device_id(1)})
    world.register()
    assert world.wire.run(60_000, world.all_in("registered"))
    world.deregister()
    assert world.wire.run(120_000, world.all_in("deregistered"))
    seen = set()
    for _, _, _, data in world.wire.log:
        message = coap.decode(data)
        assert data[0] >> 6 == 1
        if message.payload:
            body = json.loads(message.payload)
            assert isinstance(body, dict)
            seen |= set(keys_of(body))
    assert seen <= SHORT_KEYS and len(seen) > 25
    world.close()
