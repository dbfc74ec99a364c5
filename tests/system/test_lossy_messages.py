"""Messages between UEs behind a gateway, over a network that loses, delays, doubles and reorders.

What the application of each UE is handed, and which reports it gets, is compared with what was
sent: all of it, once, in the order of each sender and priority.
"""

from collections import Counter

import pytest

from msgin5g import names as n
from tests.world import World, ue_id

HOUR_MS = 3_600_000
GROUP = "urn:example:group:1"
UES = 3
LOSSY = {"loss": 0.3, "delay_ms": (1, 400), "duplication": 0.1}


class Post:
    """What was sent: {recipient's number: [(sender, priority, payload), ...]} in order, and for
    each sender the Message IDs it wants reports on, as often as it wants them."""

    def __init__(self, world):
        self.world = world
        self.expected = {number: [] for number in range(1, world.count + 1)}
        self.reports = {number: Counter() for number in range(1, world.count + 1)}
        self.ids = set()

    def send(self, sender, to, payload, priority="NORMAL"):
        """to: the number of a UE, or GROUP."""
        everybody = [one for one in self.expected if one != sender]
        recipients = everybody if to == GROUP else [to]
        kind, address = ("GROUP", GROUP) if to == GROUP else ("UE", ue_id(to))
        message_id = self.world.ues[sender - 1].send(
            address, payload, self.world.wire.now, kind, priority=priority
        )
        self.ids.add(message_id)
        self.reports[sender][message_id] += len(recipients)
        for one in recipients:
            self.expected[one].append((ue_id(sender), priority, payload))

    def send_round(self, tag):
        """Every UE: two of either priority to each other UE, in turns, and one to the group."""
        for sender in self.expected:
            for number in range(2):
                for to in [one for one in self.expected if one != sender]:
                    for priority in ("HIGH", "LOW"):
                        self.send(sender, to, f"{tag} {sender}-{to} {priority} {number}", priority)
            self.send(sender, GROUP, f"{tag} {sender} to all")

    def has_arrived(self):
        """Everything is there, reports as well; what comes too often is found by `check`."""
        ues = self.world.ues
        return all(
            len(ues[number - 1].received()) >= len(wanted)
            and len(ues[number - 1].named("report")) >= self.reports[number].total()
            for number, wanted in self.expected.items()
        )

    def check(self, why=None):
        for number, wanted in self.expected.items():
            ue = self.world.ues[number - 1]
            got = [
                (one.origin[1], one.priority, one.payload.decode(), one.group)
                for one in ue.received()
            ]
            assert [one for one in got if one[3]] == [
                one for one in got if one[2].endswith("to all")
            ], why
            got = [one[:3] for one in got]
            assert len(got) == len(set(got)), (why, "handed on twice")
            assert _by_line(got) == _by_line(wanted), (why, number)
            reports = ue.named("report")
            assert all(success for _, success, _ in reports), (why, reports)
            assert Counter(one for one, _, _ in reports) == self.reports[number], (why, number)
            assert not [one for one in ue.named("outcome") if one[1]], why

    def messages(self):
        """How many messages there are, one for each recipient."""
        return sum(len(wanted) for wanted in self.expected.values())

    def deliveries(self):
        """How many deliveries the server makes of it all at most: reports may travel together."""
        return self.messages() + sum(wanted.total() for wanted in self.reports.values())

    def is_at_rest(self):
        """Nothing is left anywhere."""
        world = self.world
        return (
            not len(world.server.core._store)
            and not world.gateway.store.outbox
            and all(one.core.messages().is_idle() for one in world.ues)
        )


def _by_line(messages):
    """{(sender, priority): payloads in order}"""
    lines = {}
    for sender, priority, payload in messages:
        lines.setdefault((sender, priority), []).append(payload)
    return lines


def make_world(folder, seed, ue=None, **more):
    ue = {"outbox_messages": 64, "outbox_bytes": 65536, **(ue or {})}
    server = {"keep_priority": True, **more.pop("server", {})}
    groups = [(GROUP, range(1, UES + 1))]
    return World(folder, UES, seed=seed, groups=groups, ue=ue, server=server, **more)


def join(world):
    world.register()
    assert world.wire.run(world.wire.now + HOUR_MS, world.all_in("registered"))


def settle(world, post, why=None):
    """Run until all have it, and on, for what may still come twice."""
    start = world.wire.now
    assert world.wire.run(start + 6 * HOUR_MS, post.has_arrived), (why, post.check(why))
    world.wire.run(world.wire.now + 10 * 60_000)
    post.check(why)
    assert post.is_at_rest(), why


@pytest.mark.parametrize("block", range(20))
def test_at_30_percent_loss_everything_arrives_once_and_in_order(tmp_path, block):
    for seed in range(block * 10, block * 10 + 10):
        # Half of the seeds with a server that sends several messages in one.
        server = {"aggregate": bool(seed % 2)}
        world = make_world(tmp_path / str(seed), seed, server=server, **LOSSY)
        join(world)
        post = Post(world)
        post.send_round("first")
        settle(world, post, seed)
        # The server tells repeated messages apart by itself, without the UEs' help.
        assert post.messages() < world.server.core.counters["delivered"] <= post.deliveries(), seed
        world.close()


@pytest.mark.parametrize("seed", range(10))
def test_several_rounds_of_messages_while_registrations_are_renewed(tmp_path, seed):
    world = make_world(tmp_path, seed, ue={"refresh_s": 60}, **LOSSY)
    join(world)
    post = Post(world)
    for tag in ("first", "second", "third"):
        post.send_round(tag)
        world.wire.run(world.wire.now + 45_000)
    settle(world, post, seed)
    world.close()


@pytest.mark.parametrize("minutes", [1, 30, 6 * 60])
@pytest.mark.parametrize("seed", range(5))
def test_a_recipient_that_was_detached_gets_what_was_sent_meanwhile(tmp_path, seed, minutes):
    world = make_world(tmp_path, seed, **LOSSY)
    join(world)
    gone = world.wire.detach("ue2")
    post = Post(world)
    for sender in (1, 3):
        for number in range(3):
            for priority in ("HIGH", "NORMAL"):
                post.send(sender, 2, f"{sender} {priority} {number}", priority)
        post.send(sender, GROUP, f"{sender} to all")
    world.wire.run(world.wire.now + minutes * 60_000)
    assert not gone.received()
    world.wire.attach("ue2", gone)
    settle(world, post, seed)
    world.close()


@pytest.mark.parametrize("seed", range(10))
def test_a_recipient_that_left_gets_its_messages_when_it_is_back(tmp_path, seed):
    world = make_world(tmp_path, seed, **LOSSY)
    join(world)
    away = world.ues[1]
    away.core.deregister(world.wire.now)
    assert world.wire.run(world.wire.now + HOUR_MS, lambda: away.state == "deregistered")
    post = Post(world)
    for sender in (1, 3):
        for number in range(3):
            post.send(sender, 2, f"{sender} {number}")
    world.wire.run(world.wire.now + HOUR_MS)
    assert not away.received()
    for sender in (1, 3):
        ue = world.ues[sender - 1]
        told = [(one, status) for one, status, _ in ue.named("response")]
        # MSGRESP is not repeated: the network may have taken some.
        assert len(told) == len(set(told)) and {status for _, status in told} <= {n.STORED}
    away.core.register(world.wire.now)
    settle(world, post, seed)
    world.close()


@pytest.mark.parametrize("minutes", [1, 20])
@pytest.mark.parametrize("seed", range(5))
def test_a_server_that_is_away_gets_everything_in_order_from_the_outbox(tmp_path, seed, minutes):
    world = make_world(tmp_path, seed, **LOSSY)
    join(world)
    server = world.wire.detach("server")
    post = Post(world)
    post.send_round("away")
    world.wire.run(world.wire.now + minutes * 60_000)
    if minutes == 20:
        # The gateway has taken all of it: nobody but it has to wait for the server.
        taken = {one for ue in world.ues for one, cause in ue.named("outcome") if cause is None}
        assert taken == post.ids and len(world.gateway.store.outbox) == len(post.ids)
    world.wire.attach("server", server)
    post.send_round("back")
    settle(world, post, seed)
    assert post.messages() < world.server.core.counters["delivered"] <= post.deliveries()
    world.close()


@pytest.mark.parametrize("seed", range(5))
def test_a_gateway_that_is_away_is_waited_for(tmp_path, seed):
    world = make_world(tmp_path, seed, **LOSSY)
    join(world)
    post = Post(world)
    post.send_round("first")
    world.wire.run(world.wire.now + 3_000)
    gateway = world.wire.detach("gateway")
    post.send_round("second")
    world.wire.run(world.wire.now + 10 * 60_000)
    world.wire.attach("gateway", gateway)
    settle(world, post, seed)
    world.close()


def test_the_same_seed_gives_the_same_way_of_every_message(tmp_path):
    ways = []
    for run in ("a", "b"):
        world = make_world(tmp_path / run, 7, **LOSSY)
        join(world)
        post = Post(world)
        post.send_round("first")
        settle(world, post)
        ways.append([(at, *way, len(data)) for at, *way, data in world.wire.log])
        world.close()
    assert ways[0] == ways[1]


@pytest.mark.parametrize("block", range(4))
def test_messages_in_segments_arrive_at_30_percent_loss(tmp_path, block):
    for seed in range(block * 5, block * 5 + 5):
        world = make_world(tmp_path / str(seed), seed, **LOSSY)
        join(world)
        post = Post(world)
        for sender in (1, 2, 3):
            post.send(sender, sender % 3 + 1, f"{sender} " + "0123456789" * 250)
        settle(world, post, seed)
        world.close()
