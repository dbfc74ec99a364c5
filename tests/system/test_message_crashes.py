"""kill -9 of gateway or server around every commit while messages travel, then a restart.

A crash takes everything that is not on disk: the node is dropped and a new one opens the same
folder. What was acknowledged to a UE is not repeated by it, so nothing of it may be lost; what is
repeated must not reach an application again.
"""

import pytest

from tests.system.test_lossy_messages import GROUP, LOSSY, Post, join, make_world, settle

MOST_STEPS = 400
PLACES = ["before the commit", "after the commit"]


class Crash(Exception):
    pass


class Killer:
    """Kills a node, "gateway" or "server", at the first-th commit with something to write or to
    send, and then at every again-th, if again is not 0.

    taken: how many deliveries the server put on disk, reports included.
    """

    def __init__(self, world, name, where, first, again=0):
        self.crashes = self.taken = 0
        self._staged = 0
        self._world = world
        self._name = name
        self._where = where
        self._left = first
        self._again = again
        self._is_due = False
        self.arm()

    def arm(self):
        self._node = getattr(self._world, self._name)
        self._world.server.crash = self._count
        self._node.crash = self._at

    def _count(self, place):
        if place == PLACES[1]:
            self.taken += self._staged
            return
        staged = self._world.server.core._store._staged
        self._staged = sum(what.startswith("INSERT INTO delivery") for what, _ in staged)

    def _at(self, place):
        if self._name == "server":
            self._count(place)
        if place == PLACES[0]:
            if not self._node.has_work() or not self._left:
                return
            self._left -= 1
            self._is_due = not self._left
        if self._is_due and place == self._where:
            self._is_due = False
            self._left = self._again
            raise Crash

    def settle(self, post, why):
        """As `settle`, with a restart after each crash."""
        while True:
            try:
                settle(self._world, post, why)
                return
            except Crash:
                self.crashes += 1
                getattr(self._world, f"restart_{self._name}")()
                self.arm()


def send_some(post):
    """Each of three UEs: one of either priority to the next, and one to the group."""
    for sender in (1, 2, 3):
        for priority in ("LOW", "HIGH"):
            post.send(sender, sender % 3 + 1, f"{sender} {priority}", priority)
        post.send(sender, GROUP, f"{sender} to all")


def run(folder, name, where, first, again=0, away=False, **wire):
    """One life with crashes; returns how many there were. away: the server comes late."""
    world = make_world(folder, first, **wire)
    join(world)
    post = Post(world)
    if away:
        server = world.wire.detach("server")
        killer = Killer(world, name, where, first, again)
        send_some(post)
        end = world.wire.now + 300_000
        while world.wire.now < end:
            try:
                world.wire.run(end)
            except Crash:
                killer.crashes += 1
                world.restart_gateway()
                killer.arm()
        world.wire.attach("server", server)
    else:
        killer = Killer(world, name, where, first, again)
        send_some(post)
    killer.settle(post, (name, where, first))
    # Fewer where reports travelled together.
    assert killer.taken <= post.deliveries(), "the server took a repeated message for a new one"
    world.close()
    return killer.crashes


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", ["gateway", "server"])
def test_killed_once_at_any_step(tmp_path, name, where):
    for step in range(1, MOST_STEPS):
        if not run(tmp_path / str(step), name, where, step, delay_ms=(1, 300)):
            break
    assert 30 < step < MOST_STEPS - 1, step


@pytest.mark.parametrize("where", PLACES)
def test_a_gateway_killed_at_any_step_of_filling_and_emptying_its_outbox(tmp_path, where):
    for step in range(1, MOST_STEPS):
        if not run(tmp_path / str(step), "gateway", where, step, away=True, delay_ms=(1, 300)):
            break
    assert 30 < step < MOST_STEPS - 1, step


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("name", ["gateway", "server"])
def test_killed_again_and_again_on_a_bad_network(tmp_path, name, where):
    for seed in range(1, 11):
        folder = tmp_path / str(seed)
        bad = {"loss": 0.1, "delay_ms": (1, 400), "duplication": 0.1}
        assert run(folder, name, where, seed, 7 + seed, **bad) >= 2


@pytest.mark.parametrize("name", ["gateway", "server"])
@pytest.mark.parametrize("seed", [3, 8])
def test_messages_in_segments_survive_crashes_and_loss(tmp_path, name, seed):
    world = make_world(tmp_path, seed, **LOSSY)
    join(world)
    post = Post(world)
    killer = Killer(world, name, PLACES[seed % 2], seed + 1, 11 + seed % 7)
    for sender in (1, 2, 3):
        post.send(sender, sender % 3 + 1, f"{sender} " + "x" * 3000)
    killer.settle(post, (name, seed))
    assert killer.crashes >= 2
    world.close()
