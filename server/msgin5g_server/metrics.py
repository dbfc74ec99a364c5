"""What the Server tells of itself at /metrics."""

from collections.abc import Iterator

from msgin5g_host.capture import Capture
from msgin5g_host.journal import Journal
from msgin5g_host.metrics import (
    Sample,
    Source,
    of_counters,
    of_endpoint,
    of_fills,
    of_traffic,
)
from msgin5g_host.timings import Timings
from msgin5g_server.coap import CoapServer
from msgin5g_server.core import ServerCore
from msgin5g_server.steps import OUT

_LINK = "MSGin5G-1"
# Counters of the core that say what became of a registration, and those that say why not.
_REGISTRATIONS = {
    name: name for name in ("registered", "refreshed", "deregistered", "expired", "refused")
}
_REFUSALS = {
    "refused": "registration",
    "rejected": "message",
    "discarded": "delivery",
    "subscriptions refused": "subscription",
    "group requests refused": "group",
}
# Told by msgin5g_messages_total.
_MESSAGES = ("messages", "delivered", "messages_full")


def sources(
    core: ServerCore, coap: CoapServer, journal: Journal, capture: Capture
) -> list[Source]:
    """Return what is asked at each scrape."""
    took = Timings()
    core.messages.steps.on_delivered.append(took.note)

    def registrations() -> Iterator[Sample]:
        through = core.registry.through_gateways
        yield Sample("msgin5g_registered_ues", through, ("gateway",))
        yield Sample("msgin5g_registered_ues", len(core.registry) - through, ("direct",))

    def messages() -> Iterator[Sample]:
        yield from of_traffic(core.messages.steps.traffic)
        yield Sample("msgin5g_delivery_seconds", took, (OUT,))
        yield Sample("server_queue_depth", core.messages.courier.stored(), ("deliveries",))

    def counters() -> Iterator[Sample]:
        others = {
            name: count
            for name, count in core.counters.items()
            if name.partition(": ")[0] not in _MESSAGES
        }
        yield from of_counters(others, _REGISTRATIONS, _REFUSALS)

    def tables() -> Iterator[Sample]:
        for part in (core, coap, journal, capture):
            yield from of_fills(part.fills())

    def wire() -> Iterator[Sample]:
        yield from of_endpoint(coap.endpoint, _LINK, coap.send_errors)

    return [registrations, messages, counters, tables, wire]
