"""What sources say becomes text for Prometheus, with few labels."""

import asyncio

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from msgin5g import coap, gaps
from msgin5g.exchange import Endpoint, Params
from msgin5g_host.fill import Fill
from msgin5g_host.metrics import (
    CONTENT_TYPE,
    METRICS,
    Metrics,
    Sample,
    of_counters,
    of_endpoint,
    of_fills,
    of_traffic,
)
from msgin5g_host.timings import BOUNDS_S, Timings
from msgin5g_host.words import OTHER, element, known
from tests.prometheus import parsed, value

HOSTILE = 'x"}\n# TYPE evil counter\nevil{a="b'


def scrape(*sources, check=lambda request: None):
    """Return (status, content type, text) of GET /metrics."""

    async def main():
        app = web.Application()
        Metrics("gateway", sources, check).add_routes(app)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            base = "http://{}:{}".format(*runner.addresses[0][:2])
            async with aiohttp.ClientSession(base) as session, session.get("/metrics") as answer:
                return answer.status, answer.headers["Content-Type"], await answer.text()
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def found(*sources):
    return parsed(scrape(*sources)[2])


def test_sources_are_asked_at_each_scrape_and_not_before():
    asked = []

    def source():
        asked.append(1)
        return [Sample("gateway_server_up", len(asked))]

    Metrics("gateway", [source], lambda request: None)
    assert asked == []
    status, content_type, text = scrape(source)
    assert (status, content_type) == (200, CONTENT_TYPE)
    assert value(parsed(text), "gateway_server_up") == len(asked) == 1


def test_the_process_and_the_program_are_there_without_a_source():
    got = found()
    assert value(got, "msgin5g_build_info", role="gateway") == 1
    assert value(got, "process_resident_memory_bytes") > 1 << 20
    assert value(got, "process_cpu_seconds_total") > 0


def test_who_may_not_look_sees_nothing():
    def refuse(request):
        raise web.HTTPUnauthorized

    assert scrape(check=refuse)[0] == 401


def test_samples_that_have_become_the_same_are_added_up():
    counters = {f"refused: {HOSTILE} {number}": number for number in range(100)}
    got = found(lambda: of_counters(counters, {}, {"refused": "registration"}))
    labels = {"what": "registration", "cause": OTHER}
    assert value(got, "msgin5g_refused_total", **labels) == sum(range(100))
    assert len(got["msgin5g_refused_total"]) == 1


def test_counters_go_where_they_belong():
    counters = {
        "registered": 3,
        "refused: " + gaps.CAUSE_UNKNOWN_UE: 2,
        "refused": 5,
        "malformed": 7,
        "malformed: oriAddr.addr": 1,
        "handovers: 2.04": 4,
        "handovers: 9.99": 1,
        "late_answers": 6,
    }
    registrations = {"registered": "registered", "refused": "refused"}
    got = found(lambda: of_counters(counters, registrations, {"refused": "registration"}))
    assert got["msgin5g_registrations_total"] == {
        (("result", "registered"),): 3,
        (("result", "refused"),): 7,
    }
    assert value(got, "msgin5g_refused_total", cause=gaps.CAUSE_UNKNOWN_UE) == 2
    assert value(got, "msgin5g_malformed_total", reason="payload") == 7
    assert value(got, "msgin5g_malformed_total", reason="oriAddr.addr") == 1
    assert value(got, "msgin5g_events_total", event="handovers", detail="2.04") == 4
    assert value(got, "msgin5g_events_total", event="handovers", detail=OTHER) == 1
    assert value(got, "msgin5g_events_total", event="late_answers", detail="") == 6


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("", "payload"),
        ("oriAddr", "oriAddr"),
        ("oriAddr.addr", "oriAddr.addr"),
        ("regReqList[7].oriAddr.addr", "regReqList"),
        ("element 0x41", "element"),
        ("Credential information", "Credential information"),
        ("oriAddr." + HOSTILE, OTHER),
        ("oriAddr.oriAddr.oriAddr.oriAddr", OTHER),
        (HOSTILE, OTHER),
    ],
)
def test_an_element_is_one_of_the_standard_or_other(key, word):
    assert element(key) == word


@given(st.text())
def test_no_text_becomes_a_label_of_its_own(text):
    assert known("x " + text) == OTHER


def test_what_gets_through_is_quoted():
    """Links are named by whoever configures them."""
    got = found(lambda: of_fills([Fill("peers", 1, 2)], HOSTILE))
    assert value(got, "msgin5g_table_entries", table="peers", link=HOSTILE) == 1
    assert value(got, "msgin5g_table_limit", table="peers", link=HOSTILE) == 2


def test_messages_by_direction_type_and_result():
    traffic = {("up", "MSG", "kept"): 2, ("down", "DEVICE", "failed"): 1, ("up", HOSTILE, "x"): 1}
    got = found(lambda: of_traffic(traffic))
    assert value(got, "msgin5g_messages_total", direction="up", type="MSG", result="kept") == 2
    assert value(got, "msgin5g_messages_total", type="DEVICE") == 1
    assert value(got, "msgin5g_messages_total", type=OTHER) == 1


@given(st.lists(st.integers(0, 10_000_000)))
def test_timings_count_as_a_histogram_does(times):
    timings = Timings()
    for took in times:
        timings.note(took)
    buckets = dict(timings.buckets())
    assert list(buckets) == [*map(str, BOUNDS_S), "+Inf"]
    for bound in BOUNDS_S:
        assert buckets[str(bound)] == sum(took <= bound * 1000 for took in times)
    assert buckets["+Inf"] == len(times) and timings.sum_ms == sum(times)


def test_a_histogram_has_buckets_a_count_and_a_sum():
    timings = Timings()
    for took in (5, 300, 300):
        timings.note(took)
    got = found(lambda: [Sample("msgin5g_delivery_seconds", timings, ("up",))])
    assert value(got, "msgin5g_delivery_seconds_bucket", le="0.01") == 1
    assert value(got, "msgin5g_delivery_seconds_bucket", le="0.5", direction="up") == 3
    assert value(got, "msgin5g_delivery_seconds_count") == 3
    assert value(got, "msgin5g_delivery_seconds_sum") == pytest.approx(0.605)


def test_an_endpoint_tells_its_counters_and_its_tables():
    endpoint = Endpoint(lambda limit: 1, Params(max_peers=8, max_held=2))
    request = coap.encode(coap.CON, coap.POST, 1, b"t", [], b"")
    for number in range(3):
        endpoint.receive(request, f"peer {number}", 0)
    endpoint.receive(request, "peer 0", 0)
    endpoint.receive(b"\x49\x02\x00\x09", "peer 0", 0)
    endpoint.receive(b"\x40" * 5000, "peer 0", 0)
    endpoint.request("peer 9", coap.POST, "x", b"", 0)
    for now in range(0, 100_000, 1_000):
        endpoint.poll(now)
    got = found(lambda: of_endpoint(endpoint, "udp://x", 4))
    assert value(got, "coap_datagrams_total", link="udp://x", direction="rx") == 6
    assert value(got, "coap_duplicates_total") == 1
    assert value(got, "coap_malformed_total", reason="format") == 1
    assert value(got, "coap_malformed_total", reason="size") == 1
    assert value(got, "coap_retransmissions_total") == 4
    assert value(got, "coap_timeouts_total") == 1
    assert value(got, "coap_events_total", event="send_errors") == 4
    assert value(got, "coap_events_total", event="no_room") == 1
    assert value(got, "msgin5g_table_limit", table="peers") == 8
    assert 0 < value(got, "msgin5g_table_entries", table="peers") <= 8
    events = {dict(key)["event"] for key in got["coap_events_total"]}
    assert events <= set(METRICS["coap_events_total"].help.replace(",", "").split())


def test_every_metric_has_a_good_name_and_tells_what_it_is():
    for name, metric in METRICS.items():
        assert name.endswith("_total") == (metric.kind == "counter"), name
        assert metric.help and metric.roles
