"""Topics over a network that loses, delays, doubles and reorders, with restarts of everybody."""

import pytest

from msgin5g import gaps
from tests.world import UeNode, World, ue_id

TOPIC = "plant/21/temperature"
HOUR_MS = 3_600_000
LOSSY = {"loss": 0.3, "delay_ms": (5, 300), "duplication": 0.1}


def topics_of(ue):
    return ue.core.messages().topics()


class Meeting:
    """A world with UEs 1 and 2 subscribed and UE 3, which speaks. `said` is what it said."""

    def __init__(self, folder, seed=0, **more):
        self.world = World(folder, 3, seed=seed, **more)
        self.wire = self.world.wire
        self.said = []
        self.world.register()
        assert self.run(self.world.all_in("registered"))
        for ue in self.listeners:
            topics_of(ue).subscribe(TOPIC, self.wire.now)
        assert self.run(self.is_subscribed)

    @property
    def listeners(self):
        return self.world.ues[:2]

    @property
    def table(self):
        return self.world.server.core.messages.topics

    def run(self, done, milliseconds=6 * HOUR_MS):
        return self.wire.run(self.wire.now + milliseconds, done)

    def is_subscribed(self):
        return all(
            ("topic", TOPIC, "subscribed", None) in ue.topic_events for ue in self.listeners
        )

    def say(self, count=5):
        for _ in range(count):
            payload = b"reading %d" % len(self.said)
            self.said.append(payload)
            self.world.ues[2].send(TOPIC, payload, self.wire.now, kind="TOPIC")

    def has_heard(self):
        return all(len(ue.received()) >= len(self.said) for ue in self.listeners)

    def check(self):
        """All of it, once, in order, as messages of the topic."""
        assert self.run(self.has_heard), [len(ue.received()) for ue in self.listeners]
        self.wire.run(self.wire.now + 10 * 60_000)
        for ue in self.listeners:
            assert [one.payload for one in ue.received()] == self.said
            assert {one.group for one in ue.received()} == {TOPIC}
            assert {one.origin for one in ue.received()} == {("UE", ue_id(3))}
        assert not self.world.ues[2].received()
        reports = self.world.ues[2].named("report")
        assert len(reports) == 2 * len(self.said) and all(one[1] for one in reports)


@pytest.mark.parametrize("block", range(5))
@pytest.mark.clause("6.6.1-p2", "6.4.1.2.6-d4", "6.4.1.2.1-e")
def test_at_30_percent_loss_every_subscriber_hears_everything_once_and_in_order(tmp_path, block):
    for seed in range(block * 6, block * 6 + 6):
        meeting = Meeting(tmp_path / str(seed), seed, **LOSSY)
        meeting.say()
        meeting.check()
        for ue in meeting.listeners:
            topics_of(ue).unsubscribe(TOPIC, meeting.wire.now)
        assert meeting.run(lambda meeting=meeting: len(meeting.table) == 0)
        meeting.wire.run(meeting.wire.now + 10 * 60_000)
        assert not meeting.world.gateway.store.observations
        meeting.world.close()


@pytest.mark.parametrize("who", ["server", "gateway"])
@pytest.mark.parametrize("seed", range(4))
def test_subscriptions_outlive_a_kill_of_server_and_gateway(tmp_path, who, seed):
    meeting = Meeting(tmp_path, seed, **LOSSY)
    for _ in range(3):
        meeting.say(2)
        meeting.wire.run(meeting.wire.now + 1_000 * seed)
        getattr(meeting.world, f"restart_{who}")()
        meeting.say(2)
        assert len(meeting.table) == 2 and len(meeting.world.gateway.store.observations) == 2
    meeting.check()
    meeting.world.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_ue_that_reboots_goes_on_where_it_was(tmp_path, seed):
    """Its state file has the topic and the Token, and it subscribes again once registered."""
    meeting = Meeting(tmp_path, seed, **LOSSY)
    world = meeting.world
    before = world.wire.detach("ue1")
    assert before.saved["topics"][0][0] == TOPIC
    again = UeNode(1, seed=seed + 77, saved=before.saved)
    world.ues[0] = world.wire.attach("ue1", again)
    meeting.say(3)
    again.core.register(world.wire.now)
    meeting.check()
    renewed = world.server.core.counters["subscriptions renewed"]
    assert renewed >= 1 and len(meeting.table) == 2
    world.close()


def test_a_ue_that_lost_its_state_answers_reset_and_is_subscribed_no_longer(tmp_path):
    meeting = Meeting(tmp_path)
    world = meeting.world
    world.wire.detach("ue1")
    world.ues[0] = world.wire.attach("ue1", UeNode(1, seed=77))
    world.ues[0].core.register(world.wire.now)
    assert meeting.run(world.all_in("registered"))
    meeting.say(1)
    assert meeting.run(lambda: len(meeting.table) == 1, 600_000)
    assert [one.ue for one in world.gateway.store.observations.values()] == [ue_id(2)]
    assert meeting.run(lambda: world.ues[2].named("response"))
    assert world.ues[1].received() and not world.ues[0].received()
    (told,) = world.ues[2].named("response")
    assert told[1:] == ("failure", gaps.CAUSE_UNSUBSCRIBED)
    world.close()


def test_a_subscription_is_renewed_before_it_ends(tmp_path):
    meeting = Meeting(tmp_path, server={"subscription_lifetime_s": 600})
    meeting.wire.run(meeting.wire.now + 3 * HOUR_MS)
    assert len(meeting.table) == 2
    assert meeting.world.server.core.counters["subscriptions renewed"] >= 2 * 18
    meeting.say(1)
    meeting.check()
    meeting.world.close()
