"""The Server's HTTP side: TS 29.538, who is registered, whether it is well, and its counters."""

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

from aiohttp import web

from msgin5g_host.capture import Capture
from msgin5g_host.capture_http import CaptureStreams
from msgin5g_host.clock import Clock, iso
from msgin5g_host.http_access import server_tls
from msgin5g_host.http_site import HttpSite
from msgin5g_host.journal import Journal
from msgin5g_host.metrics import SERVER, Metrics, Source
from msgin5g_server.core import ServerCore
from msgin5g_server.http_access import Access
from msgin5g_server.http_messages import Durably, HttpMessages
from msgin5g_server.network_http import NetworkNotifications
from msgin5g_server.northbound import Northbound
from msgin5g_server.openapi import Description
from msgin5g_server.problems import MAX_BODY_BYTES, as_problems
from msgin5g_server.registry import Registration
from msgin5g_server.view import ServerViewHttp, link_of

_DEFAULT_LIMIT = 1000
_MAX_LIMIT = 10_000
_MAX_OFFSET = 1 << 31
_PARAMETERS = ("prefix", "limit", "offset")
# How much is done before other tasks have their turn: about a millisecond each.
_NAMES_AT_ONCE = 10_000
_ROWS_AT_ONCE = 100


class HttpServer(HttpSite):
    """Serve the operator's page, the APIs of TS 29.538, /ues, /messages, /health and /metrics.

    Raises ConfigError.
    """

    def __init__(
        self,
        core: ServerCore,
        clock: Clock,
        coap_counters: Callable[[], Mapping[str, int]],
        durably: Durably,
        journal: Journal,
        capture: Capture,
        metrics: Iterable[Source],
    ) -> None:
        self._core = core
        self._clock = clock
        self._journal = journal
        self._access = Access(core.settings)
        tls = server_tls(core.settings)
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[as_problems])
        app.router.add_get("/ues", self._ues)
        HttpMessages(core, durably, self._access).add_routes(app)
        Northbound(core, durably, self._access).add_routes(app)
        NetworkNotifications(core.messages.network, durably).add_routes(app)
        Description().add_routes(app)
        watched = (core, journal, clock, coap_counters, durably, self._access)
        pages = ServerViewHttp(*watched)
        pages.add_routes(app)
        app.router.add_get("/health", self._health)
        Metrics(SERVER, metrics, self._access.need_operator).add_routes(app)
        streams = CaptureStreams(capture, pages.view.check)
        streams.add_routes(app)
        super().__init__(app, tls, pages.view, streams)

    async def _ues(self, request: web.Request) -> web.Response:
        self._access.need_operator(request)
        for name in request.query:
            if name not in _PARAMETERS:
                known = ", ".join(_PARAMETERS)
                raise web.HTTPBadRequest(text=f"unknown parameter {name!r}; known are {known}\n")
        limit = _number(request, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        offset = _number(request, "offset", 0, _MAX_OFFSET)
        rows, total = await self._select(request.query.get("prefix", ""), offset, limit)
        now = self._clock.now()
        parts = []
        for at in range(0, len(rows), _ROWS_AT_ONCE):
            parts += [
                _ue(ue, row, link_of(self._journal, ue, row.via), now)
                for ue, row in rows[at : at + _ROWS_AT_ONCE]
            ]
            await asyncio.sleep(0)
        text = f'{{"ues":[{",".join(parts)}],"count":{len(parts)},"total":{total}}}'
        return web.Response(text=text, content_type="application/json")

    async def _select(
        self, prefix: str, offset: int, limit: int
    ) -> tuple[list[tuple[str, Registration]], int]:
        """Return one page of registrations, and how many there are with this prefix."""
        registry = self._core.registry
        if not prefix:
            return list(islice(registry.items(), offset, offset + limit)), len(registry)
        names = list(registry)
        found: list[str] = []
        for at in range(0, len(names), _NAMES_AT_ONCE):
            part = names[at : at + _NAMES_AT_ONCE]
            found += [name for name in part if name.startswith(prefix)]
            await asyncio.sleep(0)
        rows = ((name, registry.get(name)) for name in found[offset : offset + limit])
        return [(name, row) for name, row in rows if row is not None], len(found)

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok", "registered": len(self._core.registry)})


def _ue(ue_service_id: str, row: Registration, link: str, now: int) -> str:
    head = json.dumps(
        {
            "ue_service_id": ue_service_id,
            "via": row.via,
            "link": link,
            "peer": row.peer,
            "registered_at": iso(row.registered_at_ms),
            "refreshed_at": iso(row.refreshed_at_ms),
            "expires_at": iso(row.expires_at_ms),
            "expires_in_s": max(0, (row.expires_at_ms - now) // 1000),
        }
    )
    return f'{head[:-1]}, "profile": {row.profile or "null"}}}'


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > most:
        raise web.HTTPBadRequest(text=f"{name} is a number from 0 to {most}, not {text!r}\n")
    return int(text)
