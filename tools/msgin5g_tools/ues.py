"""`msgin5g ues`: the UEs that a server or a gateway knows, as a table or as JSON."""

import argparse
import json
import sys
from typing import Any

from msgin5g_tools.http_client import HttpClient, HttpError, add_http_arguments, connect
from msgin5g_tools.tables import duration, show, text

_PAGE = 1_000
_STATES = ("registered", "unreachable", "expected", "deregistered")
# Those that have a registration.
_PRESENT = _STATES[:2]
_HEADS = ("UE SERVICE ID", "STATE", "VIA", "LINK", "PEER", "EXPIRES IN", "LAST MESSAGE")
_SHOWN_CHARACTERS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g ues`."""
    parser.description = (
        "List the UEs that are registered at a running MSGin5G Server, by whom and over which "
        "link they came, and their last message. A UE is `registered`, `unreachable` (registered, "
        "but it did not answer lately), `expected` (it has an account and is not registered) or "
        "`deregistered` (it left or expired lately)."
    )
    add_http_arguments(parser, " or gateway")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--state", choices=_STATES, help="only those in this state")
    which.add_argument("--all", action="store_true", help="those that are not registered as well")
    parser.add_argument("--via", default="", metavar="URI", help="only those of this gateway")
    parser.add_argument(
        "--link", default="", metavar="NAME", help="only those on this link: udp, serial, ble"
    )
    parser.add_argument(
        "--prefix", default="", metavar="TEXT", help="only UE Service IDs that start with this"
    )
    parser.add_argument("--timeout-s", type=float, default=5.0, metavar="S", help="default 5")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the list; returns 0, 1 if no server answers, 2 for wrong use."""
    try:
        server = connect(args)
        states = _STATES if args.all else _PRESENT if args.state is None else (args.state,)
        ues, counts = fetch(server, states, args.via, args.link, args.prefix)
    except ValueError as problem:
        print(f"msgin5g ues: {problem}", file=sys.stderr)
        return 2
    except HttpError as problem:
        print(f"msgin5g ues: {problem}", file=sys.stderr)
        return 1
    if args.json:
        answer = {"ues": ues, "count": len(ues), "counts": counts}
        print(json.dumps(answer, ensure_ascii=False))
        return 0
    show(_HEADS, [row_of(ue) for ue in ues])
    print(_summary(len(ues), states, counts))
    return 0


def fetch(
    server: HttpClient, states: tuple[str, ...], via: str = "", link: str = "", prefix: str = ""
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Return the UEs in these states by name, and the counts of all states. Raises HttpError."""
    found: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    for state in states if len(states) < len(_STATES) else ("",):
        offset = total = 0
        while not offset or offset < total:
            which = {"q": prefix, "state": state, "via": via, "link": link}
            page = server.get("/view/ues", limit=_PAGE, offset=offset, **which)
            try:
                rows = {str(ue["ue_service_id"]): ue for ue in page["ues"]}
                counts, total = dict(page["counts"]), int(page["total"])
            except (KeyError, TypeError, ValueError):
                raise HttpError(
                    f"{server.base}/view/ues is not a list of UEs; is that an MSGin5G Server?"
                ) from None
            found.update({name: ue for name, ue in rows.items() if name.startswith(prefix)})
            if not rows:
                break
            offset += len(rows)
    return [found[name] for name in sorted(found)], counts


def row_of(ue: dict[str, Any]) -> tuple[str, ...]:
    """Return the cells of a UE."""
    last = ue.get("last") or {}
    words = [text(last.get("t"))[11:19], text(last.get("what"))] if last else ["-"]
    if last.get("text"):
        words.append(text(last["text"])[:_SHOWN_CHARACTERS])
    return (
        text(ue["ue_service_id"]),
        text(ue.get("state")),
        text(ue.get("via")),
        text(ue.get("link")),
        text(ue.get("peer")),
        duration(ue.get("expires_in_s")),
        " ".join(words),
    )


def _summary(shown: int, states: tuple[str, ...], counts: dict[str, int]) -> str:
    head = f"{shown} UE" if shown == 1 else f"{shown} UEs"
    if states == _PRESENT:
        head += " registered"
    rest = [state for state in _STATES if state not in states and counts.get(state)]
    others = [f"{counts[state]} {state}" for state in rest]
    return f"{head}; {', '.join(others)}: --all shows them" if others else head
