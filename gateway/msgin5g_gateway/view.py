"""What the gateway shows of itself: its UEs and devices, over HTTP and to the server's page."""

import ssl
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from aiohttp import web

from msgin5g_gateway.metrics import sources
from msgin5g_gateway.shell import Gateway
from msgin5g_gateway.store import Device, Store
from msgin5g_host.capture_http import CaptureStreams
from msgin5g_host.clock import Clock, iso
from msgin5g_host.config import ConfigError, Settings
from msgin5g_host.http_access import (
    OperatorAccess,
    check_open,
    client_tls,
    is_loopback,
    server_tls,
)
from msgin5g_host.http_site import HttpSite
from msgin5g_host.journal import Journal
from msgin5g_host.log import EventLog
from msgin5g_host.metrics import GATEWAY, Metrics
from msgin5g_host.rates import Rates
from msgin5g_host.reporting import Reporter
from msgin5g_host.ue_list import DEREGISTERED, EXPECTED, REGISTERED, UNREACHABLE, Brief, Row
from msgin5g_host.view_http import View

_MESSAGES = ("messages up: ", "messages down: ", "messages to devices: ", "device messages")
# How a device that stands for no UE is called.
_LOCAL = "application:"
_REGISTRATIONS = ("requests: REG", "device requests: REG")


def check_access(settings: Settings) -> None:
    """Try what is configured, and refuse to open an address to others without TLS and a token.

    Raises ConfigError.
    """
    server_tls(settings)
    client_tls(settings)
    check_open(settings, "gateway.http", [])
    url = urlsplit(settings["view.report_to"])
    is_open = url.scheme == "http" and not is_loopback(url.hostname or "")
    if settings["view.report_token"] and is_open:
        raise ConfigError(
            f"view.report_to {url.geturl()} would show view.report_token to the whole network: "
            "give an https URL of the server"
        )


class GatewayView:
    """The `Viewed` of a gateway. A device without a UE is listed by its Application ID."""

    role = "gateway"
    actions: tuple[str, ...] = ()

    def __init__(self, gateway: Gateway, store: Store, settings: Settings, journal: Journal):
        self.at: str = settings["gateway.ue_service_id"]
        self._gateway = gateway
        self._store = store
        self._journal = journal
        self._table = {row["ue_service_id"] for row in settings.rows["ue"]}
        self._devices = {
            row["ue_service_id"] or _name(row["application_id"]): row["application_id"]
            for row in settings.rows["device"]
        }

    def names(self) -> Iterable[str]:
        """Return who is in the tables, who signed up or registered, and who left lately."""
        store = self._store
        devices = (one.ue or _name(one.application_id) for one in store.devices.values())
        known = (self._table, self._devices, store.signups, store.registered, devices)
        return dict.fromkeys(ue for part in (*known, self._journal.gone) for ue in part)

    def brief(self, ue: str, now: int) -> Brief | None:
        """Return what one is filtered by."""
        peer, seen = self._peer(ue), self._journal.seen(ue)
        link = peer.partition("://")[0] or (seen.link if seen is not None else "")
        if self._is_registered(ue, now):
            silent = seen is not None and seen.is_silent
            return Brief(UNREACHABLE if silent else REGISTERED, self.at, link)
        if ue in self._journal.gone:
            return Brief(DEREGISTERED, self.at, link)
        store = self._store
        known = (self._table, self._devices, store.signups, store.registered)
        if any(ue in part for part in known) or self._device(ue) is not None:
            return Brief(EXPECTED, self.at, link)
        return None

    def row(self, ue: str, now: int) -> Row | None:
        """Return all that the list shows of one. cached, outbox: what waits for the server."""
        brief = self.brief(ue, now)
        if brief is None:
            return None
        core = self._gateway.core
        expires_ms = None
        registered = self._store.registered.get(ue)
        if registered is not None and self._is_registered(ue, now):
            expires_ms = registered.expires_ms
        cached, kept = core.bulk.cached_of(ue), core.messaging.outbox.kept_of(ue)
        seen = self._journal.seen(ue)
        return {
            "ue_service_id": ue,
            **brief._asdict(),
            "peer": self._peer(ue) or None,
            "registered_at": None,
            "expires_at": None if expires_ms is None else iso(expires_ms),
            "expires_in_s": None if expires_ms is None else (expires_ms - now) // 1000,
            "waiting": core.messaging.downlink.waiting(ue),
            "cached": cached,
            "outbox": kept,
            "last": None if seen is None else seen.last,
        }

    def totals(self) -> Mapping[str, int]:
        """Return what the rates are made of."""
        gateway = self._gateway
        counters = gateway.core.counters
        endpoints = [gateway.north.endpoint, *(link.endpoint for link in gateway.links)]
        return {
            "messages": sum(
                value for name, value in counters.items() if name.startswith(_MESSAGES)
            ),
            "registrations": sum(counters[name] for name in _REGISTRATIONS),
            "retransmissions": sum(one.counters["retransmissions"] for one in endpoints),
        }

    def queue(self) -> int:
        """Return how much waits for the server."""
        core = self._gateway.core
        return len(core.messaging.outbox) + core.bulk.cached()

    def _is_registered(self, ue: str, now: int) -> bool:
        row = self._store.registered.get(ue)
        device = self._device(ue)
        if device is not None and device.ue is None:
            return True
        return row is not None and row.expires_ms > now

    def _device(self, ue: str) -> Device | None:
        number = self._devices.get(ue)
        local = ue.removeprefix(_LOCAL)
        if number is None and local != ue and local.isdecimal():
            number = int(local)
        if number is not None:
            return self._store.devices.get(number)
        return self._store.device_of.get(ue)

    def _peer(self, ue: str) -> str:
        device = self._device(ue)
        if device is not None:
            return device.peer
        signup = self._store.signups.get(ue)
        return "" if signup is None else signup.peer


class GatewayHttp(HttpSite):
    """Serve the gateway's own page, its capture and /metrics. Raises ConfigError."""

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        reports: Reporter | None = None,
    ) -> None:
        token = settings["http.token"]
        viewed, rates = GatewayView(gateway, store, settings, journal), Rates()
        gateway.on_delivered.append(rates.delivered)
        need = OperatorAccess(token).need_operator
        view = View(viewed, journal, rates, clock, need, bool(token))
        app = web.Application()
        view.add_routes(app)
        streams = CaptureStreams(gateway.capture, view.check)
        streams.add_routes(app)
        Metrics(GATEWAY, sources(gateway, journal, reports), need).add_routes(app)
        super().__init__(app, server_tls(settings), view, streams)


def reporter(settings: Settings, journal: Journal, log: EventLog) -> Reporter | None:
    """Return what tells the server's page of this gateway, or None. log: hears if it cannot."""
    url = settings["view.report_to"]
    if not url:
        return None
    tls: ssl.SSLContext = client_tls(settings)
    at = settings["gateway.ue_service_id"]
    made = Reporter(journal, url, settings["view.report_token"], "gateway", at, tls)

    def tell(reason: str) -> None:
        log.event("reports-refused" if reason else "reports-taken", reason=reason or None)

    made.on_change = tell
    return made


def _name(application_id: int) -> str:
    return f"{_LOCAL}{application_id}"
