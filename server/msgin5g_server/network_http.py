"""The network's exposure function over HTTP: requests to it, and its notifications."""

import contextlib

import msgspec
from aiohttp import web

from msgin5g_host.config import Settings
from msgin5g_host.folder import StoreError
from msgin5g_server.calls import CallError, Calls
from msgin5g_server.http_messages import Durably
from msgin5g_server.network import MONITOR, TRIGGER, Asked, Network
from msgin5g_server.problems import Problem, read_bytes


class NetworkCalls:
    """Make the requests of a Network."""

    def __init__(
        self, network: Network, calls: Calls, durably: Durably, settings: Settings
    ) -> None:
        self._network = network
        self._calls = calls
        self._durably = durably
        token = settings["network.token"]
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def start(self) -> None:
        """Make the requests that are there."""
        for asked in self._network.take():
            self._calls.spawn(self._ask(asked))

    async def _ask(self, asked: Asked) -> None:
        status, body, location = 0, b"", ""
        # Not answered: that is status 0.
        with contextlib.suppress(CallError):
            status, body, headers = await self._calls.request(
                asked.method, asked.url, asked.body, self._headers
            )
            location = headers.get("Location", "")

        def heard(now: int) -> None:
            self._network.answered(asked, status, body, location, now)

        with contextlib.suppress(StoreError):
            await self._durably(heard)


class NetworkNotifications:
    """The handlers below /network/v1."""

    def __init__(self, network: Network, durably: Durably) -> None:
        self._network = network
        self._durably = durably

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post(f"/network/v1/{TRIGGER}/{{ref}}", self._trigger)
        app.router.add_post(f"/network/v1/{MONITOR}/{{ref}}", self._monitor)

    async def _trigger(self, request: web.Request) -> web.Response:
        return await self._take(request, TRIGGER)

    async def _monitor(self, request: web.Request) -> web.Response:
        return await self._take(request, MONITOR)

    async def _take(self, request: web.Request, kind: str) -> web.Response:
        # Nobody but the network knows the reference, which stands for a token.
        body = await read_bytes(request)
        ref = request.match_info["ref"]
        try:
            known = await self._durably(lambda now: self._network.notified(kind, ref, body, now))
        except (msgspec.DecodeError, UnicodeError, RecursionError, ValueError) as problem:
            raise Problem(400, str(problem)) from None
        except StoreError:
            raise Problem(503, "the disk takes nothing, try later") from None
        if not known:
            raise Problem(404, "nothing is known of this")
        return web.Response(status=204)
