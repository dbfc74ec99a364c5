"""Messages of applications over HTTP: a first, plain form beside TS 29.538.

GET  /messages?application=urn:example:as:1&after=17     what it was sent since, oldest first
POST /messages   {"from": "urn:example:as:1", "to": "urn:example:ue:1", "payload": "..."}
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from msgin5g import names as n
from msgin5g.payload_errors import BadMessage
from msgin5g_host.clock import iso
from msgin5g_host.folder import StoreError
from msgin5g_server.core import ServerCore
from msgin5g_server.http_access import Access
from msgin5g_server.problems import read_body
from msgin5g_server.routes import RouteError

_KEYS = ("from", "to", "kind", "payload", "report", "priority", "store_until")

# Runs a function of the time and resolves to its result once what it changed is on disk.
Durably = Callable[[Callable[[int], Any]], Awaitable[Any]]


class HttpMessages:
    """The handlers of /messages."""

    def __init__(self, core: ServerCore, durably: Durably, access: Access) -> None:
        self._core = core
        self._durably = durably
        self._access = access

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_get("/messages", self._read)
        app.router.add_post("/messages", self._send)

    async def _read(self, request: web.Request) -> web.Response:
        application = request.query.get("application", "")
        after = request.query.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            raise web.HTTPBadRequest(text=f"after is a number, not {after!r}\n")
        self._access.need(self._access.caller(request), application)
        found = self._core.messages.applications.inbox(application, int(after))
        if found is None:
            raise web.HTTPNotFound(text=_unknown(application))
        rows = [
            {"id": number, "received_at": iso(at_ms), "message": json.loads(payload)}
            for number, at_ms, payload in found
        ]
        return web.json_response({"messages": rows})

    async def _send(self, request: web.Request) -> web.Response:
        fields = await self._fields(request)
        application = fields["from"]
        self._access.need(self._access.caller(request), application)
        if not self._core.messages.routes.is_application(application):
            raise web.HTTPForbidden(text=_unknown(application))
        destination = (fields.get("kind", n.UE), fields["to"])
        options = {name: fields[name] for name in _KEYS[4:] if name in fields}

        def submit(now: int) -> str:
            return self._core.messages.applications.submit(
                application, destination, fields["payload"], options, now
            )

        try:
            message_id = await self._durably(submit)
        except BadMessage as problem:
            raise web.HTTPBadRequest(text=f"{problem}\n") from None
        except RouteError as problem:
            raise web.HTTPNotFound(text=f"{destination[1]}: {problem}\n") from None
        except StoreError:
            raise web.HTTPServiceUnavailable(text="the disk takes nothing, try later\n") from None
        return web.json_response({"message_id": message_id}, status=201)

    async def _fields(self, request: web.Request) -> dict[str, Any]:
        """Return the body's keys, all known and of the right type."""
        try:
            fields = json.loads(await read_body(request))
        except (ValueError, UnicodeError):
            raise web.HTTPBadRequest(text="the body is JSON\n") from None
        if not isinstance(fields, dict):
            raise web.HTTPBadRequest(text="the body is a JSON object\n")
        for name, value in fields.items():
            if name not in _KEYS:
                raise web.HTTPBadRequest(text=f"unknown key {name!r}; known: {', '.join(_KEYS)}\n")
            kind = bool if name == "report" else str
            if not isinstance(value, kind):
                wanted = "true or false" if kind is bool else "a string"
                raise web.HTTPBadRequest(text=f"{name}: {wanted} is wanted\n")
        for name in ("from", "to", "payload"):
            if name not in fields:
                raise web.HTTPBadRequest(text=f"{name}: missing\n")
        return fields


def _unknown(application: str) -> str:
    return f"{application!r} is no application; add it as [[application]] in server.toml\n"
