"""Errors over HTTP as ProblemDetails (RFC 9457, TS 29.122 5.2.6), and bodies that are checked."""

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from msgin5g_host.http_access import PROBLEM_TYPE
from msgin5g_server.northbound_types import WANTED, InvalidParam, ProblemDetails

MAX_BODY_BYTES = 512 * 1024
_BODY_S = 20.0
_WHERE = re.compile(r"(.*) - at `\$(.*)`\Z", re.S)
_STEP = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_T = TypeVar("_T")


class Problem(Exception):
    """A request is refused: status and a sentence that says why."""

    def __init__(
        self,
        status: int,
        detail: str,
        invalid: tuple[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.details = ProblemDetails(status, HTTPStatus(status).phrase, detail)
        if invalid is not None:
            self.details.invalidParams = [InvalidParam(*invalid)]

    def response(self) -> web.Response:
        """Return it as an answer."""
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(self.details),
            content_type=PROBLEM_TYPE,
            headers=self.headers,
        )


async def read(request: web.Request, wanted: type[_T]) -> _T:
    """Return the body of a request as a type. Raises Problem."""
    return parse(await read_bytes(request), wanted)


async def read_bytes(request: web.Request) -> bytes:
    """Return the JSON text of a request. Raises Problem."""
    if request.content_type.lower() != "application/json":
        raise Problem(415, "Content-Type: application/json is wanted")
    return await read_body(request)


async def read_body(request: web.Request) -> bytes:
    """Return the body of a request. Raises Problem if it is too long or takes too long."""
    try:
        async with asyncio.timeout(_BODY_S):
            return await request.read()
    except TimeoutError:
        raise Problem(408, f"the body did not arrive within {_BODY_S:g} s") from None
    except ConnectionError:
        # Nobody is there to hear it.
        raise Problem(400, "the connection ended within the body") from None
    except web.RequestPayloadError:
        text = "the body is not what Content-Encoding or Transfer-Encoding says"
        raise Problem(400, text) from None
    except web.HTTPRequestEntityTooLarge:
        raise Problem(413, f"at most {MAX_BODY_BYTES} bytes are taken") from None


def parse(body: bytes, wanted: type[_T]) -> _T:
    """Return a JSON text as a type. Raises Problem that names the member."""
    try:
        return msgspec.json.decode(body, type=wanted)
    except msgspec.ValidationError as problem:
        text = str(problem)
        found = _WHERE.match(text)
        reason, where = found.groups() if found else (text, "")
        for pattern, words in WANTED.items():
            if repr(pattern) in reason:
                reason = words
        pointer = "".join("/" + (name or index) for name, index in _STEP.findall(where))
        detail = f"{pointer or 'the body'}: {reason}"
        raise Problem(400, detail, (pointer or "/", reason)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as problem:
        raise Problem(400, f"the body is not JSON: {problem}") from None


@web.middleware
async def as_problems(request: web.Request, handler: Any) -> web.StreamResponse:
    """Answer every refusal below the APIs of TS 29.538 with ProblemDetails."""
    try:
        answer: web.StreamResponse = await handler(request)
    except Problem as problem:
        return problem.response()
    except web.HTTPException as problem:
        if problem.content_type == PROBLEM_TYPE:
            raise
        if problem.status < 400 or not request.path.startswith(("/msgs-", "/network/")):
            raise
        headers = {key: problem.headers[key] for key in ("Allow",) if key in problem.headers}
        return Problem(problem.status, problem.reason, headers=headers).response()
    return answer
