"""GET /metrics: what is counted anyway, in the text format of Prometheus.

Nothing is kept for it: sources are asked when somebody scrapes. METRICS is the table of all there
are; docs/reference/metrics.md is made from it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from msgin5g.exchange import Endpoint
from msgin5g_host.fill import Fill
from msgin5g_host.timings import Timings
from msgin5g_host.words import known

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"
SERVER, GATEWAY = "server", "gateway"
_BOTH = (SERVER, GATEWAY)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metric(NamedTuple):
    """One metric. roles: who has it; from_library: prometheus_client makes it."""

    kind: str
    labels: tuple[str, ...]
    help: str
    roles: tuple[str, ...] = _BOTH
    from_library: bool = False


METRICS: dict[str, Metric] = {
    "msgin5g_build_info": Metric(GAUGE, ("role", "version"), "1; which program this is"),
    "msgin5g_messages_total": Metric(
        COUNTER,
        ("direction", "type", "result"),
        "Messages and reports by Message Type. Server: direction in, result accepted, repeated, "
        "rejected (told by MSGRESP), malformed or full; direction out, result delivered or "
        "discarded. Gateway: direction up, result passed on, kept (in the outbox) or full; "
        "direction down, result delivered, failed, unknown or full; type DEVICE is what a device "
        "of MSGin5G-5 is handed",
    ),
    "msgin5g_delivery_seconds": Metric(
        HISTOGRAM,
        ("direction",),
        "Time until a message is at its next hop. Server: out, from when it was taken until its "
        "recipient has answered. Gateway: up, until the server has answered; down, until the UE "
        "has",
    ),
    "msgin5g_registered_ues": Metric(
        GAUGE,
        ("via",),
        "UEs registered. Server: via gateway, or direct; gateway: those it refreshes, via client "
        "(MSGin5G-6) or device (MSGin5G-5)",
    ),
    "msgin5g_registrations_total": Metric(
        COUNTER,
        ("result",),
        "What became of registrations. Server: registered, refreshed, deregistered, expired or "
        "refused; gateway: cached, forwarded, answered, refreshed, refused or lost",
    ),
    "msgin5g_refused_total": Metric(
        COUNTER,
        ("what", "cause"),
        "What was refused, and why: registration, message, delivery, subscription, device, group",
    ),
    "msgin5g_malformed_total": Metric(
        COUNTER,
        ("reason",),
        "Payloads and L3 messages that make no sense, by the element that was wrong; other for an "
        "element that is not one of the standard's",
    ),
    "msgin5g_events_total": Metric(
        COUNTER, ("event", "detail"), "All else that is counted, by its name in the code"
    ),
    "msgin5g_table_entries": Metric(
        GAUGE, ("table", "link"), "Entries of a bounded table; see the reference of limits"
    ),
    "msgin5g_table_limit": Metric(GAUGE, ("table", "link"), "Most entries that it may have"),
    "server_queue_depth": Metric(
        GAUGE, ("queue",), "What waits at the server: deliveries", (SERVER,)
    ),
    "gateway_queue_depth": Metric(
        GAUGE,
        ("queue",),
        "What waits at the gateway: bulk (cached requests), outbox, up (at the server), down (to "
        "UEs), devices (to devices)",
        (GATEWAY,),
    ),
    "gateway_server_up": Metric(
        GAUGE, (), "1 if the server has answered lately, 0 if it did not", (GATEWAY,)
    ),
    "coap_datagrams_total": Metric(
        COUNTER, ("link", "direction"), "CoAP datagrams or frames on a link: rx or tx"
    ),
    "coap_retransmissions_total": Metric(
        COUNTER, ("link",), "Confirmable messages that were sent again"
    ),
    "coap_timeouts_total": Metric(COUNTER, ("link",), "Confirmable messages that nobody answered"),
    "coap_duplicates_total": Metric(COUNTER, ("link",), "Messages that came again"),
    "coap_malformed_total": Metric(
        COUNTER,
        ("link", "reason"),
        "CoAP that was refused: its format, its size, or a critical option",
    ),
    "coap_resets_total": Metric(COUNTER, ("link", "direction"), "Resets: rx or tx"),
    "coap_events_total": Metric(
        COUNTER,
        ("link", "event"),
        "What else is counted of a link: ignored, unmatched, pings, separate (answers), "
        "id_replaced, no_room, peers_forgotten, send_errors",
    ),
    "link_events_total": Metric(
        COUNTER, ("link", "event"), "What a serial or BLE link counts, such as bad_crc", (GATEWAY,)
    ),
    "process_virtual_memory_bytes": Metric(GAUGE, (), "Virtual memory", from_library=True),
    "process_resident_memory_bytes": Metric(GAUGE, (), "Resident memory", from_library=True),
    "process_start_time_seconds": Metric(GAUGE, (), "Start, in Unix time", from_library=True),
    "process_cpu_seconds_total": Metric(COUNTER, (), "CPU time", from_library=True),
    "process_open_fds": Metric(GAUGE, (), "Open files", from_library=True),
    "process_max_fds": Metric(GAUGE, (), "Most open files", from_library=True),
}


class Sample(NamedTuple):
    """A value of a metric; labels in the order of the table."""

    metric: str
    value: float | Timings
    labels: tuple[str, ...] = ()


Source = Callable[[], Iterable[Sample]]


class Metrics:
    """Serve what the sources say. check: raises for who may not look."""

    def __init__(
        self, role: str, sources: Iterable[Source], check: Callable[[web.Request], None]
    ) -> None:
        self._check = check
        # One of its own: what another library registers by itself is not our business.
        self._registry = CollectorRegistry()
        about = Sample("msgin5g_build_info", 1, (role, version("msgin5g")))
        self._registry.register(_Sources([lambda: [about], *sources]))
        ProcessCollector(registry=self._registry)

    def add_routes(self, app: web.Application) -> None:
        """Add the route to an application."""
        app.router.add_get("/metrics", self._serve)

    def text(self) -> bytes:
        """Ask the sources."""
        return generate_latest(self._registry)

    async def _serve(self, request: web.Request) -> web.Response:
        self._check(request)
        return web.Response(body=self.text(), headers={"Content-Type": CONTENT_TYPE})


class _Sources(Collector):
    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources

    def describe(self) -> Iterable[Family]:
        """Nothing is asked before somebody scrapes."""
        return ()

    def collect(self) -> Iterator[Family]:
        values: dict[str, dict[tuple[str, ...], Any]] = {}
        for source in self._sources:
            for name, value, labels in source():
                of_metric = values.setdefault(name, {})
                # Several words may have become the same.
                of_metric[labels] = of_metric[labels] + value if labels in of_metric else value
        for name, metric in METRICS.items():
            if name in values:
                yield _family(name, metric, values[name])


def _family(name: str, metric: Metric, values: Mapping[tuple[str, ...], Any]) -> Family:
    if metric.kind == HISTOGRAM:
        histogram = HistogramMetricFamily(name, metric.help, labels=metric.labels)
        for labels, timings in sorted(values.items()):
            histogram.add_metric(labels, list(timings.buckets()), timings.sum_ms / 1000)
        return histogram
    make = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
    family = make(name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family


# What several roles have


def of_traffic(traffic: Mapping[tuple[str, str, str], int]) -> Iterator[Sample]:
    """Messages by (direction, type, result)."""
    for (direction, kind, result), count in traffic.items():
        yield Sample("msgin5g_messages_total", count, (direction, known(kind), result))


def of_counters(
    counters: Mapping[str, int], registrations: Mapping[str, str], refusals: Mapping[str, str]
) -> Iterator[Sample]:
    """Named counters: "name" or "name: detail".

    registrations: the result that a name stands for; refusals: what a name says was refused.
    """
    for name, count in counters.items():
        event, _, detail = name.partition(": ")
        if event in refusals:
            yield Sample("msgin5g_refused_total", count, (refusals[event], known(detail)))
        if event in registrations:
            yield Sample("msgin5g_registrations_total", count, (registrations[event],))
        elif event == "malformed":
            yield Sample("msgin5g_malformed_total", count, (known(detail or "payload"),))
        elif event not in refusals:
            shown = known(detail) if detail else ""
            yield Sample("msgin5g_events_total", count, (event, shown))


def of_fills(fills: Iterable[Fill], link: str = "") -> Iterator[Sample]:
    """Bounded tables against their limits."""
    for fill in fills:
        yield Sample("msgin5g_table_entries", fill.entries, (fill.table, link))
        yield Sample("msgin5g_table_limit", fill.limit, (fill.table, link))


_PLAIN = {
    "retransmissions": "coap_retransmissions_total",
    "timeouts": "coap_timeouts_total",
    "duplicates": "coap_duplicates_total",
}
_MALFORMED = {
    "malformed": "format",
    "oversize": "size",
    "bad_option": "option",
}
_WAYS = {
    "received": ("coap_datagrams_total", "rx"),
    "sent": ("coap_datagrams_total", "tx"),
    "resets_received": ("coap_resets_total", "rx"),
    "resets_sent": ("coap_resets_total", "tx"),
}


def of_endpoint(endpoint: Endpoint, link: str, send_errors: int = 0) -> Iterator[Sample]:
    """The counters and tables of a CoAP endpoint on a link."""
    for name, count in {**endpoint.counters, "send_errors": send_errors}.items():
        if name in _PLAIN:
            yield Sample(_PLAIN[name], count, (link,))
        elif name in _MALFORMED:
            yield Sample("coap_malformed_total", count, (link, _MALFORMED[name]))
        elif name in _WAYS:
            metric, way = _WAYS[name]
            yield Sample(metric, count, (link, way))
        else:
            yield Sample("coap_events_total", count, (link, name))
    # A board pays for every method of these; a host may look inside.
    held = len(endpoint._held) + len(endpoint._fresh)
    params = endpoint.params
    peers = Fill("peers", len(endpoint._peers), params.max_peers)
    yield from of_fills((peers, Fill("held_requests", held, params.max_held)), link)
