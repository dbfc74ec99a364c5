"""What this Server provides of TS 29.538: msgs-asregistration and msgs-msgdelivery.

What is answered 2xx is on disk. An AS speaks MSGin5G-3, a message gateway MSGin5G-2 or -4, another
Server MSGin5G-8.
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web

from msgin5g import gaps
from msgin5g import names as n
from msgin5g.errors import CallerError
from msgin5g.message import Message
from msgin5g.payload_errors import BadMessage
from msgin5g_host.folder import StoreError
from msgin5g_server import northbound_types as t
from msgin5g_server import translate
from msgin5g_server.core import ServerCore
from msgin5g_server.http_access import ANYBODY, OPERATOR, Access, Caller
from msgin5g_server.http_messages import Durably
from msgin5g_server.outside import BMG, L3G, N3G, SERVER, may_pass, with_hops
from msgin5g_server.problems import Problem, read

REGISTRATIONS = "/msgs-asregistration/v1/registrations"
DELIVERY = "/msgs-msgdelivery/v1"
_GATEWAYS = (L3G, N3G, BMG)
_OWN_HOP = re.compile(r"1\.1 (msgin5g-[0-9a-f]{1,32})\Z")
_FULL = "too much is stored, try again later"
_LATER = {"Retry-After": "10"}


class Northbound:
    """The handlers of both APIs."""

    def __init__(self, core: ServerCore, durably: Durably, access: Access) -> None:
        self._core = core
        self._durably = durably
        self._access = access
        self._outside = core.messages.outside

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.router.add_post(REGISTRATIONS, self._register)
        app.router.add_delete(REGISTRATIONS + "/{registrationId}", self._deregister)
        app.router.add_post(DELIVERY + "/deliver-as-message", self._from_as)
        app.router.add_post(DELIVERY + "/deliver-ue-message", self._from_ue)
        app.router.add_post(DELIVERY + "/deliver-report", self._report)

    # Application Servers

    async def _register(self, request: web.Request) -> web.Response:
        caller = self._access.caller(request)
        given = await read(request, t.ASRegistration)
        self._access.need(caller, given.asSvcId)

        def register(now: int) -> str:
            refused = self._core.messages.routes.refuse_as(given.asSvcId)
            if refused is not None:
                raise Problem(403, f"{given.asSvcId}: {refused}")
            if self._outside.registered(given.asSvcId) is None and self._outside.is_full():
                raise Problem(503, "as many Application Servers are registered as may be")
            made = self._outside.register(given, now)
            self._core.counters["as registered"] += 1
            self._core.messages.registered(given.asSvcId, now)
            return made.id

        made = await self._on_disk(register)
        location = str(request.url.origin().with_path(f"{REGISTRATIONS}/{made}"))
        return _registration(given.asSvcId, 201, "Created", {"Location": location})

    async def _deregister(self, request: web.Request) -> web.Response:
        caller = self._access.caller(request)
        found = self._outside.by_id(request.match_info["registrationId"])
        if found is None:
            if self._access.is_guarded and caller.kind == ANYBODY:
                self._access.need(caller, "the AS")
            raise Problem(404, "no such registration")
        as_service_id = found.given.asSvcId
        self._access.need(caller, as_service_id)

        def deregister(now: int) -> None:
            del now
            self._outside.deregister(as_service_id)
            self._core.counters["as deregistered"] += 1

        await self._on_disk(deregister)
        return _registration(as_service_id, 200, "OK", {})

    async def _from_as(self, request: web.Request) -> web.Response:
        caller = self._access.caller(request)
        given = await read(request, t.ASMessageDelivery)
        origin = given.oriAddr.addr
        self._access.need(caller, origin)
        cause = None
        if not self._core.messages.routes.is_application(origin):
            cause = gaps.CAUSE_NOT_REGISTERED
        return await self._take(given, "", cause)

    # Message gateways, other Servers

    async def _from_ue(self, request: web.Request) -> web.Response:
        caller = self._access.caller(request)
        given = await read(request, t.UEMessageDelivery)
        neighbour, source, cause = self._neighbour(request, caller, given.oriAddr.addr)
        return await self._take(given, source, cause, neighbour)

    async def _report(self, request: web.Request) -> web.Response:
        caller = self._access.caller(request)
        given = await read(request, t.DeliveryStatusReport)
        origin = given.oriAddr.addr
        routes = self._core.messages.routes
        if isinstance(given.oriAddr, t.AsAddress) and routes.is_application(origin):
            self._access.need(caller, origin)
            return await self._take(given, "", None)
        neighbour, source, cause = self._neighbour(request, caller, origin)
        failed = given.delivSt != translate.REPORT_SUCCESS
        if failed and neighbour and cause == gaps.CAUSE_NOT_THE_SENDER:
            # Any Server on the way may say that it cannot deliver.
            cause = None
        return await self._take(given, source, cause, neighbour)

    def _neighbour(
        self, request: web.Request, caller: Caller, origin: str
    ) -> tuple[str, str, str | None]:
        """Return the Server that passes a message on, or "", the message's source, and the cause
        that refuses its originator.

        Without a token it is who is responsible for the originator. Raises Problem.
        """
        name, kind = caller.name, caller.kind
        if kind in (ANYBODY, OPERATOR):
            link = self._outside.link(origin)
            name = link.name if link is not None else ""
            kind = self._access.kind_of(name)
        if kind not in (*_GATEWAYS, SERVER):
            if self._access.is_guarded and caller.kind == ANYBODY:
                raise Problem(401, "the bearer token of a message gateway or Server is wanted")
            return "", "", gaps.CAUSE_NOT_THE_SENDER
        self._access.need(caller, name)
        if kind != SERVER:
            known = self._outside.may_speak(kind, name, origin)
            return "", "", None if known else gaps.CAUSE_NOT_THE_SENDER
        hops = _hops(request)
        cause = may_pass(hops, self._outside.own_id)
        if cause is None and not self._outside.may_speak(kind, name, origin):
            # A message of our own that comes back is one that goes round.
            is_own = self._core.messages.routes.is_own(origin)
            cause = gaps.CAUSE_LOOP if is_own else gaps.CAUSE_NOT_THE_SENDER
        return name, with_hops(hops), cause

    async def _take(
        self,
        given: t.ASMessageDelivery | t.UEMessageDelivery | t.DeliveryStatusReport,
        source: str,
        cause: str | None,
        neighbour: str = "",
    ) -> web.Response:
        """Take a message or report; answer with what its originator hears at once."""
        origin = translate.pair(given.oriAddr)
        messages = self._core.messages
        try:
            if isinstance(given, t.DeliveryStatusReport):
                message = translate.to_report(given)
            else:
                message = translate.to_message(given)
        except BadMessage as problem:
            return _ack(origin, given.msgId, (n.FAILURE, str(problem)))

        def submit(now: int) -> bool:
            refused = cause or self._is_loop(message, neighbour)
            return messages.submit(message, source, refused, now)

        messages.responses.listen(message)
        try:
            taken = await self._on_disk(submit)
        except (BadMessage, CallerError) as problem:
            # Above all a report on what nobody sent; with the cause where the sender is refused.
            return _ack(origin, given.msgId, (n.FAILURE, str(problem)))
        finally:
            told = messages.responses.told(message)
        if not taken:
            raise Problem(503, _FULL, headers=_LATER)
        return _ack(origin, given.msgId, told)

    def _is_loop(self, message: Message, neighbour: str) -> str | None:
        """Return the cause that stops a message which came from another neighbour before."""
        if not neighbour or message.msg_type != n.MSG:
            return None
        number = message.segment.number if message.segment else 0
        if self._core.messages.origins.came_from(message, number, neighbour):
            return None
        return gaps.CAUSE_LOOP

    async def _on_disk(self, work: Callable[[int], Any]) -> Any:
        try:
            return await self._durably(work)
        except StoreError:
            text = "the disk takes nothing, try later"
            raise Problem(503, text, headers=_LATER) from None


def _hops(request: web.Request) -> list[str]:
    """Return the MSGin5G Servers that Via names."""
    given = ",".join(request.headers.getall("Via", []))
    found = (_OWN_HOP.match(one.strip()) for one in given.split(","))
    return [one.group(1) for one in found if one]


def _registration(
    as_service_id: str, status: int, title: str, headers: dict[str, str]
) -> web.Response:
    made = t.ASRegistrationAck(as_service_id, t.ProblemDetails(status, title))
    return web.Response(
        status=status,
        body=msgspec.json.encode(made),
        content_type="application/json",
        headers=headers,
    )


def _ack(
    origin: tuple[str, str], message_id: str, told: tuple[str, str | None] | None
) -> web.Response:
    body = translate.ack(origin, message_id, told)
    return web.Response(body=body, content_type="application/json")
