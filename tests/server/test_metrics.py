"""The Server's /metrics after real traffic."""

import asyncio
import uuid

from msgin5g import coap, gaps, registration
from msgin5g_server.registry import Registration, Registry
from tests.prometheus import MAX_SAMPLES, parsed, value
from tests.server.http_world import AS, UE1, UE2, Site, a_msg
from tests.world import SERVICE, ue_id

MESSAGES = "msgin5g_messages_total"


async def scrape(site):
    async with site.session.get("/metrics") as answer:
        assert answer.status == 200
        return parsed(await answer.text())


def play(script, folder, **more):
    async def main():
        async with Site(folder, {"application": [{"as_service_id": AS}]}, **more) as site:
            await script(site)

    asyncio.run(main())


async def until_delivered(site, count):
    for _ in range(500):
        if site.counters["delivered"] >= count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(site.counters)


def test_messages_are_counted_by_direction_type_and_result(tmp_path):
    async def script(site):
        one, other = await site.ue(1), await site.ue(2)
        before = await scrape(site)
        payload, _ = a_msg(1, ("UE", UE2))
        assert (await one.post(payload)).code == coap.CHANGED
        await other.next_request()
        assert (await one.post(payload)).code == coap.CHANGED
        # Nobody has that name.
        await one.post(a_msg(1, ("UE", "urn:nobody"))[0])
        await one.post(a_msg(1, ("AS", AS))[0])
        await until_delivered(site, 2)
        got = await scrape(site)
        assert value(before, MESSAGES) == 0
        counts = {tuple(value for _, value in key): count for key, count in got[MESSAGES].items()}
        assert counts[("in", "accepted", "MSG")] == 2
        assert counts[("in", "repeated", "MSG")] == 1
        assert counts[("in", "rejected", "MSG")] == 1
        assert counts[("out", "delivered", "MSG")] == 2
        cause = gaps.CAUSE_UNKNOWN_RECIPIENT
        assert value(got, "msgin5g_refused_total", what="message", cause=cause) == 1
        assert value(got, "msgin5g_delivery_seconds_count", direction="out") == 1
        assert value(got, "msgin5g_delivery_seconds_bucket", le="+Inf") == 1
        received = "coap_datagrams_total", {"direction": "rx"}
        assert (
            value(got, received[0], **received[1]) >= value(before, received[0], **received[1]) + 4
        )

    play(script, tmp_path, ues=[UE1, UE2])


def test_messages_of_applications_and_those_given_up_are_counted_too(tmp_path):
    async def script(site):
        body = {"from": AS, "to": UE1, "payload": "x"}
        async with site.session.post("/messages", json=body) as answer:
            assert answer.status in (200, 201, 202)
        for _ in range(500):
            got = await scrape(site)
            if value(got, MESSAGES, direction="out", result="discarded"):
                break
            await asyncio.sleep(0.01)
        assert value(got, MESSAGES, direction="in", type="MSG", result="accepted") == 1
        assert value(got, MESSAGES, direction="out", type="MSG", result="discarded") == 1
        cause = gaps.CAUSE_UNAVAILABLE
        assert value(got, "msgin5g_refused_total", what="delivery", cause=cause) == 1

    play(script, tmp_path, ues=[UE1])


def test_registrations_are_counted_and_who_is_registered(tmp_path):
    async def script(site):
        one = await site.ue(1)
        await one.post(registration.reg(UE1, SERVICE))
        await one.post(registration.reg("urn:nobody", SERVICE))
        gateway = await site.ue("urn:example:gw:1")
        bulk = registration.breg(
            "urn:example:gw:1", SERVICE, [registration.reg(ue_id(7), SERVICE)]
        )
        await gateway.post(bulk)
        got = await scrape(site)
        results = {key[0][1]: count for key, count in got["msgin5g_registrations_total"].items()}
        assert results == {"registered": 3, "refreshed": 1, "refused": 1}
        assert value(got, "msgin5g_refused_total", what="registration") == 1
        assert value(got, "msgin5g_registered_ues", via="gateway") == 1
        assert value(got, "msgin5g_registered_ues", via="direct") == 2
        assert value(got, "msgin5g_table_entries", table="registrations") == 3
        await one.post(registration.dereg(UE1, SERVICE))
        got = await scrape(site)
        assert value(got, "msgin5g_registered_ues", via="direct") == 1
        assert value(got, "msgin5g_registrations_total", result="deregistered") == 1

    play(script, tmp_path, ues=[UE1, "urn:example:gw:1", ue_id(7)])


def test_hostile_input_makes_no_new_labels(tmp_path):
    async def script(site):
        one = await site.ue(1)
        for number in range(60):
            text = f'x{number}"}}\n{uuid.uuid4()}'
            for payload in (
                text.encode(),
                registration.reg(UE1, SERVICE).replace(b'"REG"', b'"R%d"' % number),
                registration.reg(UE1, SERVICE).replace(b"oriAddrType", b"ori%d" % number),
                registration.reg(f"urn:{number}:\u202e", SERVICE),
                a_msg(1, ("UE", f"urn:x:{number}"))[0],
                a_msg(f"urn:y:{number}", ("UE", UE2))[0],
            ):
                await one.post(payload)
            if number == 9:
                early = await scrape(site)
        late = await scrape(site)
        assert {name: set(one) for name, one in early.items()} == {
            name: set(one) for name, one in late.items()
        }
        assert sum(map(len, late.values())) < MAX_SAMPLES
        assert value(late, "msgin5g_malformed_total") > value(early, "msgin5g_malformed_total")

    play(script, tmp_path, ues=[UE1])


def test_the_tables_say_how_full_they_are(tmp_path):
    async def script(site):
        await site.ue(1)
        got = await scrape(site)
        entries, limits = got["msgin5g_table_entries"], got["msgin5g_table_limit"]
        assert set(entries) == set(limits)
        assert all(0 <= entries[key] <= limits[key] for key in entries)
        assert value(got, "msgin5g_table_limit", table="registrations") == 200_000
        assert value(got, "msgin5g_table_entries", table="peers") == 1

    play(script, tmp_path, ues=[UE1])


def test_how_many_came_by_a_gateway_is_right_whatever_happens(tmp_path):
    """The registry counts along: through changes, rollbacks, expiry and a restart."""

    def row(via, expires=10_000):
        return Registration(via, "p", None, 0, 0, expires)

    def check():
        assert registry.through_gateways == sum(bool(one.via) for _, one in registry.items())

    registry = Registry(str(tmp_path))
    steps = [
        lambda: registry.put("a", row("gw")),
        lambda: registry.put("a", row("")),
        lambda: registry.put("b", row("gw", 1_000)),
        registry.commit,
        lambda: registry.put("a", row("gw")),
        lambda: registry.remove("b"),
        lambda: registry.put("c", row("gw")),
        registry.rollback,
        lambda: registry.put("d", row("gw", 1_000)),
        lambda: registry.expire(5_000),
        lambda: registry.remove("nobody"),
        registry.rollback,
        lambda: registry.put("e", row("gw")),
        registry.commit,
    ]
    for step in steps:
        step()
        check()
    before = registry.through_gateways
    registry.close()
    registry = Registry(str(tmp_path))
    assert registry.through_gateways == before > 0
    check()
    registry.close()
