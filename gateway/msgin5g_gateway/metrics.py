"""What the gateway tells of itself at /metrics."""

from collections.abc import Iterator

from msgin5g_gateway.shell import Gateway
from msgin5g_gateway.south import CarrierLink, UdpLink
from msgin5g_host.journal import Journal
from msgin5g_host.metrics import (
    Sample,
    Source,
    of_counters,
    of_endpoint,
    of_fills,
    of_traffic,
)
from msgin5g_host.reporting import Reporter

_SERVER = "MSGin5G-1"
# Counters of the core that say what became of a registration, and those that say why not.
_REGISTRATIONS = {
    **{name: name for name in ("cached", "forwarded", "answered", "refreshed", "refused")},
    "registrations_lost": "lost",
}
_REFUSALS = {"device refused": "device", "device messages refused": "message"}
# Told by msgin5g_messages_total.
_MESSAGES = (
    *("messages up", "messages down", "messages passed on", "outbox_kept", "relays_full"),
    *("deliveries_answered", "deliveries_failed", "deliveries_unknown", "deliveries_full"),
    *("handovers", "handovers_full"),
)


def sources(gateway: Gateway, journal: Journal, reports: Reporter | None = None) -> list[Source]:
    """Return what is asked at each scrape; a core may have taken the place of another by then.

    reports: what tells the server's page, if something does.
    """

    def registrations() -> Iterator[Sample]:
        store = gateway.core.store
        devices = sum(one.ue in store.registered for one in store.devices.values() if one.ue)
        yield Sample("msgin5g_registered_ues", len(store.registered) - devices, ("client",))
        yield Sample("msgin5g_registered_ues", len(store.devices), ("device",))

    def messages() -> Iterator[Sample]:
        yield from of_traffic(gateway.traffic.counts)
        for direction, took in gateway.traffic.took.items():
            yield Sample("msgin5g_delivery_seconds", took, (direction,))

    def queues() -> Iterator[Sample]:
        core = gateway.core
        messaging = core.messaging
        for queue, depth in (
            ("bulk", core.bulk.cached()),
            ("outbox", len(messaging.outbox)),
            ("up", len(messaging.uplink)),
            ("down", len(messaging.downlink)),
            ("devices", len(messaging.handovers)),
        ):
            yield Sample("gateway_queue_depth", depth, (queue,))
        yield Sample("gateway_server_up", int(not core.server_down))

    def counters() -> Iterator[Sample]:
        others = {
            name: count
            for name, count in gateway.core.counters.items()
            if name.partition(": ")[0] not in _MESSAGES
        }
        yield from of_counters(others, _REGISTRATIONS, _REFUSALS)

    def tables() -> Iterator[Sample]:
        for part in (gateway.core, journal, gateway.capture, reports):
            if part is not None:
                yield from of_fills(part.fills())
        if reports is not None:
            yield Sample("msgin5g_events_total", reports.dropped, ("reports_dropped", ""))

    def wire() -> Iterator[Sample]:
        yield from of_endpoint(gateway.north.endpoint, _SERVER, gateway.north.send_errors)
        for link in gateway.links:
            errors = link.send_errors if isinstance(link, UdpLink) else 0
            yield from of_endpoint(link.endpoint, link.url, errors)
            if isinstance(link, CarrierLink):
                for event, count in link.carrier.counters.items():
                    yield Sample("link_events_total", count, (link.url, event))

    return [registrations, messages, queues, counters, tables, wire]
