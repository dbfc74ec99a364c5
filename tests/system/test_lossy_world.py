"""UE, gateway and server cores over a network that loses, delays, doubles and reorders."""

import pytest

from tests.world import World

HOUR_MS = 3_600_000


@pytest.mark.parametrize("block", range(20))
def test_at_30_percent_loss_each_way_every_ue_ends_registered_exactly_once(tmp_path, block):
    for seed in range(block * 10, block * 10 + 10):
        folder = tmp_path / str(seed)
        world = World(folder, 4, seed=seed, loss=0.3, delay_ms=(1, 400), duplication=0.1)
        world.register()
        assert world.wire.run(HOUR_MS, world.all_in("registered")), seed
        registered = [ue for ue, _ in world.server.registry.items()]
        assert len(registered) == len(set(registered))
        assert {one.id for one in world.ues} <= set(registered), seed
        for one in world.ues:
            assert one.states.count("registered") == 1, (seed, one.states)
        assert world.server.core.counters["registered"] == len(registered)
        world.close()


def test_the_same_seed_gives_the_same_datagrams(tmp_path):
    logs = []
    for run in ("a", "b"):
        world = World(tmp_path / run, 3, seed=7, loss=0.2, delay_ms=(1, 50))
        world.register()
        assert world.wire.run(HOUR_MS, world.all_in("registered"))
        logs.append(world.wire.log)
        world.close()
    assert logs[0] == logs[1]


@pytest.mark.parametrize("seed", range(10))
def test_a_lossy_way_out_de_registers_everybody(tmp_path, seed):
    world = World(tmp_path, 4, seed=seed, loss=0.3, delay_ms=(1, 400), duplication=0.1)
    world.register()
    assert world.wire.run(HOUR_MS, world.all_in("registered"))
    world.deregister()
    assert world.wire.run(2 * HOUR_MS, world.all_in("deregistered"))
    assert not [ue for ue, _ in world.server.registry.items() if ue.startswith("urn:example:ue")]
    world.close()


@pytest.mark.parametrize("minutes", [0.1, 1, 10, 24 * 60])
def test_after_a_blackout_every_ue_comes_back_by_itself(tmp_path, minutes):
    end = int(minutes * 60_000)
    world = World(tmp_path, 3, ue={"refresh_s": 60}, blackouts=[(60_000, 60_000 + end)])
    world.register()
    assert world.wire.run(59_000, world.all_in("registered"))
    world.wire.run(60_000 + end)
    again = 60_000 + end + 15 * 60_000
    assert world.wire.run(again, world.all_in("registered"))
    world.close()


def test_ues_start_before_the_gateway_and_the_gateway_before_the_server(tmp_path):
    world = World(tmp_path, 3)
    server, gateway = world.wire.detach("server"), world.wire.detach("gateway")
    world.register()
    world.wire.run(5 * 60_000)
    assert all(one.state in ("backoff", "signing-up") for one in world.ues)
    world.wire.attach("gateway", gateway)
    world.wire.run(15 * 60_000)
    assert all(one.state not in ("registered", "refused") for one in world.ues)
    world.wire.attach("server", server)
    assert world.wire.run(30 * 60_000, world.all_in("registered"))
    world.close()
