"""Who may look at the operator's pages: the bearer token, TLS, and which addresses may be open."""

import hashlib
import hmac
import ipaddress
import json
import re
import ssl
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from msgin5g_host.config import ConfigError, Key, Settings, parse_address

MIN_TOKEN = 16
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{{MIN_TOKEN},255}}\Z")
_FAILURES = {
    400: web.HTTPBadRequest,
    401: web.HTTPUnauthorized,
    403: web.HTTPForbidden,
    404: web.HTTPNotFound,
    409: web.HTTPConflict,
    415: web.HTTPUnsupportedMediaType,
    503: web.HTTPServiceUnavailable,
}
PROBLEM_TYPE = "application/problem+json"
_MAX_SHOWN = 200
_OPERATOR_WANTED = "the operator's bearer token is wanted, [http] token"


def check_token(value: str) -> None:
    """Raise ValueError for what is no bearer token (RFC 6750); short ones are guessed."""
    if not _TOKEN.match(value):
        raise ValueError(
            f"a bearer token has {MIN_TOKEN} to 255 letters, digits or -._~+/=; "
            "make one with: openssl rand -hex 24"
        )


def check_token_or_none(value: str) -> None:
    """Raise ValueError for what is neither empty nor a bearer token."""
    if value:
        check_token(value)


def check_address_or_none(value: str) -> None:
    """Raise ValueError for what is neither empty nor host:port."""
    if value:
        parse_address(value)


def check_url(value: str) -> None:
    """Raise ValueError for what is no start of an HTTP URL: http(s)://host[:port][/path]."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or parts.username or not value.isascii():
        raise ValueError(f"a URL such as https://example.org:8443 is wanted, not {value!r}")


def check_url_or_none(value: str) -> None:
    """Raise ValueError for what is neither empty nor an HTTP URL."""
    if value:
        check_url(value)


def failure(status: int, detail: str, **headers: str) -> web.HTTPException:
    """Return a refusal as an exception: ProblemDetails (RFC 9457) with a sentence."""
    kind = _FAILURES[status]
    return kind(text=_details(status, detail), content_type=PROBLEM_TYPE, headers=headers)


@web.middleware
async def as_failures(request: web.Request, handler: Any) -> web.StreamResponse:
    """Say in the same form what aiohttp itself refuses below /view, such as an unknown path."""
    try:
        answer: web.StreamResponse = await handler(request)
    except web.HTTPException as problem:
        own = problem.content_type == PROBLEM_TYPE
        if own or problem.status < 400 or not request.path.startswith("/view"):
            raise
        detail = f"{request.method} {request.path[:_MAX_SHOWN]}: {problem.reason}"
        headers = {key: problem.headers[key] for key in ("Allow",) if key in problem.headers}
        text = _details(problem.status, detail)
        return web.Response(
            status=problem.status, text=text, content_type=PROBLEM_TYPE, headers=headers
        )
    return answer


def own_site(is_guarded: bool) -> Any:
    """Return a middleware that refuses what another site's page sends through a browser.

    is_guarded: a token is asked for; where none is, only names of this machine are answered, so
    that no site can pretend to be it (DNS rebinding).
    """

    @web.middleware
    async def check(request: web.Request, handler: Any) -> web.StreamResponse:
        host = request.url.host or ""
        if not is_guarded and not is_loopback(host):
            raise failure(
                403,
                f"without [http] token this is for the machine itself, by the name localhost or "
                f"127.0.0.1 and not {host[:_MAX_SHOWN]!r}",
            )
        if request.method not in ("GET", "HEAD") and not _is_own(request):
            raise failure(403, "requests are taken from this page only, not from another site")
        answer: web.StreamResponse = await handler(request)
        return answer

    return check


def _is_own(request: web.Request) -> bool:
    """Tell whether a page of ours has sent this, or no page at all."""
    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    same = origin is None or origin == f"{request.scheme}://{request.host}"
    return same and site in (None, "same-origin", "none")


def _details(status: int, detail: str) -> str:
    return json.dumps({"status": status, "title": HTTPStatus(status).phrase, "detail": detail})


class OperatorAccess:
    """Let those pass who show the operator's token, and anybody if there is none."""

    def __init__(self, token: str) -> None:
        self._digest = token_digest(token) if token else None

    def need_operator(self, request: web.Request) -> None:
        """Raise an HTTPException (401) for anybody else."""
        if self._digest is None:
            return
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        same = hmac.compare_digest(token_digest(token.strip()), self._digest)
        if scheme.lower() != "bearer" or not same:
            challenge = {"WWW-Authenticate": 'Bearer realm="msgin5g"'}
            raise failure(401, _OPERATOR_WANTED, **challenge)


def server_tls(settings: Settings) -> ssl.SSLContext | None:
    """Return the context of http.tls_cert and http.tls_key, or None. Raises ConfigError."""
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
            f"http.tls_cert {cert} and http.tls_key {key}: {reason(problem)}; two PEM files are "
            "wanted, the chain and its key without a passphrase"
        ) from None
    return context


def client_tls(settings: Settings) -> ssl.SSLContext:
    """Return the context of calls to others. Raises ConfigError."""
    ca = settings["http.ca"]
    try:
        return ssl.create_default_context(cafile=ca or None)
    except OSError as problem:
        raise ConfigError(f"http.ca {ca}: {reason(problem)}; a PEM file is wanted") from None


def check_open(settings: Settings, name: str, bare: list[str]) -> None:
    """Refuse to open an address to others without TLS and tokens. Raises ConfigError.

    name: of the key with the address; bare: who has no token.
    """
    where = settings[name]
    if not where or is_loopback(parse_address(where)[0]):
        return
    missing = []
    if not settings["http.tls_cert"] or not settings["http.tls_key"]:
        missing.append("http.tls_cert and http.tls_key")
    if not settings["http.token"]:
        missing.append("http.token")
    if bare:
        missing.append("a token for " + ", ".join(bare[:3]) + (", …" if bare[3:] else ""))
    if missing:
        raise ConfigError(
            f"{name} {where} is open to others: set {'; '.join(missing)} (openssl rand "
            "-hex 24 makes a token), or bind 127.0.0.1:8080"
        )


def http_keys(token_help: str) -> tuple[Key, ...]:
    """Return the keys of [http] that every role has."""
    return (
        Key("http.tls_cert", str, "", "TLS certificate chain, a PEM file; empty for no TLS"),
        Key("http.tls_key", str, "", "its private key, a PEM file"),
        Key("http.ca", str, "", "CAs by which others are known, a PEM file; empty: the system's"),
        Key("http.token", str, "", token_help, check_token_or_none, secret=True),
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself, by its name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def token_digest(token: str) -> bytes:
    """Return a digest: how long it takes to look it up says nothing of the token."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def reason(problem: OSError | ValueError) -> str:
    """Return what went wrong with a file."""
    return getattr(problem, "strerror", None) or str(problem)
