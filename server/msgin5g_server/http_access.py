"""Who speaks over HTTP: bearer tokens, TLS, and which addresses may be opened without.

An application, a message gateway or a peer without a token in the configuration is taken at its
word: this is for one machine, and refused on any other address.
"""

import hashlib
import ipaddress
import ssl
from typing import NamedTuple

from aiohttp import web

from msgin5g import names as n
from msgin5g_host.config import ConfigError, Settings, parse_address
from msgin5g_server.outside import SERVER
from msgin5g_server.problems import Problem

OPERATOR, ANYBODY = "operator", "anybody"


class Caller(NamedTuple):
    """Who sent a request. kind: AS, L3G, N3G, BMG, SERVER, OPERATOR or ANYBODY; name: its id."""

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
            self._callers[_digest(operator)] = Caller(OPERATOR, "")
        for kind, name, token in _entities(settings):
            self._kinds[name] = kind
            if token:
                self._with_token.add(name)
                if self._callers.setdefault(_digest(token), Caller(kind, name)).name != name:
                    raise ConfigError(
                        f"the token of {name!r} is another's as well; make one for each with: "
                        "openssl rand -hex 24"
                    )

    def caller(self, request: web.Request) -> Caller:
        """Return who sent a request. Raises Problem (401) for a token that is nobody's."""
        given = request.headers.get("Authorization")
        if given is None:
            return Caller(ANYBODY, "")
        scheme, _, token = given.partition(" ")
        # Looked up by its digest: how long it takes says nothing of the tokens.
        found = self._callers.get(_digest(token.strip()))
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
        elif caller.name != name:
            raise Problem(403, f"the bearer token is that of {caller.name}, not of {name}")

    def kind_of(self, name: str) -> str:
        """Return the kind of an application, a gateway or a peer, or ""."""
        return self._kinds.get(name, "")


def unauthorized(detail: str) -> Problem:
    """Return the problem of a token that is missing or unknown."""
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="msgin5g"'})


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the context of the Server's own TLS, or None. Raises ConfigError."""
    cert, key = settings["http.tls_cert"], settings["http.tls_key"]
    if not cert and not key:
        return None
    if not cert or not key:
        raise ConfigError("http.tls_cert and http.tls_key go together: give both or none")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        # A key with a passphrase would ask for it at the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as problem:
        raise ConfigError(
            f"http.tls_cert {cert} and http.tls_key {key}: {_reason(problem)}; two PEM files are "
            "wanted, the chain and its key without a passphrase"
        ) from None
    return context


def client_tls(settings: Settings) -> ssl.SSLContext:
    """Return the context of calls to others. Raises ConfigError."""
    ca = settings["http.ca"]
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as problem:
        raise ConfigError(f"http.ca {ca}: {_reason(problem)}; a PEM file is wanted") from None


def check_access(settings: Settings) -> None:
    """Try what is configured, and refuse to open an address to others without TLS and tokens.

    Raises ConfigError.
    """
    Access(settings)
    server_tls(settings)
    client_tls(settings)
    where = settings["server.http"]
    if not where or _is_loopback(parse_address(where)[0]):
        return
    missing = []
    if not settings["http.tls_cert"] or not settings["http.tls_key"]:
        missing.append("http.tls_cert and http.tls_key")
    if not settings["http.token"]:
        missing.append("http.token")
    bare = [name for _, name, token in _entities(settings) if not token]
    if bare:
        missing.append("a token for " + ", ".join(bare[:3]) + (", …" if bare[3:] else ""))
    if missing:
        raise ConfigError(
            f"server.http {where} is open to others: set {'; '.join(missing)} (openssl rand "
            "-hex 24 makes a token), or bind 127.0.0.1:8080"
        )


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


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def _reason(problem: OSError | ValueError) -> str:
    return getattr(problem, "strerror", None) or str(problem)
