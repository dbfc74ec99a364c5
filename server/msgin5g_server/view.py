"""What the server shows of itself: UEs in their states, and what may be done from the page."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from msgin5g import names as n
from msgin5g.payload_errors import BadMessage
from msgin5g_host.clock import Clock, iso
from msgin5g_host.folder import StoreError
from msgin5g_host.http_access import failure
from msgin5g_host.journal import Journal
from msgin5g_host.rates import Rates
from msgin5g_host.reporting import MAX_REPORT_BYTES, MAX_REPORT_ENTRIES, check
from msgin5g_host.ue_list import DEREGISTERED, EXPECTED, REGISTERED, UNREACHABLE, Brief, Row
from msgin5g_host.view_http import View
from msgin5g_server.core import ServerCore
from msgin5g_server.http_access import Access
from msgin5g_server.http_messages import Durably
from msgin5g_server.problems import Problem, parse, read, read_body
from msgin5g_server.routes import OPERATOR_ID, RouteError

_MESSAGES = "messages: "
_SEND_KINDS = (n.UE, n.GROUP, n.TOPIC)


class Send(msgspec.Struct, forbid_unknown_fields=True):
    """POST /view/send."""

    to: str
    text: str
    kind: str = n.UE
    report: bool = False


class Deregister(msgspec.Struct, forbid_unknown_fields=True):
    """POST /view/deregister."""

    ue_service_id: str


class Reports(msgspec.Struct):
    """POST /view/reports: who tells, and the entries."""

    at: str
    role: str
    entries: list[Any]


class ServerView:
    """The `Viewed` of the Server."""

    role = "server"
    at = "server"
    actions: tuple[str, ...] = ("send", "deregister")

    def __init__(
        self, core: ServerCore, journal: Journal, coap_counters: Callable[[], Mapping[str, int]]
    ) -> None:
        self._core = core
        self._journal = journal
        self._coap_counters = coap_counters
        rows = core.settings.rows["ue"]
        self._accounts: dict[str, str] = {
            row["ue_service_id"]: row.get("gateway") or "" for row in rows
        }

    def names(self) -> Iterable[str]:
        """Return who is registered, who has an account, and who left lately."""
        return {**dict.fromkeys(self._core.registry), **self._accounts, **self._journal.gone}

    def brief(self, ue: str, now: int) -> Brief | None:
        """Return what one is filtered by."""
        row = self._core.registry.get(ue)
        if row is not None and row.expires_at_ms > now:
            silent = self._core.messages.courier.is_unreachable(ue)
            return Brief(UNREACHABLE if silent else REGISTERED, row.via, self._link(ue, row.via))
        via = self._accounts.get(ue)
        if ue in self._journal.gone:
            return Brief(DEREGISTERED, via or "", self._link(ue, via or ""))
        if via is None:
            return None
        # How one comes that is not here is known if it came before.
        seen = self._journal.seen(ue)
        return Brief(EXPECTED, via, seen.link if seen is not None else "")

    def row(self, ue: str, now: int) -> Row | None:
        """Return all that the list shows of one."""
        brief = self.brief(ue, now)
        if brief is None:
            return None
        made: Row = {"ue_service_id": ue, **brief._asdict()}
        row = self._core.registry.get(ue)
        if row is not None and row.expires_at_ms > now:
            made["peer"] = row.peer
            made["registered_at"] = iso(row.registered_at_ms)
            made["expires_at"] = iso(row.expires_at_ms)
            made["expires_in_s"] = (row.expires_at_ms - now) // 1000
        else:
            made.update(dict.fromkeys(("peer", "registered_at", "expires_at", "expires_in_s")))
        made["waiting"] = self._core.messages.courier.waiting(ue)
        seen = self._journal.seen(ue)
        made["last"] = None if seen is None else seen.last
        return made

    def totals(self) -> Mapping[str, int]:
        """Return what the rates are made of."""
        counters = self._core.counters
        return {
            "messages": sum(
                value for name, value in counters.items() if name.startswith(_MESSAGES)
            ),
            "registrations": counters["registered"] + counters["refreshed"],
            "retransmissions": self._coap_counters().get("retransmissions", 0),
        }

    def queue(self) -> int:
        """Return how many deliveries are not done."""
        return self._core.messages.courier.stored()

    def _link(self, ue: str, via: str) -> str:
        return link_of(self._journal, ue, via)


def link_of(journal: Journal, ue: str, via: str) -> str:
    """Return the kind of link of a UE; empty if its gateway does not tell."""
    seen = journal.seen(ue)
    if seen is not None and seen.link:
        return seen.link
    return "" if via else "udp"


class ServerViewHttp:
    """The View of the Server with its actions, and the reports of gateways."""

    def __init__(
        self,
        core: ServerCore,
        journal: Journal,
        clock: Clock,
        coap_counters: Callable[[], Mapping[str, int]],
        durably: Durably,
        access: Access,
    ) -> None:
        self._core = core
        self._journal = journal
        self._clock = clock
        self._durably = durably
        self._access = access
        viewed = ServerView(core, journal, coap_counters)
        rates = Rates()
        core.messages.steps.on_delivered.append(rates.delivered)
        self.view = View(
            *(viewed, journal, rates, clock),
            *(access.need_operator, access.is_guarded),
        )

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        self.view.add_routes(app)
        app.router.add_post("/view/send", self._send)
        app.router.add_post("/view/deregister", self._deregister)
        app.router.add_post("/view/reports", self._reports)

    async def _send(self, request: web.Request) -> web.Response:
        self.view.check_action(request)
        wanted = await read(request, Send)
        if wanted.kind not in _SEND_KINDS:
            raise Problem(400, f"kind: one of {', '.join(_SEND_KINDS)} is wanted")

        def send(now: int) -> str:
            return self._core.messages.applications.submit(
                OPERATOR_ID,
                (wanted.kind, wanted.to),
                wanted.text,
                {"report": wanted.report},
                now,
            )

        try:
            trace = await self._on_disk(send)
        except BadMessage as problem:
            raise Problem(400, str(problem)) from None
        except RouteError as problem:
            raise Problem(404, f"{wanted.to}: {problem}") from None
        return web.json_response({"trace": trace})

    async def _deregister(self, request: web.Request) -> web.Response:
        self.view.check_action(request)
        ue = (await read(request, Deregister)).ue_service_id
        if not await self._on_disk(lambda now: self._core.deregister(ue, now)):
            raise Problem(404, f"{ue} is not registered")
        return web.json_response({"deregistered": True})

    async def _reports(self, request: web.Request) -> web.Response:
        gateway = self._access.need_reporter(request)
        if gateway is None:
            self.view.check_action(request)
        if (request.content_length or 0) > MAX_REPORT_BYTES:
            raise Problem(413, f"at most {MAX_REPORT_BYTES} bytes are taken")
        body = await read_body(request)
        if len(body) > MAX_REPORT_BYTES:
            raise Problem(413, f"at most {MAX_REPORT_BYTES} bytes are taken")
        given = parse(body, Reports)
        if len(given.entries) > MAX_REPORT_ENTRIES:
            raise Problem(413, f"at most {MAX_REPORT_ENTRIES} entries are taken")
        if gateway is not None and (given.at, given.role) != (gateway, "gateway"):
            raise Problem(403, f"the bearer token is that of the gateway {gateway}")
        now = self._clock.now()
        for number, entry in enumerate(given.entries):
            try:
                made = check(entry, given.at, now)
            except ValueError as problem:
                raise Problem(400, f"entries[{number}]: {problem}") from None
            if made["role"] != given.role:
                raise Problem(400, f"entries[{number}]: its role is not {given.role[:20]!r}")
            self._journal.add(made, now)
            if number % 50 == 49:
                await asyncio.sleep(0)
        return web.Response(status=204)

    async def _on_disk(self, work: Callable[[int], Any]) -> Any:
        try:
            return await self._durably(work)
        except StoreError:
            raise failure(503, "the disk takes nothing, try later") from None
