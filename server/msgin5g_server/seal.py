"""What SEAL services have in common over CoAP (TS 24.544, TS 24.546): CBOR or JSON, errors.

Requests go in as what they are, answers come out; no network.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from msgin5g import cbor, coap
from msgin5g.codes import code_text
from msgin5g.jsontext import loads
from msgin5g.limits import MAX_BULK_JSON_DEPTH
from msgin5g.payload_errors import BadMessage
from msgin5g_host.log import EventLog

CBOR_FORMAT = 60
PROBLEM_FORMAT = 257
CONFLICT = 0x89
UNPROCESSABLE = 0x96
FORMATS = (coap.JSON_FORMAT, CBOR_FORMAT)
_TITLE, _DETAIL = -1, -2


@dataclass
class SealRequest:
    """path: the segments after the root; formats: Content-Format, Accept; source: "host:port"."""

    code: int
    path: list[str]
    source: str
    query: list[str] = field(default_factory=list)
    payload: bytes = b""
    content_format: int | None = None
    accept: int | None = None


@dataclass
class SealAnswer:
    """location: the segments of the path of what was made."""

    code: int
    payload: bytes = b""
    content_format: int | None = None
    location: list[str] = field(default_factory=list)


class Refused(Exception):
    """A request is answered with an error. code, and what is wrong."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


class Desk:
    """Answer what goes wrong with problem details (RFC 9290), counted and logged.

    root: the first segment of the service's paths; what: of its requests, in the counters' names.
    """

    def __init__(self, root: str, what: str, counters: Counter[str], log: EventLog) -> None:
        self._root = root
        self._what = what
        self._counters = counters
        self._log = log

    def answer(self, request: SealRequest, work: Callable[[], SealAnswer]) -> SealAnswer:
        """Return what `work` returns, or the error for the Refused or BadMessage it raises."""
        try:
            return work()
        except Refused as problem:
            code, detail = problem.code, str(problem)
        except BadMessage as problem:
            code, detail = coap.BAD_REQUEST, str(problem)
        self._counters[f"{self._what} requests refused: {code_text(code)}"] += 1
        self._log.event("refused", what=self._root, peer=request.source, cause=detail)
        payload = cbor.dumps({_TITLE: code_text(code), _DETAIL: detail})
        return SealAnswer(code, payload, PROBLEM_FORMAT)


def host_of(source: str) -> str:
    """Return the host in "host:port"; one of version 4 as such, on a socket of version 6 too."""
    return source.rpartition(":")[0].strip("[]").removeprefix("::ffff:")


def read(request: SealRequest) -> Any:
    """Return the value of a payload, CBOR if nothing else is said. Raises BadMessage, Refused."""
    if request.content_format in (None, CBOR_FORMAT):
        return cbor.loads(request.payload, MAX_BULK_JSON_DEPTH)
    if request.content_format == coap.JSON_FORMAT:
        return loads(request.payload, MAX_BULK_JSON_DEPTH)
    raise Refused(coap.UNSUPPORTED_FORMAT, "Content-Format: 60 (CBOR) or 50 (JSON) is understood")


def wanted_format(request: SealRequest, default: int) -> int:
    """Return the Content-Format in which a request wants its answer. Raises Refused."""
    wanted = default if request.accept is None else request.accept
    if wanted not in FORMATS:
        raise Refused(coap.NOT_ACCEPTABLE, "Accept: answers are 60 (CBOR) or 50 (JSON)")
    return wanted


def write(code: int, value: Any, content_format: int) -> SealAnswer:
    """Return the answer with a value in CBOR or JSON."""
    if content_format == CBOR_FORMAT:
        return SealAnswer(code, cbor.dumps(value), CBOR_FORMAT)
    return SealAnswer(code, json.dumps(value, ensure_ascii=False).encode(), coap.JSON_FORMAT)
