"""The server's /messages over HTTP: what applications are sent, and what they send."""

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from msgin5g_host.config import parse_address

_MAX_ANSWER_BYTES = 64 << 20


class InboxError(Exception):
    """The server did not do it; the text says why and what to do."""


def post(http: str, fields: dict[str, Any], timeout_s: float) -> str:
    """Send a message of an application; returns its Message ID. Raises InboxError, ValueError."""
    answer = _ask(http, "/messages", json.dumps(fields).encode(), timeout_s)
    return str(answer["message_id"])


def read(http: str, application: str, after: int, timeout_s: float) -> list[dict[str, Any]]:
    """Return what an application was sent since `after`. Raises InboxError, ValueError."""
    query = urllib.parse.urlencode({"application": application, "after": after})
    rows: list[dict[str, Any]] = _ask(http, f"/messages?{query}", None, timeout_s)["messages"]
    return rows


def _ask(http: str, path: str, body: bytes | None, timeout_s: float) -> dict[str, Any]:
    host, port = parse_address(http)
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        with urllib.request.urlopen(base + path, data=body, timeout=timeout_s) as answer:
            found: dict[str, Any] = json.loads(answer.read(_MAX_ANSWER_BYTES))
            return found
    except urllib.error.HTTPError as problem:
        text = problem.read(500).decode(errors="replace").strip()
        raise InboxError(f"{problem.code} {text}") from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        raise InboxError(f"no server answers at {base}: {reason}; give --http") from None
