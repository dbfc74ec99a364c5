"""The Server's HTTP side: who is registered, whether it is well, and its counters."""

from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from aiohttp import web

from msgin5g import jsontext
from msgin5g_host.clock import Clock, iso
from msgin5g_server.core import ServerCore
from msgin5g_server.registry import Registration

_DEFAULT_LIMIT = 1000
_MAX_LIMIT = 10_000


class HttpServer:
    """Serve GET /ues, /health and /metrics; `address` is the bound (host, port)."""

    def __init__(
        self, core: ServerCore, clock: Clock, coap_counters: Callable[[], Mapping[str, int]]
    ) -> None:
        self._core = core
        self._clock = clock
        self._coap_counters = coap_counters
        app = web.Application()
        app.router.add_get("/ues", self._ues)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        self.address: tuple[str, int] = ("", 0)

    async def start(self, host: str, port: int) -> None:
        """Bind and serve. Raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.address = self._runner.addresses[0][:2]

    async def close(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _ues(self, request: web.Request) -> web.Response:
        prefix = request.query.get("prefix", "")
        limit = _number(request, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        offset = _number(request, "offset", 0, 1 << 31)
        now = self._clock.now()
        registry = self._core.registry
        chosen = (item for item in registry.items() if item[0].startswith(prefix))
        ues = [_ue(ue, row, now) for ue, row in islice(chosen, offset, offset + limit)]
        return web.json_response({"ues": ues, "count": len(ues), "total": len(registry)})

    async def _health(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"status": "ok", "registered": len(self._core.registry)})

    async def _metrics(self, request: web.Request) -> web.Response:
        del request
        lines = [
            "# TYPE msgin5g_registered_ues gauge",
            f"msgin5g_registered_ues {len(self._core.registry)}",
            "# TYPE msgin5g_server_events_total counter",
        ]
        for name, value in sorted(self._core.counters.items()):
            lines.append(f'msgin5g_server_events_total{{event="{_label(name)}"}} {value}')
        lines.append("# TYPE coap_events_total counter")
        for name, value in self._coap_counters().items():
            lines.append(f'coap_events_total{{event="{_label(name)}"}} {value}')
        return web.Response(text="\n".join(lines) + "\n", content_type="text/plain")


def _ue(ue_service_id: str, row: Registration, now: int) -> dict[str, Any]:
    return {
        "ue_service_id": ue_service_id,
        "via": row.via,
        "link": "udp",
        "peer": row.peer,
        "registered_at": iso(row.registered_at_ms),
        "refreshed_at": iso(row.refreshed_at_ms),
        "expires_at": iso(row.expires_at_ms),
        "expires_in_s": max(0, (row.expires_at_ms - now) // 1000),
        "profile": None if row.profile is None else jsontext.loads(row.profile.encode()),
    }


def _number(request: web.Request, name: str, default: int, most: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise web.HTTPBadRequest(text=f"{name} is a number from 0 to {most}, not {text!r}\n")
    return int(text)


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
