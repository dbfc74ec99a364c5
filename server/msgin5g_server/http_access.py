"""Who speaks over HTTP: bearer tokens, TLS, and which addresses may be opened without.

An application, a message gateway or a peer without a token in the configuration is taken at its
word: this is for one machine, and refused on any other address.
"""

from typing import NamedTuple

from aiohttp import web

from msgin5g import names as n
from msgin5g_host.config import ConfigError, Settings
from msgin5g_host.http_access import check_open, client_tls, server_tls, token_digest
from msgin5g_server.outside import SERVER
from msgin5g_server.problems import Problem

OPERATOR, ANYBODY, REPORTER = "operator", "anybody", "reporter"


class Caller(NamedTuple):
    """Who sent a request. kind: AS, L3G, N3G, BMG, SERVER, REPORTER (a gateway that tells what it
    sees), OPERATOR or ANYBODY; name: its id."""

    kind: str
    name: str


class Access:
    """Know callers by their bearer tokens."""

    def __init__(self, settings: Settings) -> None:
        self._callers: dict[bytes, Caller] = {}
        self._with_token: set[str] = set()
        self._kinds: dict[str, str] = {}
        operator = settings["http.token"]
        self.is_guarded = bool(operator)
        if operator:
            self._callers[token_digest(operator)] = Caller(OPERATOR, "")
        for row in settings.rows["ue"]:
            if row.get("report_token"):
                self._add(row["report_token"], Caller(REPORTER, row["ue_service_id"]))
        for kind, name, token in _entities(settings):
            self._kinds[name] = kind
            if token:
                self._with_token.add(name)
                self._add(token, Caller(kind, name))

    def caller(self, request: web.Request) -> Caller:
        """Return who sent a request. Raises Problem (401) for a token that is nobody's."""
        given = request.headers.get("Authorization")
        if given is None:
            return Caller(ANYBODY, "")
        scheme, _, token = given.partition(" ")
        # Looked up by its digest: how long it takes says nothing of the tokens.
        found = self._callers.get(token_digest(token.strip()))
        if scheme.lower() != "bearer" or found is None:
            raise unauthorized("this bearer token is not known")
        return found

    def need_operator(self, request: web.Request) -> None:
        """Let the operator pass, and anybody where no token is configured. Raises Problem."""
        caller = self.caller(request)
        if self.is_guarded and caller.kind != OPERATOR:
            raise unauthorized("the operator's bearer token is wanted, [http] token")

    def need(self, caller: Caller, name: str) -> None:
        """Let pass who may act as an application, a gateway or a peer. Raises Problem."""
        if caller.kind == OPERATOR:
            return
        if caller.kind == ANYBODY:
            if self.is_guarded or name in self._with_token:
                raise unauthorized(f"the bearer token of {name} is wanted")
        elif caller.name != name or caller.kind == REPORTER:
            raise Problem(403, f"the bearer token is that of {caller.name}, not of {name}")

    def need_reporter(self, request: web.Request) -> str | None:
        """Let pass who may report what it sees. Returns the gateway that it is, None for any.

        Raises Problem.
        """
        caller = self.caller(request)
        if caller.kind == REPORTER:
            return caller.name
        self.need_operator(request)
        return None

    def _add(self, token: str, caller: Caller) -> None:
        if self._callers.setdefault(token_digest(token), caller) != caller:
            raise ConfigError(
                f"the token of {caller.name!r} is another's as well; make one for each with: "
                "openssl rand -hex 24"
            )

    def kind_of(self, name: str) -> str:
        """Return the kind of an application, a gateway or a peer, or ""."""
        return self._kinds.get(name, "")


def unauthorized(detail: str) -> Problem:
    """Return the problem of a token that is missing or unknown."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="msgin5g"'})


def check_access(settings: Settings) -> None:
    """Try what is configured, and refuse to open an address to others without TLS and tokens.

    Raises ConfigError.
    """
    Access(settings)
    server_tls(settings)
    client_tls(settings)
    bare = [name for _, name, token in _entities(settings) if not token]
    check_open(settings, "server.http", bare)


def _entities(settings: Settings) -> list[tuple[str, str, str | None]]:
    """Return (kind, name, token) of all that may speak."""
    rows = settings.rows
    found = [(n.AS, row["as_service_id"], row.get("token")) for row in rows.get("application", ())]
    found += [
        (row["kind"], row["mgw_service_id"], row.get("token"))
        for row in rows.get("message_gateway", ())
    ]
    found += [(SERVER, row["server_id"], row.get("token")) for row in rows.get("peer", ())]
    return found
