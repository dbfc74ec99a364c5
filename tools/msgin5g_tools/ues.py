"""`msgin5g ues`: who is registered at a server, as a table or as JSON."""

import argparse
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from msgin5g_host.config import parse_address

_PAGE = 10_000
_MAX_ANSWER_BYTES = 64 << 20
_HEADS = ("UE SERVICE ID", "VIA", "LINK", "PEER", "REGISTERED AT", "EXPIRES IN")


class UesError(Exception):
    """The list cannot be had; the text says why and what to do."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g ues`."""
    parser.description = "List the UEs that are registered at a running MSGin5G Server."
    parser.add_argument(
        "--http",
        default="127.0.0.1:8080",
        metavar="HOST:PORT",
        help="HTTP address of the server (default %(default)s)",
    )
    parser.add_argument(
        "--prefix", default="", metavar="TEXT", help="only UE Service IDs that start with this"
    )
    parser.add_argument("--timeout-s", type=float, default=5.0, metavar="S", help="default 5")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the list; returns 0, 1 if no server answers, 2 for a bad address."""
    try:
        host, port = parse_address(args.http)
    except ValueError as problem:
        print(f"msgin5g ues: --http: {problem}", file=sys.stderr)
        return 2
    base = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    try:
        ues = fetch(base, args.prefix, args.timeout_s)
    except UesError as problem:
        print(f"msgin5g ues: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"ues": ues, "count": len(ues)}, ensure_ascii=False))
    else:
        print(table(ues))
    return 0


def fetch(base: str, prefix: str = "", timeout_s: float = 5.0) -> list[dict[str, Any]]:
    """Return all registered UEs of the server at `base` ("http://host:port"), page by page.

    Raises UesError.
    """
    found: dict[str, dict[str, Any]] = {}
    offset = 0
    while True:
        query = urllib.parse.urlencode({"limit": _PAGE, "offset": offset, "prefix": prefix})
        page = _page(f"{base}/ues?{query}", base, timeout_s)
        known = len(found)
        found.update({str(ue["ue_service_id"]): ue for ue in page})
        offset += len(page)
        if len(page) < _PAGE or len(found) == known:
            return list(found.values())


def table(ues: list[dict[str, Any]]) -> str:
    """Return the list as aligned text, one UE a line, with the count below."""
    rows = [
        (
            _text(ue["ue_service_id"]),
            _text(ue.get("via")),
            _text(ue.get("link")),
            _text(ue.get("peer")),
            _text(ue.get("registered_at"))[:19].replace("T", " "),
            _duration(ue.get("expires_in_s")),
        )
        for ue in ues
    ]
    widths = [max(len(row[column]) for row in [_HEADS, *rows]) for column in range(len(_HEADS))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in ([_HEADS, *rows] if rows else [])
    ]
    lines.append(f"{len(rows)} UE registered" if len(rows) == 1 else f"{len(rows)} UEs registered")
    return "\n".join(lines)


def _page(url: str, base: str, timeout_s: float) -> list[dict[str, Any]]:
    # A proxy of the environment has no business between us and a server in the lab.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=timeout_s) as answer:
            text = answer.read(_MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as problem:
        problem.close()
        raise UesError(
            f"{base}/ues answers {problem.code} {problem.reason}; is that an MSGin5G Server? "
            "Give the address it prints as http= with --http"
        ) from None
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "reason", problem)
        raise UesError(
            f"no server answers at {base} ({reason}); start one with `msgin5g server`, "
            "or give the address it prints as http= with --http"
        ) from None
    try:
        ues = json.loads(text)["ues"]
        if not all(isinstance(ue["ue_service_id"], str) for ue in ues):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise UesError(f"{base}/ues is not a list of UEs; is that an MSGin5G Server?") from None
    return list(ues)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    text = str(value)
    return text if text.isprintable() else json.dumps(text)


def _duration(seconds: Any) -> str:
    if not isinstance(seconds, int):
        return "-"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
