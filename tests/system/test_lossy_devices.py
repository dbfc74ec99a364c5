"""Devices without an MSGin5G client, local and on behalf, L3 and CoAP, over a bad network."""

import pytest

from tests.world import GATEWAY, World

HOUR_MS = 3_600_000
DEVICES = {1: "l3", 2: "l3", 3: "coap", 4: "coap"}


def at_the_server(world):
    return {ue for ue, _ in world.server.registry.items() if ue != GATEWAY}


@pytest.mark.parametrize("block", range(10))
def test_at_30_percent_loss_every_device_comes_and_goes(tmp_path, block):
    for seed in range(block * 10, block * 10 + 10):
        folder = tmp_path / str(seed)
        world = World(
            folder, 0, seed=seed, devices=DEVICES, loss=0.3, delay_ms=(1, 400), duplication=0.1
        )
        world.register()
        assert world.wire.run(HOUR_MS, world.all_in("registered")), seed
        assert set(world.gateway.store.devices) == set(DEVICES), seed
        assert at_the_server(world) == {"urn:example:device:1", "urn:example:device:3"}, seed
        world.deregister()
        assert world.wire.run(2 * HOUR_MS, world.all_in("deregistered")), seed
        world.wire.run(world.wire.now + 30_000)
        assert not world.gateway.store.devices and not at_the_server(world), seed
        world.close()


@pytest.mark.parametrize("seed", range(10))
def test_devices_survive_a_gateway_that_is_killed(tmp_path, seed):
    world = World(tmp_path, 0, seed=seed, devices=DEVICES, loss=0.1, delay_ms=(1, 100))
    world.register()
    world.wire.run(seed * 300)
    world.restart_gateway()
    assert world.wire.run(HOUR_MS, world.all_in("registered"))
    world.deregister()
    world.wire.run(world.wire.now + seed * 100)
    world.restart_gateway()
    assert world.wire.run(3 * HOUR_MS, world.all_in("deregistered"))
    assert not at_the_server(world)
    world.close()


@pytest.mark.parametrize("mode", ["l3", "coap"])
def test_a_server_that_is_away_delays_a_device_and_nothing_else(tmp_path, mode):
    world = World(tmp_path, 0, devices={1: mode, 2: mode})
    server = world.wire.detach("server")
    world.register()
    assert world.wire.run(60_000, lambda: world.ues[1].state == "registered")
    assert world.ues[0].state != "registered"
    world.wire.run(120_000)
    assert 1 not in world.gateway.store.devices and "backoff" in world.ues[0].states
    world.wire.attach("server", server)
    assert world.wire.run(HOUR_MS, world.all_in("registered"))
    world.close()


def test_devices_stay_registered_for_days(tmp_path):
    world = World(tmp_path, 0, devices=DEVICES)
    world.register()
    assert world.wire.run(HOUR_MS, world.all_in("registered"))
    for hour in range(2, 30):
        world.wire.run(hour * HOUR_MS)
        assert len(at_the_server(world)) == 2
    assert all(one.state == "registered" for one in world.ues)
    assert all(one.states.count("registering") == 1 for one in world.ues)
    world.close()
