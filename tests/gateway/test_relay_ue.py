"""The Relay UE: what goes up, what goes down, what goes nowhere, and who is in contact with it."""

import asyncio
import io
import json
import socket
from collections import Counter

import pytest

from msgin5g import coap
from msgin5g_gateway.relay import BACK, DOWN, DROP, UP, Contact, Contacts, Relay
from msgin5g_gateway.relay_shell import RelayUe
from msgin5g_host.clock import Clock
from msgin5g_host.folder import StoreError
from msgin5g_host.log import EventLog
from tests.host.pcapng_file import read
from tests.world import gateway_settings

SERVER = frozenset({("server.example", 65401), ("192.0.2.1", 65401)})
CLIENT = frozenset({("192.0.2.7", 40001), ("10.0.0.7", 5683)})
LONGEST = 1000


def datagram(*options, code=coap.POST, kind=coap.CON, payload=b"{}"):
    return coap.encode(kind, code, 77, b"tk", sorted(options), payload)


def host(name):
    return coap.URI_HOST, name.encode()


def port(number):
    return coap.URI_PORT, number.to_bytes(2, "big")


PATH = (coap.URI_PATH, b"msgin5g")


@pytest.fixture
def relay():
    return Relay(SERVER, Counter())


@pytest.fixture
def contact():
    return Contact("udp://10.0.0.7:5683", 40001, 0, CLIENT)


@pytest.mark.clause("6.4.2.4.2-p1", "6.2.2.1-p1")
@pytest.mark.parametrize(
    "options",
    [
        (),
        (host("server.example"),),
        (host("SERVER.example"), port(65401)),
        (host("192.0.2.1"),),
        (port(65401),),
    ],
)
@pytest.mark.parametrize("code", [coap.POST, coap.GET])
def test_what_is_for_the_server_goes_up_unchanged(relay, options, code):
    frame = datagram(PATH, *options, code=code)
    assert relay.from_client(frame) == (UP, frame)


@pytest.mark.clause("6.4.2.4.1-p1", "6.2.2.1-p1")
@pytest.mark.parametrize(
    "options", [(), (host("192.0.2.7"),), (host("192.0.2.7"), port(40001)), (host("10.0.0.7"),)]
)
def test_what_is_for_a_client_in_contact_goes_down_unchanged(relay, contact, options):
    frame = datagram(PATH, *options)
    assert relay.from_server(frame, contact, LONGEST) == (DOWN, frame)


@pytest.mark.clause("6.4.2.4.1-drop", "6.4.2.4.1-404")
@pytest.mark.parametrize("kind", [coap.CON, coap.NON])
@pytest.mark.parametrize(
    "options",
    [
        (host("192.0.2.8"),),
        (host("192.0.2.7"), port(40002)),
        (port(1),),
        ((coap.URI_HOST, b"\xff\xfe"),),
    ],
)
def test_what_is_for_nobody_in_contact_is_dropped_and_answered(relay, contact, options, kind):
    where, answer = relay.from_server(datagram(PATH, *options, kind=kind), contact, LONGEST)
    message = coap.decode(answer)
    assert where == BACK and message.code == coap.NOT_FOUND
    assert (message.mid, message.token) == (77, b"tk")
    assert message.type == (coap.ACK if kind == coap.CON else coap.NON)


def test_what_is_for_another_server_is_answered(relay):
    where, answer = relay.from_client(datagram(PATH, host("other.example")))
    assert where == BACK and coap.decode(answer).code == coap.NOT_FOUND


@pytest.mark.parametrize(
    "frame",
    [
        datagram(code=coap.CHANGED, kind=coap.ACK),
        datagram(code=coap.CREATED, payload=b"x"),
        coap.encode(coap.ACK, 0, 7),
        coap.encode(coap.RST, 0, 7),
    ],
)
def test_answers_and_empty_messages_pass_both_ways(relay, contact, frame):
    assert relay.from_client(frame) == (UP, frame)
    assert relay.from_server(frame, contact, LONGEST) == (DOWN, frame)


@pytest.mark.parametrize("frame", [b"", b"\x40", b"\x07\x12\x34\x00\x01x", b"\xff" * 20])
def test_what_is_not_coap_is_counted_and_dropped(relay, contact, frame):
    assert relay.from_client(frame) == (DROP, b"")
    assert relay.from_server(frame, contact, LONGEST) == (DROP, b"")
    assert relay._counters["malformed"] == 2


def test_what_does_not_fit_the_link_is_told_to_the_server(relay, contact):
    where, answer = relay.from_server(datagram(PATH, payload=b"x" * 2000), contact, LONGEST)
    assert where == BACK and coap.decode(answer).code == coap.TOO_LARGE
    late = datagram(code=coap.CHANGED, kind=coap.ACK, payload=b"x" * 2000)
    assert relay.from_server(late, contact, LONGEST) == (DROP, b"")


def test_contacts_are_bounded_and_the_longest_silent_goes():
    contacts = Contacts(limit=2)
    one, two, three = (Contact(f"serial:///dev/{name}", 1, 0) for name in "abc")
    assert contacts.add(one) is None and contacts.add(two) is None
    contacts.heard(one, 5)
    assert contacts.add(three) is two
    assert contacts.find(two.identifier) is None and contacts.find(one.identifier) is one
    assert contacts.counters["contacts_dropped"] == 1


# On real sockets


class Rig:
    """A RelayUe between plain sockets that are the server and clients."""

    def __init__(self, folder, links=("udp://127.0.0.1:0",)):
        self.server = self.socket()
        self.server.bind(("127.0.0.1", 0))
        self.folder = folder
        self.stream = io.StringIO()
        self.log = EventLog("relay", True, self.stream)
        self.settings = gateway_settings(
            str(folder), server=f"coap://127.0.0.1:{self.server.getsockname()[1]}"
        )
        self.settings.values["gateway.links"] = list(links)
        self.relay = RelayUe(self.settings, self.log, Clock())

    @staticmethod
    def socket():
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.setblocking(False)
        return one

    def client(self):
        one = self.socket()
        one.bind(("127.0.0.1", 0))
        address, _, number = self.relay.links[0].url.removeprefix("udp://").rpartition(":")
        one.connect((address, int(number)))
        return one

    def restart(self):
        url = self.relay.links[0].url
        self.relay.close()
        self.settings.values["gateway.links"] = [url]
        self.relay = RelayUe(self.settings, self.log, Clock())

    def events(self, name):
        lines = [json.loads(one) for one in self.stream.getvalue().splitlines()]
        return [one for one in lines if one["event"] == name]


async def received(sock):
    return await asyncio.wait_for(asyncio.get_running_loop().sock_recvfrom(sock, 4096), 5)


def play(script, folder, **more):
    async def all_of_it():
        rig = Rig(folder, **more)
        try:
            await script(rig)
        finally:
            rig.relay.close()
            rig.server.close()

    asyncio.run(all_of_it())


def test_each_client_has_an_address_of_its_own_at_the_server(tmp_path):
    async def script(rig):
        clients = [rig.client() for _ in range(3)]
        known_as = []
        for number, client in enumerate(clients):
            client.send(datagram(PATH, payload=b"%d" % number))
            data, address = await received(rig.server)
            assert data == datagram(PATH, payload=b"%d" % number)
            known_as.append(address)
        assert len(set(known_as)) == 3
        for client, address in reversed(list(zip(clients, known_as, strict=True))):
            rig.server.sendto(datagram(PATH, payload=str(address).encode()), address)
            assert (await received(client))[0] == datagram(PATH, payload=str(address).encode())
        stranger = rig.socket()
        stranger.sendto(datagram(PATH, payload=b"hello"), known_as[0])
        rig.server.sendto(datagram(PATH, host("192.0.2.99")), known_as[0])
        answer, _ = await received(rig.server)
        assert coap.decode(answer).code == coap.NOT_FOUND
        with pytest.raises(BlockingIOError):
            clients[0].recv(4096)
        for one in (*clients, stranger):
            one.close()

    play(script, tmp_path)


@pytest.mark.parametrize("name", [(), (host("127.0.0.1"),)])
def test_a_client_that_writes_out_where_its_datagrams_go_reaches_the_server(tmp_path, name):
    """Uri-Host and Uri-Port say what is so without them (RFC 7252 5.10.1); libcoap does that."""

    async def script(rig):
        client = rig.client()
        frame = datagram(PATH, *name, port(client.getpeername()[1]))
        client.send(frame)
        assert (await received(rig.server))[0] == frame
        client.send(datagram(PATH, *name, port(1)))
        assert coap.decode((await received(client))[0]).code == coap.NOT_FOUND
        client.close()

    play(script, tmp_path)


def test_after_a_restart_the_server_reaches_a_client_where_it_was(tmp_path):
    async def script(rig):
        client = rig.client()
        client.send(datagram(PATH))
        _, address = await received(rig.server)
        rig.restart()
        rig.server.sendto(datagram(PATH, payload=b"news"), address)
        assert (await received(client))[0] == datagram(PATH, payload=b"news")
        client.send(datagram(PATH))
        assert (await received(rig.server))[1] == address
        client.close()

    play(script, tmp_path)


def test_a_capture_sees_what_passes_the_links(tmp_path):
    class Follower:
        data = b""

        def take(self, block):
            self.data += block

    async def script(rig):
        follower = Follower()
        client = rig.client()
        client.send(datagram(PATH))
        _, address = await received(rig.server)
        rig.relay.capture.follow(follower)
        for _ in range(2):
            client.send(datagram(PATH, payload=b"up"))
            await received(rig.server)
            rig.server.sendto(datagram(PATH, payload=b"down"), address)
            await received(client)
        rig.relay.capture.leave(follower)
        client.send(datagram(PATH))
        await received(rig.server)
        interfaces, packets = read(follower.data)
        assert interfaces[1][2].decode() == rig.relay.links[0].url
        shown = [(one["options"][2][0], one["data"]) for one in packets]
        up, down = datagram(PATH, payload=b"up"), datagram(PATH, payload=b"down")
        assert shown == [(1, up), (2, down)] * 2
        here = int(rig.relay.links[0].url.rpartition(":")[2])
        there = client.getsockname()[1]
        ports = [[int.from_bytes(one["tags"][tag]) for tag in (25, 26)] for one in packets]
        assert ports == [[there, here], [here, there]] * 2
        client.close()

    play(script, tmp_path)


def test_a_damaged_file_of_contacts_is_told_and_started_afresh(tmp_path):
    (tmp_path / "relay-contacts.json").write_text("{[")

    async def script(rig):
        assert rig.events("contacts-forgotten")
        client = rig.client()
        client.send(datagram(PATH))
        await received(rig.server)
        assert list(json.loads((tmp_path / "relay-contacts.json").read_text()).values())
        client.close()

    play(script, tmp_path)


def test_a_link_that_cannot_be_bound_and_a_folder_in_use_are_told(tmp_path):
    async def script(rig):
        rig.settings.values["gateway.links"] = [rig.relay.links[0].url]
        with pytest.raises(StoreError, match="another gateway uses this folder"):
            RelayUe(rig.settings, rig.log, Clock())
        rig.settings.values["gateway.data"] = str(tmp_path / "other")
        with pytest.raises(OSError, match="choose another with --link"):
            RelayUe(rig.settings, rig.log, Clock())

    play(script, tmp_path)
