"""`msgin5g messages`: what passed lately, and one message hop by hop."""

import argparse
import json
import sys
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from itertools import count
from typing import Any

from msgin5g_tools.http_client import HttpClient, HttpError, add_http_arguments, connect
from msgin5g_tools.tables import moment, show, text

_PAGE = 1_000
_MAX_FOLLOWED = 2_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
# Of a server that starts, or has enough pages open for the moment; others do not pass by waiting.
_MAY_PASS = (0, 503)
_MESSAGES = ("MSG", "IMDN", "MSGRESP", "SEGREC", "SEGCONFIR")
_HEADS = ("BEGAN", "FROM", "TO", "STATE", "MS", "HOPS", "TEXT", "TRACE")
_HOP_HEADS = ("AFTER", "AT", "WHAT HAPPENED", "INTERFACE", "UE", "PEER", "DETAIL")
_SHOWN_CHARACTERS = 40

Row = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g messages`."""
    parser.description = (
        "Show the messages that passed a running MSGin5G Server lately, the newest last: from "
        "whom to whom, what became of each, and how long it took. With a TRACE, which is a "
        "Message ID, show every hop of that one. The server keeps the last 2,000 in memory."
    )
    parser.add_argument("trace", nargs="?", metavar="TRACE", help="show this message hop by hop")
    add_http_arguments(parser, " or gateway")
    parser.add_argument("--ue", default="", metavar="URI", help="only those of this UE")
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most (default 20)")
    parser.add_argument(
        "--all", action="store_true", help="registrations and subscriptions as well"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with a line for each change, until Ctrl-C, whether the server restarts or not",
    )
    parser.add_argument(
        "--count", type=int, default=0, metavar="N", help="with --follow: end after N lines"
    )
    parser.add_argument("--timeout-s", type=float, default=5.0, metavar="S", help="default 5")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object, with --follow one a line",
    )


def run(args: argparse.Namespace) -> int:
    """Print them; returns 0, 1 if no server answers or knows it, 2 for wrong use."""
    try:
        if args.limit < 1:
            raise ValueError("--limit is a number from 1")
        if args.count < 0:
            raise ValueError("--count is a number from 0, which is for ever")
        if args.trace and (args.follow or args.ue):
            raise ValueError("TRACE is one message; leave out --follow and --ue")
        server = connect(args)
        if args.trace:
            _show_trace(server, args.trace, args.json)
        elif args.follow:
            _follow(server, args)
        else:
            _list(server, args)
    except ValueError as problem:
        print(f"msgin5g messages: {problem}", file=sys.stderr)
        return 2
    except HttpError as problem:
        print(f"msgin5g messages: {problem}", file=sys.stderr)
        return 1
    return 0


def recent(server: HttpClient, ue: str, limit: int, everything: bool) -> list[Row]:
    """Return the newest traces, the oldest of them first. Raises HttpError."""
    found: list[Row] = []
    offset, total = 0, 1
    while len(found) < limit and offset < total:
        page = server.get("/view/traces", ue=ue, offset=offset, limit=_PAGE)
        try:
            rows, total = list(page["traces"]), int(page["total"])
            found += [row for row in rows if everything or row["kind"] in _MESSAGES]
        except (KeyError, TypeError, ValueError):
            raise _not_traces(server) from None
        if not rows:
            break
        offset += len(rows)
    return found[:limit][::-1]


def _list(server: HttpClient, args: argparse.Namespace) -> None:
    rows = recent(server, args.ue, args.limit, args.all)
    if args.json:
        print(json.dumps({"messages": rows, "count": len(rows)}, ensure_ascii=False))
        return
    show(_HEADS, [_cells(row) for row in rows])
    if not rows:
        print("no messages yet")


def _follow(server: HttpClient, args: argparse.Namespace) -> None:
    """Print a line for each message of the list, then for each that changes its state."""
    told: OrderedDict[str, str] = OrderedDict()
    left = args.count or sys.maxsize
    for row in _changes(server, args):
        trace, state = str(row["trace"]), str(row["state"])
        if told.get(trace) == state:
            continue
        told[trace] = state
        told.move_to_end(trace)
        if len(told) > _MAX_FOLLOWED:
            told.popitem(last=False)
        print(json.dumps(row, ensure_ascii=False) if args.json else _line(row), flush=True)
        left -= 1
        if not left:
            return


def _changes(server: HttpClient, args: argparse.Namespace) -> Iterator[Row]:
    """Yield rows without end: a server that was there once is awaited when it has gone."""
    pauses: Iterator[float] | None = None
    is_lost = False
    while True:
        try:
            # Open before the list is asked for, so that nothing passes between the two.
            stream = server.events("/view/events")
            rows = recent(server, args.ue, args.limit, args.all)
            if is_lost:
                _say(f"{server.base} is there again")
            pauses, is_lost = _pauses(), False
            yield from rows
            yield from _of_stream(server, stream, args)
        except HttpError as problem:
            if pauses is None or problem.status not in _MAY_PASS:
                raise
        if not is_lost:
            _say(f"the connection to {server.base} is lost; trying again until Ctrl-C")
        is_lost = True
        time.sleep(next(pauses))


def _of_stream(
    server: HttpClient, stream: Iterator[tuple[str, Any]], args: argparse.Namespace
) -> Iterator[Row]:
    for event, entry in stream:
        trace = entry.get("trace") if event == "entry" and isinstance(entry, dict) else None
        if isinstance(trace, str) and (not args.ue or args.ue in map(str, entry.values())):
            row = _summary(server, trace)
            if row is not None and (args.all or row["kind"] in _MESSAGES):
                yield row


def _pauses() -> Iterator[float]:
    """Yield the seconds between two attempts to connect."""
    return (min(_FIRST_PAUSE_S * 2**failures, _LONGEST_PAUSE_S) for failures in count())


def _say(text: str) -> None:
    print(f"msgin5g messages: {text}", file=sys.stderr, flush=True)


def _summary(server: HttpClient, trace: str) -> Row | None:
    """Return what the list shows of a trace, None if it is gone."""
    try:
        found = server.get("/view/traces/" + _quoted(trace))
        found.pop("entries")
        _cells(found)
    except HttpError as problem:
        if problem.status == 404:
            return None
        raise
    except (KeyError, TypeError):
        raise _not_traces(server) from None
    return found


def _show_trace(server: HttpClient, name: str, as_json: bool) -> None:
    trace = server.get("/view/traces/" + _quoted(name))
    try:
        hops = [_hop(entry, trace["began"]) for entry in trace["entries"]]
        summary = _line(trace)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _not_traces(server) from None
    if as_json:
        print(json.dumps(trace, ensure_ascii=False))
        return
    show(_HOP_HEADS, hops)
    print(summary)


def _hop(entry: Row, began: str) -> tuple[str, ...]:
    place = text(entry.get("at"))
    role = text(entry.get("role"))
    what = text(entry.get("what"))
    happened = text(entry.get("event"))
    if happened == "message":
        happened = {"rx": "received", "tx": "sent"}.get(str(entry.get("direction")), "passed")
    detail = [str(entry[key]) for key in ("part", "status", "cause", "detail") if entry.get(key)]
    return (
        f"{_ms_between(began, entry['t'])} ms",
        role if place in (role, "-") else f"{role} {place}",
        f"{happened} {what}",
        text(entry.get("iface")),
        text(entry.get("ue")),
        text(entry.get("peer")),
        text(", ".join(detail)),
    )


def _cells(row: Row) -> tuple[str, ...]:
    return (
        moment(row["began"]),
        text(row["from"]),
        text(row["to"]),
        text(row["state"]),
        text(row["ms"]),
        text(row["hops"]),
        text(row["text"])[:_SHOWN_CHARACTERS],
        text(row["trace"]),
    )


def _line(row: Row) -> str:
    """A message in a line."""
    began, origin, target, state, ms, _, payload, trace = _cells(row)
    return f"{began[11:]} {state} after {ms} ms: {origin} to {target}: {payload} ({trace})"


def _ms_between(began: str, end: str) -> int:
    span = datetime.fromisoformat(end) - datetime.fromisoformat(began)
    return round(span.total_seconds() * 1000)


def _quoted(trace: str) -> str:
    return urllib.parse.quote(trace, safe="")


def _not_traces(server: HttpClient) -> HttpError:
    return HttpError(
        f"{server.base}/view/traces is not what is expected; is that an MSGin5G Server?"
    )
