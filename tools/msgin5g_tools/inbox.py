"""The server's /messages over HTTP: what applications are sent, and what they send."""

from typing import Any

from msgin5g_tools.http_client import HttpClient


def post(server: HttpClient, fields: dict[str, Any]) -> str:
    """Send a message of an application; returns its Message ID. Raises HttpError."""
    return str(server.post("/messages", fields)["message_id"])


def read(server: HttpClient, application: str, after: int) -> list[dict[str, Any]]:
    """Return what an application was sent since `after`. Raises HttpError."""
    found = server.get("/messages", application=application, after=after)
    rows: list[dict[str, Any]] = found["messages"]
    return rows
