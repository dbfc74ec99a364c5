"""`msgin5g listen`: the messages and reports of a UE or an application, as they come."""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from typing import Any

from msgin5g.octets import to_text
from msgin5g_host.config import check_uri
from msgin5g_tools.client import Client, ClientError, Event
from msgin5g_tools.durations import seconds_or_ever
from msgin5g_tools.http_client import HttpClient, HttpError, connect
from msgin5g_tools.inbox import read
from msgin5g_tools.send import add_server_arguments, server_address

_POLL_S = 0.5
# Of a payload, for people; --json has all of it.
_SHOWN_CHARACTERS = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g listen`."""
    parser.description = (
        "Show what a UE or an application is sent. A UE is registered from here until this ends; "
        "its messages are reported to their senders as delivered."
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--ue",
        default="urn:example:ue:shell",
        metavar="URI",
        help="the UE to be (default %(default)s); not one that runs elsewhere",
    )
    who.add_argument("--as", dest="as_id", metavar="URI", help="the application to be")
    parser.add_argument(
        "--topic",
        dest="topics",
        action="append",
        default=[],
        metavar="NAME",
        help="subscribe to this topic until this ends; may be given several times",
    )
    parser.add_argument(
        "--expires",
        type=float,
        metavar="S",
        help="let the subscriptions end after S seconds",
    )
    add_server_arguments(parser)
    parser.add_argument("--count", type=int, default=0, metavar="N", help="end after N messages")
    parser.add_argument(
        "--for",
        dest="seconds",
        type=seconds_or_ever,
        default=0.0,
        metavar="S",
        help="end after S seconds",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object per message")


def run(args: argparse.Namespace) -> int:
    """Listen until Ctrl-C, --for or --count; returns the exit code."""
    try:
        address = server_address(args.server)
        check_uri(args.as_id or args.ue)
        if args.as_id and args.topics:
            raise ValueError("--topic is for a UE; an application's topics stand in server.toml")
        if args.expires is not None and args.expires <= 0:
            raise ValueError(f"--expires: a number above 0 is wanted, not {args.expires:g}")
        return asyncio.run(_listen(args, address))
    except ValueError as problem:
        print(f"msgin5g listen: {problem}", file=sys.stderr)
        return 2
    except (ClientError, HttpError, OSError) as problem:
        print(f"msgin5g listen: {problem}", file=sys.stderr)
        return 1


async def _listen(args: argparse.Namespace, address: tuple[str, int]) -> int:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    shown = 0

    def show(fields: dict[str, Any]) -> None:
        nonlocal shown
        _tell(args.json, fields)
        shown += fields["event"] == "received"
        if args.count and shown >= args.count:
            stop.set()

    if args.as_id:
        await _as_application(connect(args), args, show, stop)
    else:
        await _as_ue(args, address, show, stop)
    return 0


async def _as_ue(
    args: argparse.Namespace, address: tuple[str, int], show: Any, stop: asyncio.Event
) -> None:
    is_ready = False
    refused: list[str] = []

    def take(event: Event) -> None:
        nonlocal is_ready
        if event[0] == "state" and event[1] == "registered" and not is_ready:
            # Before the first message, which may have waited for this.
            is_ready = True
            show({"event": "ready", "ue": args.ue})
        elif event[0] == "received":
            message = event[1]
            show(
                {
                    "event": "received",
                    "from": message.origin[1] if message.origin else None,
                    "group": message.group,
                    "message_id": message.message_id,
                    "priority": message.priority,
                    "payload": to_text(message.payload),
                }
            )
        elif event[0] == "topic":
            show({"event": event[2], "topic": event[1], "cause": event[3]})
            if event[2] == "refused":
                refused.append(f"{event[1]}: {event[3]}")
                stop.set()
        elif event[0] == "state" and event[1] in ("backoff", "refused"):
            show({"event": event[1], **event[2]})

    client = Client(address, args.ue, args.service_id, take)
    try:
        await client.register(args.timeout_s)
        for topic in args.topics:
            client.subscribe(topic, args.expires)
        await _until(stop, args.seconds)
    finally:
        await client.close()
    if refused:
        raise ClientError(f"the server refused the subscription to {', '.join(refused)}")


async def _as_application(
    server: HttpClient, args: argparse.Namespace, show: Any, stop: asyncio.Event
) -> None:
    rows = await asyncio.to_thread(read, server, args.as_id, 0)
    last = rows[-1]["id"] if rows else 0
    show({"event": "ready", "as": args.as_id})
    end = asyncio.get_running_loop().time() + args.seconds if args.seconds else None
    while not stop.is_set() and (end is None or asyncio.get_running_loop().time() < end):
        for row in await asyncio.to_thread(read, server, args.as_id, last):
            last = row["id"]
            message = row["message"]
            event = "received" if message["msgType"] == "MSG" else message["msgType"].lower()
            show(
                {
                    "event": event,
                    "from": message["oriAddr"]["addr"],
                    "message_id": message["msgId"],
                    "status": message.get("DelSta"),
                    "cause": message.get("Cause"),
                    "payload": message.get("payload"),
                }
            )
        await _until(stop, _POLL_S)


async def _until(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds or None):
            await stop.wait()


def _tell(as_json: bool, fields: dict[str, Any]) -> None:
    shown = {key: value for key, value in fields.items() if value is not None}
    if as_json:
        print(json.dumps(shown, ensure_ascii=False), flush=True)
    else:
        event = shown.pop("event")
        payload = shown.pop("payload", None)
        words = [f"{key}={value}" for key, value in shown.items()]
        if payload is not None:
            cut = payload[:_SHOWN_CHARACTERS].encode("unicode_escape").decode()
            more = len(payload) - _SHOWN_CHARACTERS
            words.append(f"payload={cut}" + (f"... and {more} characters" if more > 0 else ""))
        print(event, *words, flush=True)
