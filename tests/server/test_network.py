"""Device triggering and reachability monitoring through the network (T8, TS 29.538 12)."""

import asyncio
import base64
import json

import pytest

from msgin5g import coap, gaps, registration
from msgin5g_server import network as network_module
from tests.server.exposure import MONITORING, TOKEN, TRIGGERING, Exposure, notify
from tests.server.http_world import AS_MESSAGE, Site, as_message, eventually, free_ports
from tests.server.post_office import PostOffice
from tests.world import SERVICE, ue_id

AS = "urn:example:as:1"
PROFILE = {"triInfo": {"ueId": "tel:+4915112345678", "cliPort": "7000"}}
HOUR_MS = 3_600_000
TRIGGER_MS = 300_000
# How long a confirmable message is repeated that nobody answers (RFC 7252 4.8.2).
ATTEMPT_MS = 93_000


# The way over HTTP, with a T8 that keeps the rules


def run(folder, job, **network):
    async def scenario():
        (port,) = free_ports(1)
        async with Exposure() as exposure:
            http = {
                "network.exposure": exposure.url,
                "network.token": TOKEN,
                "network.notify_at": f"http://127.0.0.1:{port}",
                **{f"network.{key}": value for key, value in network.items()},
            }
            rows = {"application": [{"as_service_id": AS}]}
            async with Site(folder, rows, http, [ue_id(1), ue_id(2)], port) as site:
                await job(site, exposure)
            assert exposure.problems == []

    asyncio.run(scenario())


async def register(site, profile=PROFILE):
    ue = await site.ue(1)
    await ue.post(registration.reg(ue_id(1), SERVICE, profile=profile))
    return ue


async def expire(site):
    """The registration ends."""
    row = site.core.registry.get(ue_id(1))
    row.expires_at_ms = 0
    site.core.registry.put(ue_id(1), row)


@pytest.mark.clause("6.4.1.2.6-p5", "6.4.1.2.6-p4-b")
@pytest.mark.parametrize("store", [False, True])
def test_a_ue_that_is_not_registered_is_triggered_and_gets_its_message(tmp_path, store):
    async def job(site, exposure):
        ue = await register(site)
        await expire(site)
        sent = as_message(stoAndFwInd=store)
        _, ack, _ = await site.post(AS_MESSAGE, sent)
        assert ack.get("status") == ("DELY_STORED" if store else None)
        (trigger,) = await exposure.until(lambda: exposure.of(TRIGGERING))
        assert (trigger["msisdn"], trigger["applicationPortId"]) == ("4915112345678", 7000)
        assert (trigger["validityPeriod"], trigger["priority"]) == (300, "NO_PRIORITY")
        assert base64.b64decode(trigger["triggerPayload"]) == SERVICE.encode()
        # A second message needs no second trigger.
        later = as_message(stoAndFwInd=store)
        await site.post(AS_MESSAGE, later)
        await exposure.until(lambda: exposure.resources)
        assert await exposure.result("SUCCESS") == 204
        await ue.post(registration.reg(ue_id(1), SERVICE, profile=PROFILE))
        payload = json.loads((await ue.next_request()).payload)
        entries = payload.get("indMsgList", [payload])
        got = [one["msgId"] for one in entries]
        while len(got) < 2:
            got.append(json.loads((await ue.next_request()).payload)["msgId"])
        assert got == [sent["msgId"], later["msgId"]]
        assert len(exposure.of(TRIGGERING)) == 1 and not exposure.of(MONITORING)

    run(tmp_path, job)


@pytest.mark.parametrize("result", ["FAILURE", "EXPIRED", "TERMINATE"])
def test_a_trigger_that_comes_to_nothing_ends_the_hope(tmp_path, result):
    async def job(site, exposure):
        await register(site)
        await expire(site)
        await site.post(AS_MESSAGE, as_message())
        await exposure.until(lambda: exposure.resources)
        assert len(site.core._store) == 1
        assert await exposure.result("TRIGGERED") == 204
        assert len(site.core._store) == 1
        assert await exposure.result(result) == 204
        await eventually(lambda: not len(site.core._store))
        inbox = site.core.messages.applications.inbox
        ((_, _, payload),) = await eventually(lambda: inbox(AS, 0))
        assert json.loads(payload)["Cause"] == gaps.CAUSE_UNAVAILABLE
        # Not again at once.
        _, ack, _ = await site.post(AS_MESSAGE, as_message())
        assert ack["failureCause"] == gaps.CAUSE_UNAVAILABLE
        assert len(exposure.of(TRIGGERING)) == 1

    run(tmp_path, job)


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_a_network_that_refuses_is_no_hope(tmp_path, status):
    async def job(site, exposure):
        exposure.refuses = status
        await register(site)
        await expire(site)
        await site.post(AS_MESSAGE, as_message())
        await exposure.until(lambda: exposure.of(TRIGGERING))
        await eventually(lambda: not len(site.core._store))

    run(tmp_path, job)


def test_a_network_that_is_not_there_is_no_hope(tmp_path):
    async def job(site, exposure):
        await register(site)
        await expire(site)
        await site.post(AS_MESSAGE, as_message())
        await eventually(lambda: site.counters["triggers_failed"])
        await eventually(lambda: not len(site.core._store))

    run(tmp_path, job, exposure="http://127.0.0.1:1")


@pytest.mark.clause("6.4.1.2.6-p3-mon")
def test_a_registered_ue_that_does_not_answer_is_monitored(tmp_path):
    async def job(site, exposure):
        ue = await register(site)
        ue.close()
        fail = site.core.messages.failed
        sent = as_message(stoAndFwInd=True)
        await site.post(AS_MESSAGE, sent)
        box = site.core.messages.courier._boxes[ue_id(1)]
        for _ in range(3):
            attempt = await eventually(lambda: box.attempt)
            await site.coap.durably(lambda now, one=attempt: fail(one, "timeout", now))
            box.not_before = 0
            site.coap._flush_soon()
        (subscription,) = await exposure.until(lambda: exposure.of(MONITORING))
        assert subscription["msisdn"] == "4915112345678"
        assert subscription["maximumNumberOfReports"] == 1
        await exposure.until(lambda: exposure.resources)
        assert box.asleep
        assert await exposure.reachable() == 204
        assert not exposure.resources
        await eventually(lambda: not box.asleep and box.attempt is not None)
        assert site.counters["reachable"] == 1

    run(tmp_path, job, trigger_s=0)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("triggers/0", {"transaction": "http://x", "result": "SUCCESS"}, 404),
        ("monitoring/0", {"subscription": "http://x"}, 404),
        ("triggers/0", {"transaction": "http://x"}, 400),
        ("triggers/0", {"result": "SUCCESS"}, 400),
        ("monitoring/0", {"subscription": 5}, 400),
        ("monitoring/0", [], 400),
        ("triggers/0", b"{", 400),
        ("triggers/0", b"\xff", 400),
        ("triggers/0", b"[" * 100_000, 400),
        ("elsewhere/0", {}, 404),
    ],
)
def test_a_notification_of_nothing_is_refused(tmp_path, path, body, status):
    async def job(site, exposure):
        assert await notify(f"{site.url}/network/v1/{path}", body) == status

    run(tmp_path, job)


# Decisions, with time by hand


@pytest.fixture
def office(tmp_path):
    made = PostOffice(tmp_path, network={"exposure": "http://nef", "notify_at": "http://me"})
    made.register(2, PROFILE)
    yield made
    made.close()


def asks(office):
    return [(one.method, one.kind) for one in office.messages.network.take()]


def go_away(office, number=2):
    """The registration ends without a word."""
    row = office.registry.get(ue_id(number))
    row.expires_at_ms = office.now
    office.registry.put(ue_id(number), row)


def test_who_told_nothing_is_not_triggered(office):
    go_away(office, 3)
    office.send(1, 3)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE
    assert asks(office) == []


def test_who_deregistered_is_not_triggered(office):
    office.deregister(2)
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE
    assert asks(office) == []


def test_who_registers_without_the_information_has_taken_it_back(office):
    office.register(2)
    go_away(office)
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE


def test_the_information_outlives_a_crash(office):
    go_away(office)
    office.core.commit()
    office.registry.commit()
    office.crash()
    office.send(1, 2)
    assert asks(office) == [("POST", "triggers")]


def test_the_hope_lasts_as_long_as_the_trigger(office):
    go_away(office)
    office.send(1, 2)
    assert asks(office) == [("POST", "triggers")] and not office.posts
    office.wait(TRIGGER_MS - 1)
    assert not office.posts
    office.wait(1)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE and asks(office) == []
    office.wait(TRIGGER_MS)
    office.send(1, 2)
    assert asks(office) == [("POST", "triggers")] and not office.posts


def test_a_short_trigger_does_not_keep_what_is_not_to_be_stored(tmp_path):
    """The attempt after it takes longer than the trigger did: that is no reason for another."""
    network = {"exposure": "http://nef", "notify_at": "http://me", "trigger_s": 10}
    office = PostOffice(tmp_path, network=network)
    office.register(2, PROFILE)
    sent = office.send(1, 2)
    for _ in range(3):
        office.take(None)
        office.wait(5_000)
    assert ("POST", "triggers") in asks(office)
    office.wait(10_000)
    office.wait(ATTEMPT_MS)
    assert office.take(None)[1].message_id == sent.message_id
    assert ("POST", "triggers") not in asks(office)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE and not len(office.core._store)
    office.close()


def test_who_registers_in_time_gets_it(office):
    go_away(office)
    sent = office.send(1, 2)
    asks(office)
    office.wait(TRIGGER_MS - 1)
    office.register(2, PROFILE)
    assert office.take()[1].message_id == sent.message_id
    # The next time it is gone, it is triggered anew.
    go_away(office)
    office.send(1, 2)
    assert asks(office) == [("POST", "triggers")]


def test_after_a_crash_what_waited_is_triggered_again(office):
    go_away(office)
    office.send(1, 2)
    asks(office)
    office.registry.commit()
    office.crash()
    assert asks(office) == [("POST", "triggers")]
    assert len(office.core._store) == 1


def test_a_ue_that_sleeps_until_its_window_is_not_triggered(office):
    start = "2023-11-15T00:00:00Z"
    profile = {**PROFILE, "comAvail": {"schTime": start, "durTime": "PT1H"}}
    office.register(2, profile)
    office.send(1, 2, store=True, expires_ms=office.now + 24 * HOUR_MS)
    assert asks(office) == []


def unanswered(office):
    """Let a message to UE 2 come to nothing; returns what asks the network."""
    office.send(1, 2, store=True, expires_ms=office.now + HOUR_MS)
    for _ in range(3):
        office.take(None)
        office.wait(5_000)
    return office.messages.network


def test_monitoring_ends_when_the_ue_registers(office):
    network = unanswered(office)
    subscribe, trigger = network.take()
    assert (subscribe.kind, trigger.kind) == ("monitoring", "triggers")
    assert json.loads(subscribe.body)["monitoringType"] == "UE_REACHABILITY"
    network.answered(subscribe, 201, b"{}", "http://nef/3gpp/1", office.now)
    office.posts.clear()
    office.register(2, PROFILE)
    (delete,) = network.take()
    assert (delete.method, delete.url) == ("DELETE", "http://nef/3gpp/1")


def test_monitoring_ends_when_the_ue_leaves(office):
    network = unanswered(office)
    subscribe, _ = network.take()
    network.answered(subscribe, 201, b"{}", "http://nef/3gpp/1", office.now)
    office.deregister(2)
    assert [(one.method, one.url) for one in network.take()] == [("DELETE", "http://nef/3gpp/1")]
    assert {one.table: one.entries for one in network.fills()}["monitored"] == 0


def test_an_account_says_by_which_id_a_ue_is_monitored_that_did_not_tell(tmp_path):
    class Office(PostOffice):
        def accounts(self):
            found = super().accounts()
            found[2]["ue_id"] = "device3@example.org"
            return found

    office = Office(tmp_path, network={"exposure": "http://nef", "notify_at": "http://me"})
    for number in (3, 4):
        office.send(1, number, store=True, expires_ms=office.now + HOUR_MS)
        for _ in range(3):
            office.take(None)
            office.wait(5_000)
    (subscribe,) = office.messages.network.take()
    assert (subscribe.kind, subscribe.ue) == ("monitoring", ue_id(3))
    assert json.loads(subscribe.body)["externalId"] == "device3@example.org"
    office.close()


def test_an_answer_that_comes_too_late_is_cancelled(office):
    network = unanswered(office)
    subscribe, _ = network.take()
    office.posts.clear()
    office.register(2, PROFILE)
    assert network.take() == []
    network.answered(subscribe, 201, b"{}", "http://nef/3gpp/1", office.now)
    assert [one.method for one in network.take()] == ["DELETE"]
    # Nobody else is shown the token.
    network.answered(subscribe, 201, b"{}", "http://elsewhere/1", office.now)
    assert network.take() == []


@pytest.mark.parametrize(
    ("status", "body", "woken"),
    [
        (200, b'{"monitoringType":"UE_REACHABILITY"}', True),
        (200, b'{"monitoringType":"LOSS_OF_CONNECTIVITY"}', False),
        (200, b"<html>", False),
        (200, b"", False),
        (200, b"[" * 60_000, False),
        (503, b"", False),
        (0, b"", False),
    ],
)
def test_the_answer_to_a_subscription_may_be_the_report(office, status, body, woken):
    network = unanswered(office)
    subscribe, _ = network.take()
    office.posts.clear()
    network.answered(subscribe, status, body, "", office.now)
    office.settle()
    assert bool(office.posts) == woken


def test_tables_are_bounded(office, monkeypatch):
    for name in ("MAX_TRIGGERABLE", "MAX_TRIGGERS", "MAX_MONITORED"):
        monkeypatch.setattr(network_module, name, 1)
    office.register(3, {"triInfo": {"ueId": "dev3@example.org", "cliPorts": PORTS}})
    assert office.counters["triggerable_forgotten"] == 1
    go_away(office, 2)
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE
    go_away(office, 3)
    office.send(1, 3)
    (trigger,) = office.messages.network.take()
    body = json.loads(trigger.body)
    assert (body["externalId"], body["applicationPortId"]) == ("dev3@example.org", 9)
    network = office.messages.network
    monkeypatch.setattr(network_module, "MAX_TRIGGERABLE", 10)
    office.register(2, PROFILE)
    assert network.wake(ue_id(2), False, office.now) == 0
    assert office.counters["triggers_full"] == 1
    network.wake(ue_id(3), True, office.now)
    network.wake(ue_id(2), True, office.now)
    assert office.counters["monitoring_forgotten"] == 1
    assert list(network._watches) == [ue_id(2)] and len(network._refs) == 2


PORTS = [{"portNum": 9, "Protocol": "NIDD"}, {"portNum": 10, "Protocol": "SMS"}]


@pytest.mark.parametrize("port", ["", "x", "70000", "-1", "٣"])
def test_a_port_that_is_none_is_not_kept(office, port):
    office.ask(
        registration.reg(
            ue_id(2), SERVICE, profile={"triInfo": {"ueId": "urn:x:y", "cliPort": port or "a"}}
        ),
        2,
    )
    go_away(office)
    office.send(1, 2)
    assert office.take()[1].cause == gaps.CAUSE_UNAVAILABLE


def test_a_ue_behind_a_gateway_answers_by_it(office):
    """A gateway that answers 4.04 has not reached its UE: that is no answer either."""
    office.send(1, 2)
    for _ in range(3):
        office.take(coap.NOT_FOUND)
        office.wait(5_000)
    assert ("POST", "triggers") in asks(office)
