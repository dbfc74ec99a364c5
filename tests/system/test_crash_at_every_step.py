"""kill -9 of gateway or server around every commit of a bulk registration, then a restart.

A crash takes everything that is not on disk: the node is dropped without a commit and a new one
opens the same folder. Nothing that was accepted may be lost, nobody may be registered twice.
"""

import pytest

from tests.world import World

HOUR_MS = 3_600_000
STEPS = 40


class Crash(Exception):
    pass


def crash_at(step, where, is_dirty):
    """Return a hook that raises Crash at the step-th commit that has something to write."""
    left = [step]

    def hook(place):
        if place == "before the commit" and is_dirty():
            left[0] -= 1
            if left[0] == 0 and where == place:
                raise Crash
        elif left[0] == 0 and where == place:
            left[0] = -1
            raise Crash

    return hook


def run_with_crash(world, restart):
    """Run until all are registered; tells whether the crash came."""

    def finished():
        store = world.gateway.store
        kept = store.pending or store.configurations
        return world.all_in("registered")() and not kept

    world.register()
    try:
        done = world.wire.run(HOUR_MS, finished)
    except Crash:
        restart()
        assert world.wire.run(2 * HOUR_MS, finished)
        return True
    assert done
    return False


def check(world):
    registered = {ue for ue, _ in world.server.registry.items()}
    assert {one.id for one in world.ues} <= registered
    for one in world.ues:
        assert one.states.count("registered") == 1, one.states


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_a_gateway_killed_at_any_step_loses_no_accepted_request(tmp_path, where, blank):
    crashes = 0
    for step in range(1, STEPS):
        world = World(tmp_path / str(step), 3, seed=step, delay_ms=(1, 300), blank=blank)
        store = world.gateway.store
        world.gateway.crash = crash_at(step, where, lambda store=store: store._staged)
        crashed = run_with_crash(world, world.restart_gateway)
        check(world)
        crashes += crashed
        world.close()
        if not crashed:
            break
    assert crashes >= 8


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_a_server_killed_at_any_step_ends_with_everybody_registered(tmp_path, where, blank):
    crashes = 0
    for step in range(1, STEPS):
        world = World(tmp_path / str(step), 3, seed=step, delay_ms=(1, 300), blank=blank)
        registry = world.server.registry
        world.server.crash = crash_at(step, where, lambda reg=registry: reg._changed)
        crashed = run_with_crash(world, world.restart_server)
        check(world)
        crashes += crashed
        world.close()
        if not crashed:
            break
    assert crashes >= 2


def test_an_interim_answer_is_a_promise_that_survives_a_crash(tmp_path):
    # reqExpTime is far away, so the gateway dies while it has nothing but the cached request.
    world = World(tmp_path, 3, bulk={"interval_s": 30.0}, ue={"wait_s": 60})
    world.register()
    assert world.wire.run(10_000, world.all_in("waiting"))
    sent = len([one for one in world.wire.log if one[1].startswith("ue")])
    world.restart_gateway()
    assert world.wire.run(60_000, world.all_in("registered"))
    requests = [one for one in world.wire.log if one[1].startswith("ue")][sent:]
    assert len(requests) == 3, "each UE only acknowledges its REGRESP"
    world.close()
