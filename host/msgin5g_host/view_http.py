"""The operator's view over HTTP, the same at server and gateway: UEs, traces, log, rates, events.

All answers are JSON; a refusal is ProblemDetails with a sentence (RFC 9457).
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, Protocol

from aiohttp import web

from msgin5g_host.clock import Clock, iso
from msgin5g_host.http_access import as_failures, failure, own_site
from msgin5g_host.journal import MESSAGES, REQUESTS, Journal, Trace, summary, whole
from msgin5g_host.page_http import add_page
from msgin5g_host.rates import STEP_S, Rates, Sample
from msgin5g_host.ue_list import STATES, Residents, UeList, Wanted
from msgin5g_host.view_events import Events

_DEFAULT_LIMIT, _MAX_LIMIT = 100, 1_000
_MAX_NUMBER = 1 << 53
_MAX_TEXT = 300
# How many traces are done before other tasks have their turn: about a millisecond.
_AT_ONCE = 100
# TS 24.538 V18: the release whose names and elements this implementation has.
_RELEASE = "18"


class Viewed(Residents, Protocol):
    """A role that is looked at. role: "server" or "gateway"; at: its name in entries."""

    role: str
    at: str
    actions: tuple[str, ...]

    def totals(self) -> Mapping[str, int]:
        """Return "messages", "registrations" and "retransmissions" so far."""

    def queue(self) -> int:
        """Return how much waits to be delivered."""


class View:
    """Serve /view and the page. need: raises for who may not look; is_guarded: it wants a token.

    No other site's page is answered, whatever it asks of the application that has these routes.
    """

    def __init__(
        self,
        viewed: Viewed,
        journal: Journal,
        rates: Rates,
        clock: Clock,
        need: Callable[[web.Request], None],
        is_guarded: bool,
    ) -> None:
        self._viewed = viewed
        self._journal = journal
        self._clock = clock
        self._rates = rates
        self._need = need
        self._is_guarded = is_guarded
        self._list = UeList(viewed)
        self._since = iso(clock.now())
        self._counts: tuple[int, dict[str, int]] = (0, {})
        self._ticker: asyncio.Task[None] | None = None
        self._events = Events(journal, lambda ue: viewed.row(ue, clock.now()))

    def add_routes(self, app: web.Application) -> None:
        """Add the routes to an application."""
        app.middlewares.extend((as_failures, own_site(self._is_guarded)))
        add_page(app)
        for path, handler in (
            ("about", self._about),
            ("ues", self._ues),
            ("traces", self._traces),
            ("traces/{trace:.+}", self._trace),
            ("log", self._log),
            ("rates", self._show_rates),
            ("events", self._follow),
        ):
            app.router.add_get("/view/" + path, self._checked(handler))

    def start(self) -> None:
        """Begin to take samples."""
        self._ticker = asyncio.create_task(self._sample())

    def close(self) -> None:
        """End what goes on."""
        if self._ticker is not None:
            self._ticker.cancel()
        self._events.close()

    def check(self, request: web.Request) -> None:
        """Refuse who may not look. Raises what `need` raises."""
        self._need(request)

    def check_action(self, request: web.Request) -> None:
        """Refuse who may not act. Raises an HTTPException, or what `need` raises."""
        self.check(request)
        if request.content_type.lower() != "application/json":
            raise failure(415, "Content-Type: application/json is wanted")

    def _checked(self, handler: Any) -> Any:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.check(request)
            answer: web.StreamResponse = await handler(request)
            return answer

        return handle

    async def _about(self, request: web.Request) -> web.Response:
        now = self._clock.now()
        if now - self._counts[0] >= STEP_S * 1000:
            _, _, counts = await self._list.select(Wanted(), 0, 0, now)
            self._counts = now, counts
        return _json(
            {
                "role": self._viewed.role,
                "at": self._viewed.at,
                "version": version("msgin5g"),
                "release": _RELEASE,
                "since": self._since,
                "counts": self._counts[1],
                "actions": list(self._viewed.actions),
            }
        )

    async def _ues(self, request: web.Request) -> web.Response:
        known = ("offset", "limit", "q", "state", "via", "link")
        query = _query(request, *known)
        if query.get("state") not in (None, "", *STATES):
            raise failure(400, f"state is one of {', '.join(STATES)}, not {query['state']!r}")
        wanted = Wanted(*(query.get(name, "") for name in known[2:]))
        offset = _number(query, "offset", 0, _MAX_NUMBER)
        limit = _number(query, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        rows, total, counts = await self._list.select(wanted, offset, limit, self._clock.now())
        return _json({"ues": rows, "count": len(rows), "total": total, "counts": counts})

    async def _traces(self, request: web.Request) -> web.Response:
        query = _query(request, "ue", "kind", "offset", "limit")
        kind = query.get("kind", "")
        if kind not in ("", MESSAGES, REQUESTS):
            raise failure(400, f"kind is {MESSAGES} or {REQUESTS}, not {kind!r}")
        offset = _number(query, "offset", 0, _MAX_NUMBER)
        limit = _number(query, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        ue, found, rows = query.get("ue", ""), [], []
        for part in _parts(list(self._journal.traces(kind=kind))):
            found += [one for one in part if not ue or one.names(ue)]
            await asyncio.sleep(0)
        for part in _parts(found[offset : offset + limit]):
            rows += [summary(one) for one in part]
            await asyncio.sleep(0)
        return _json({"traces": rows, "count": len(rows), "total": len(found)})

    async def _trace(self, request: web.Request) -> web.Response:
        found = self._journal.trace(request.match_info["trace"])
        if found is None:
            raise failure(404, "no such trace: it is not known, or too long ago")
        return _json({**summary(found), "entries": whole(found)})

    async def _log(self, request: web.Request) -> web.Response:
        query = _query(request, "limit", "before")
        before = _number(query, "before", _MAX_NUMBER, _MAX_NUMBER)
        limit = _number(query, "limit", _DEFAULT_LIMIT, _MAX_LIMIT)
        return _json({"entries": self._journal.entries(limit, before)})

    async def _show_rates(self, request: web.Request) -> web.Response:
        return _json({"step_s": STEP_S, "samples": list(self._rates.samples)})

    async def _follow(self, request: web.Request) -> web.StreamResponse:
        query = _query(request, "after")
        # A browser that connects again names what it got last.
        last = request.headers.get("Last-Event-ID")
        given = query if last is None else {"after": last}
        after = _number(given, "after", 0, _MAX_NUMBER) if "after" in given else None
        return await self._events.serve(request, after)

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(STEP_S)
            now = self._clock.now()
            sample: Sample = self._rates.sample(self._viewed.totals(), self._viewed.queue(), now)
            self._events.sampled(sample)


def _parts(traces: list[Trace]) -> Iterator[list[Trace]]:
    return (traces[at : at + _AT_ONCE] for at in range(0, len(traces), _AT_ONCE))


def _json(value: Any) -> web.Response:
    return web.json_response(value, headers={"Cache-Control": "no-store"})


def _query(request: web.Request, *known: str) -> Mapping[str, str]:
    """Return the parameters. Raises an HTTPException (400) for unknown ones."""
    for name, value in request.query.items():
        if name not in known:
            names = ", ".join(known)
            raise failure(400, f"unknown parameter {name[:_MAX_TEXT]!r}; known are {names}")
        if len(value) > _MAX_TEXT:
            raise failure(400, f"{name}: at most {_MAX_TEXT} characters are taken")
    return request.query


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > most:
        raise failure(400, f"{name} is a number from 0 to {most}, not {text[:_MAX_TEXT]!r}")
    return int(text)
