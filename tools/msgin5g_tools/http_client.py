"""HTTP to a running server or gateway: bearer token, TLS, answers as JSON, server-sent events."""

import argparse
import contextlib
import http.client
import ipaddress
import json
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgin5g_host.config import parse_address

_DEFAULT_HTTP = "127.0.0.1:8080"
_TOKEN_VARIABLE = "MSGIN5G_TOKEN"
_MAX_ANSWER_BYTES = 64 << 20
_MAX_LINE_BYTES = 1 << 20
_MAX_PROBLEM_BYTES = 4096
_MAX_SENTENCE = 300
_PIECE_BYTES = 1 << 16
_LONGEST_TIMEOUT_S = 86_400.0
# A stream has something every 15 s, if only to say that it is there.
_STREAM_SILENCE_S = 60.0


class HttpError(Exception):
    """The server did not do it; the text says why and what to do. status: 0 if none answered."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


def add_http_arguments(parser: argparse.ArgumentParser, what: str = "") -> None:
    """Add where a server is and how it is spoken to. what: what of the verb is about it."""
    parser.add_argument(
        "--http",
        default=_DEFAULT_HTTP,
        metavar="HOST:PORT",
        help=f"HTTP address of the server{what}, https://HOST:PORT for TLS (default %(default)s)",
    )
    parser.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"file with the bearer token; {_TOKEN_VARIABLE} in the environment does as well",
    )
    parser.add_argument(
        "--ca", metavar="FILE", help="CAs by which the server is known (PEM; default the system's)"
    )


def connect(args: argparse.Namespace) -> "HttpClient":
    """Return the client that the options ask for. Raises ValueError."""
    token = os.environ.get(_TOKEN_VARIABLE, "")
    if args.token_file:
        try:
            token = Path(args.token_file).read_text(encoding="ascii").strip()
        except OSError as problem:
            raise ValueError(f"--token-file {args.token_file}: {problem.strerror}") from None
        except UnicodeDecodeError:
            raise ValueError(f"--token-file {args.token_file}: is no token") from None
    return HttpClient(args.http, args.timeout_s, token, args.ca)


class HttpClient:
    """Speak with one server. where: "host:port", or a URL of http or https. Raises ValueError."""

    def __init__(self, where: str, timeout_s: float, token: str = "", ca: str | None = None):
        if not 0 < timeout_s <= _LONGEST_TIMEOUT_S:
            raise ValueError(
                f"--timeout-s: more than 0 and at most {_LONGEST_TIMEOUT_S:g} are wanted, "
                f"not {timeout_s:g}"
            )
        scheme, separator, rest = where.rpartition("://")
        self._scheme = scheme if separator else "http"
        if self._scheme not in ("http", "https"):
            raise ValueError(f"--http: host:port or https://host:port is wanted, not {where!r}")
        try:
            host, port = parse_address(rest.rstrip("/"))
        except ValueError as problem:
            raise ValueError(f"--http: {problem}") from None
        if not token.isprintable() or " " in token:
            raise ValueError("the bearer token has characters that none can have")
        if token and self._scheme == "http" and not _is_loopback(host):
            raise ValueError(
                f"--http: a token goes over TLS only, everybody between could read it: give "
                f"--http https://{rest}"
            )
        self.base = f"{self._scheme}://" + (f"[{host}]:{port}" if ":" in host else rest.strip("/"))
        self._token = token
        self._timeout_s = timeout_s
        handlers: list[Any] = [
            # A proxy of the environment has no business between us and a server in the lab, and
            # a token is for this server only.
            urllib.request.ProxyHandler({}),
            _NoRedirect(),
        ]
        if self._scheme == "https":
            try:
                context = ssl.create_default_context(cafile=ca)
            except OSError as problem:
                reason = problem.strerror or problem
                raise ValueError(f"--ca {ca}: {reason}; a PEM file is wanted") from None
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """Return the JSON object at a path. Raises HttpError."""
        given = urllib.parse.urlencode({key: one for key, one in query.items() if one != ""})
        return self._ask(f"{path}?{given}" if given else path, None)

    def post(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what a POST of a JSON object is answered. Raises HttpError."""
        return self._ask(path, json.dumps(fields).encode())

    def events(self, path: str) -> Iterator[tuple[str, Any]]:
        """Open a stream; returns its (event, data) until the server ends it. Raises HttpError."""
        return self._read_events(path, self._open(path, None, _STREAM_SILENCE_S))

    def pieces(self, path: str) -> Iterator[bytes]:
        """Open a stream; returns its bytes as they come, until its end. Raises HttpError."""
        return self._read_pieces(self._open(path, None, _STREAM_SILENCE_S))

    def _read_pieces(self, answer: Any) -> Iterator[bytes]:
        with answer:
            while True:
                try:
                    piece: bytes = answer.read1(_PIECE_BYTES)
                except (OSError, http.client.HTTPException) as problem:
                    raise self._silent(problem) from None
                if not piece:
                    return
                yield piece

    def _read_events(self, path: str, answer: Any) -> Iterator[tuple[str, Any]]:
        with answer:
            event = ""
            while line := self._line(answer):
                name, _, value = line.decode(errors="replace").rstrip("\r\n").partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    try:
                        yield event, json.loads(value)
                    except ValueError:
                        raise self._not_ours(path) from None

    def _ask(self, path: str, body: bytes | None) -> dict[str, Any]:
        with self._open(path, body, self._timeout_s) as answer:
            try:
                found = json.loads(answer.read(_MAX_ANSWER_BYTES))
            except ValueError:
                found = None
            except (OSError, http.client.HTTPException) as problem:
                raise self._silent(problem) from None
        if not isinstance(found, dict):
            raise self._not_ours(path)
        return found

    def _open(self, path: str, body: bytes | None, timeout_s: float) -> Any:
        request = urllib.request.Request(self.base + path, data=body)
        if body is not None:
            request.add_header("Content-Type", "application/json")
        if self._token:
            request.add_unredirected_header("Authorization", f"Bearer {self._token}")
        try:
            return self._opener.open(request, timeout=timeout_s)
        except urllib.error.HTTPError as problem:
            with problem:
                raise self._refused(problem) from None
        except (OSError, ValueError, http.client.HTTPException) as problem:
            raise self._silent(problem) from None

    def _line(self, answer: Any) -> bytes:
        try:
            line: bytes = answer.readline(_MAX_LINE_BYTES)
        except (OSError, http.client.HTTPException) as problem:
            raise self._silent(problem) from None
        return line

    def _refused(self, problem: urllib.error.HTTPError) -> HttpError:
        text = problem.read(_MAX_PROBLEM_BYTES).decode(errors="replace").strip()
        detail = text.removeprefix(f"{problem.code}: ")
        if not detail.isprintable() or not 0 < len(detail) <= _MAX_SENTENCE:
            detail = str(problem.reason)
        with contextlib.suppress(ValueError, AttributeError):
            told = json.loads(text)
            detail = str(told.get("detail") or told.get("title") or problem.reason)
        do = ""
        if problem.code == 401:
            do = f"; give --token-file, or {_TOKEN_VARIABLE} in the environment"
        elif problem.code == 404 and not text.startswith("{"):
            do = "; is that an MSGin5G Server? Give the address it prints as http= with --http"
        return HttpError(f"{self.base} answers {problem.code}: {detail}{do}", problem.code)

    def _silent(self, problem: Exception) -> HttpError:
        reason = getattr(problem, "reason", None) or str(problem) or type(problem).__name__
        if isinstance(reason, ssl.SSLCertVerificationError):
            return HttpError(
                f"{self.base}: its certificate is not trusted ({reason.verify_message}); give its "
                "CA with --ca"
            )
        if isinstance(problem, http.client.RemoteDisconnected) and self._scheme == "http":
            reason = "it closed the connection; with TLS it is --http https://…"
        return HttpError(
            f"no server answers at {self.base} ({reason}); start one with `msgin5g server`, "
            "or give the address it prints as http= with --http"
        )

    def _not_ours(self, path: str) -> HttpError:
        where = self.base + path.partition("?")[0]
        return HttpError(f"{where} is not what is expected; is that an MSGin5G Server?")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
