"""Blank UEs over a network that loses, delays, doubles and reorders, with restarts of all."""

import pytest

from msgin5g import coap
from tests.world import GATEWAY, UeNode, World, device_id, ue_id

HOUR_MS = 3_600_000
LOSSY = {"loss": 0.3, "delay_ms": (5, 300), "duplication": 0.1}


def run(world, done, milliseconds=6 * HOUR_MS):
    return world.wire.run(world.wire.now + milliseconds, done)


def check(world):
    """Everybody is registered under its own name, at the server and here, and nothing is left."""
    assert run(world, world.all_in("registered")), [one.states for one in world.ues]
    for number, one in enumerate(world.ues, 1):
        assert one.config["ue_service_id"] == ue_id(number)
        assert world.server.registry.get(ue_id(number)) is not None
    world.wire.run(world.wire.now + 20 * 60_000)
    assert not world.gateway.store.configurations
    bulk = world.gateway.core.configuring.bulk
    assert bulk._schedule.count == 0 and bulk._under_way is None


@pytest.mark.parametrize("block", range(8))
@pytest.mark.clause("6.2.3.1-p1", "6.2.3.1-p2", "6.1-c")
def test_at_30_percent_loss_every_blank_ue_is_configured_in_bulk_and_registers(tmp_path, block):
    for seed in range(block * 5, block * 5 + 5):
        world = World(tmp_path / str(seed), 4, seed, blank=True, **LOSSY)
        world.register()
        check(world)
        sign_ups = [one.core.counters["sign_ups"] for one in world.ues]
        assert all(sign_ups) and world.gateway.core.counters["bulk_requests"] >= 2
        world.deregister()
        assert run(world, world.all_in("deregistered"))
        assert not [ue for ue, _ in world.server.registry.items() if ue != GATEWAY]
        world.close()


@pytest.mark.parametrize("block", range(4))
@pytest.mark.clause("6.2.3.3.1-a")
def test_at_30_percent_loss_they_are_configured_by_gets_that_are_passed_on(tmp_path, block):
    for seed in range(block * 5, block * 5 + 5):
        bulk = {"configuration": False}
        world = World(tmp_path / str(seed), 4, seed, bulk=bulk, blank=True, **LOSSY)
        world.register()
        check(world)
        assert not world.gateway.core.counters["configurations_cached"]
        world.close()


def test_without_loss_one_bulk_get_and_one_second_answer_each_are_enough(tmp_path):
    world = World(tmp_path, 3, blank=True)
    assert run(world, lambda: world.gateway.core.own.registered)
    world.register()
    check(world)
    gets = [
        (source, target)
        for _, source, target, data in world.wire.log
        if coap.decode(data).code == coap.GET
    ]
    assert gets.count(("gateway", "server")) == 1
    assert len(gets) == 4
    for number in (1, 2, 3):
        answers = [
            coap.decode(data)
            for _, source, target, data in world.wire.log
            if (source, target) == ("gateway", f"ue{number}") and data[1] == coap.CONTENT
        ]
        interim, final = answers
        assert (interim.type, final.type) == (coap.ACK, coap.CON)
        assert (interim.mid, interim.token) == (final.mid, final.token)
    world.close()


@pytest.mark.parametrize("seed", range(12))
def test_a_gateway_that_is_killed_with_cached_gets_goes_on_with_them(tmp_path, seed):
    """The UEs are told on the Tokens of their first GETs, or ask again: all are configured."""
    world = World(tmp_path, 4, seed, blank=True, bulk={"default_wait_s": 3.0}, **LOSSY)
    world.register()
    assert run(world, lambda: world.gateway.store.configurations)
    for pause_ms in (500, 2_500):
        world.wire.run(world.wire.now + pause_ms + 100 * seed)
        world.restart_gateway()
    check(world)
    world.close()


def test_cached_gets_are_answered_after_a_kill_without_another_get(tmp_path):
    world = World(tmp_path, 3, blank=True)
    world.register()
    assert run(world, lambda: len(world.gateway.store.configurations) == 3)
    world.restart_gateway()
    check(world)
    for number in (1, 2, 3):
        asked = [
            data
            for _, source, _, data in world.wire.log
            if source == f"ue{number}" and coap.decode(data).code == coap.GET
        ]
        assert len(asked) == 1
    world.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_server_that_is_away_for_an_hour_delays_them_only(tmp_path, seed):
    world = World(tmp_path, 3, seed, blank=True, **LOSSY)
    world.server.close()
    world.wire.detach("server")
    world.register()
    world.wire.run(HOUR_MS)
    assert {one.state for one in world.ues} <= {"configuring", "backoff"}
    world.server = world.wire.attach("server", type(world.server)(world.server_settings, seed))
    check(world)
    world.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_ue_that_reboots_knows_who_it_is(tmp_path, seed):
    world = World(tmp_path, 2, seed, blank=True, **LOSSY)
    world.register()
    check(world)
    before = world.wire.detach("ue1")
    again = UeNode(1, seed=seed + 77, saved=before.saved, blank=True)
    world.ues[0] = world.wire.attach("ue1", again)
    again.core.register(world.wire.now)
    check(world)
    assert "configuring" not in again.states
    world.close()


def test_who_reboots_while_it_is_configured_is_configured_all_the_same(tmp_path):
    world = World(tmp_path, 2, blank=True)
    world.register()
    assert run(world, lambda: world.gateway.store.configurations)
    before = world.wire.detach("ue1")
    again = UeNode(1, seed=77, saved=before.saved, blank=True)
    world.ues[0] = world.wire.attach("ue1", again)
    again.core.register(world.wire.now)
    check(world)
    world.close()


def test_a_ue_that_nobody_knows_is_refused_and_configured_once_it_is_known(tmp_path):
    world = World(tmp_path, 2, blank=True)
    stranger = UeNode(9, seed=9, blank=True)
    world.wire.attach("ue9", stranger)
    stranger.core.register(0)
    world.register()
    assert run(world, world.all_in("registered"))
    assert stranger.states == ["configuring", "refused"]
    assert stranger.infos[-1] == {"cause": "4.03 UE may not use this gateway"}
    row = {"ue_service_id": ue_id(9), "ue_id": device_id(9)}
    world.gateway_settings.rows["ue"].append(row)
    world.server_settings.rows["ue"].append({**row, "gateway": None})
    world.restart_gateway()
    world.restart_server()
    assert run(world, lambda: stranger.state == "registered")
    world.close()


def test_whom_the_gateway_knows_and_the_server_does_not_is_told_in_a_second_answer(tmp_path):
    world = World(tmp_path, 2, blank=True)
    world.gateway_settings.rows["ue"].append({"ue_service_id": ue_id(9), "ue_id": device_id(9)})
    world.restart_gateway()
    stranger = UeNode(9, seed=9, blank=True)
    world.wire.attach("ue9", stranger)
    stranger.core.register(0)
    assert run(world, lambda: stranger.state == "refused", 60_000)
    assert stranger.states == ["configuring", "configuring", "refused"]
    assert "no configuration" in stranger.infos[-1]["cause"]
    world.close()
