"""`msgin5g send`: one message to a UE, a group, a topic or an application, from a UE or one."""

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from msgin5g import gaps
from msgin5g.errors import CallerError
from msgin5g.limits import MAX_MESSAGE_BYTES
from msgin5g.moments import format_date_time, parse_date_time
from msgin5g.octets import to_text
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import check_uri, parse_address
from msgin5g_tools.client import Client, ClientError, Event
from msgin5g_tools.http_client import HttpError, add_http_arguments, connect
from msgin5g_tools.inbox import post

_DEFAULT_FROM = "urn:example:ue:shell"
_DEFAULT_SERVER = "coap://127.0.0.1:65401"
_MAX_BINARY_BYTES = (MAX_MESSAGE_BYTES - len(gaps.BINARY_PREFIX)) // 4 * 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g send`."""
    parser.description = (
        "Send a message through a server. The sender is a UE that registers from here for as long "
        "as it takes, or with --as an application of the server. Exit code 0 when the server took "
        "the message (with --report and --from: when it was delivered), 1 if not, 2 for wrong use."
    )
    parser.add_argument("text", metavar="TEXT|@FILE", help="the payload, or @ and a file's name")
    parser.add_argument("--to", required=True, metavar="URI", help="Service ID, group or topic")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--group", action="store_true", help="--to is a group")
    kind.add_argument("--topic", action="store_true", help="--to is a topic")
    kind.add_argument("--application", action="store_true", help="--to is an application")
    sender = parser.add_mutually_exclusive_group()
    sender.add_argument(
        "--from",
        dest="origin",
        default=_DEFAULT_FROM,
        metavar="URI",
        help="the UE that sends (default %(default)s): registered from here meanwhile, then "
        "de-registered; not one that runs elsewhere",
    )
    sender.add_argument(
        "--as",
        dest="as_id",
        metavar="URI",
        help="the application that sends; reports come to `listen --as` of it",
    )
    parser.add_argument("--report", action="store_true", help="ask for a delivery report")
    parser.add_argument(
        "--priority", choices=("HIGH", "NORMAL", "LOW"), default="NORMAL", help="default NORMAL"
    )
    parser.add_argument(
        "--store-until",
        metavar="TIME",
        help="keep it for a recipient that is away: a date-time, or +SECONDS from now",
    )
    add_server_arguments(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object per event")


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `send` and `listen` share."""
    parser.add_argument(
        "--server", default=_DEFAULT_SERVER, metavar="URL", help="default %(default)s"
    )
    add_http_arguments(parser, ", for --as")
    parser.add_argument("--service-id", default=gaps.SERVICE_ID, metavar="URI")
    parser.add_argument(
        "--timeout-s", type=float, default=30.0, metavar="S", help="longest wait (default 30)"
    )


def run(args: argparse.Namespace) -> int:
    """Send; returns the exit code."""
    try:
        payload = _payload(args)
        until_ms = _until(args.store_until)
        address = server_address(args.server)
        for uri in (args.origin, args.service_id):
            check_uri(uri)
        if not args.as_id:
            return asyncio.run(_send(args, payload, until_ms, address))
        fields: dict[str, Any] = {
            "from": args.as_id,
            "to": args.to,
            "kind": _kind(args),
            "payload": payload.decode(),
            "report": args.report,
            "priority": args.priority,
        }
        if until_ms is not None:
            fields["store_until"] = format_date_time(until_ms)
        message_id = post(connect(args), fields)
        _tell(args, "sent", {"message_id": message_id})
        return 0
    except (ValueError, BadMessage) as problem:
        print(f"msgin5g send: {problem}", file=sys.stderr)
        return 2
    except (ClientError, CallerError, HttpError, OSError) as problem:
        print(f"msgin5g send: {problem}", file=sys.stderr)
        return 1


def server_address(url: str) -> tuple[str, int]:
    """Return (host, port) of coap://host:port. Raises ValueError."""
    rest = url.removeprefix("coap://")
    if rest == url:
        raise ValueError(f"--server: coap://host:port is wanted, not {url!r}")
    return parse_address(rest)


async def _send(
    args: argparse.Namespace, payload: bytes, until_ms: int | None, address: tuple[str, int]
) -> int:
    done = asyncio.Event()
    outcome: dict[str, Any] = {}

    def take(event: Event) -> None:
        kind = event[0]
        if kind == "outcome":
            outcome["taken"], outcome["cause"] = event[2] is None, event[2]
            if event[2] is not None or not args.report:
                done.set()
        elif kind == "response":
            _tell(args, "response", {"status": event[2], "cause": event[3]})
            if event[2] == "failure":
                outcome["taken"], outcome["cause"] = False, event[3]
                done.set()
        elif kind == "report":
            outcome["report"], outcome["cause"] = event[2], event[3]
            done.set()
        elif kind == "message" and event[1] == "tx" and "part" in event[3]:
            _progress(args, event[3]["part"])

    client = Client(address, args.origin, args.service_id, take)
    try:
        await client.register(args.timeout_s)
        message_id = client.send(
            *(args.to, payload, _kind(args), args.report, until_ms is not None),
            *(args.priority, until_ms),
        )
        try:
            async with asyncio.timeout(args.timeout_s):
                await done.wait()
        except TimeoutError:
            what = "report" if outcome.get("taken") else "answer"
            raise ClientError(f"no {what} within {args.timeout_s:.0f} s") from None
    finally:
        await client.close()
    if not outcome.get("taken", True) or outcome.get("report") is False:
        raise ClientError(f"{message_id} was not delivered: {outcome['cause']}")
    what = "delivered" if args.report else "sent"
    _tell(args, what, {"message_id": message_id, "bytes": len(payload)})
    return 0


def _payload(args: argparse.Namespace) -> bytes:
    """Return what is sent. Raises ValueError: it cannot be read, or no server would take it."""
    text, name = args.text, "TEXT"
    data: bytes = text.encode(errors="surrogateescape")
    if text.startswith("@"):
        name = text[1:]
        try:
            with open(name, "rb") as file:
                data = file.read(MAX_MESSAGE_BYTES + 1)
        except OSError as problem:
            raise ValueError(f"{name}: {problem.strerror}") from None
    if len(to_text(data).encode()) > MAX_MESSAGE_BYTES:
        raise ValueError(
            f"{name}: too long; {MAX_MESSAGE_BYTES:,} bytes of text are the most, or "
            f"{_MAX_BINARY_BYTES:,} of anything else, which travels as base64"
        )
    if args.as_id and to_text(data).encode() != data:
        raise ValueError(f"{name}: an application sends text in UTF-8; let a UE send this, --from")
    return data


def _until(text: str | None) -> int | None:
    """Return a moment in ms of "+SECONDS" or a date-time."""
    if text is None:
        return None
    if text.startswith("+"):
        if not text[1:].isdigit():
            raise ValueError(f"--store-until: +SECONDS is wanted, not {text!r}")
        return int(time.time() * 1000) + int(text[1:]) * 1000
    moment: int = parse_date_time(text, "--store-until")
    return moment


def _kind(args: argparse.Namespace) -> str:
    if args.group:
        return "GROUP"
    if args.topic:
        return "TOPIC"
    return "AS" if args.application else "UE"


def _progress(args: argparse.Namespace, part: str) -> None:
    if args.json:
        print(json.dumps({"event": "progress", "part": part}), flush=True)
    elif sys.stderr.isatty():
        sys.stderr.write(f"\rsegment {part} ")
        if len(set(part.split("/"))) == 1:
            sys.stderr.write("\n")
        sys.stderr.flush()


def _tell(args: argparse.Namespace, event: str, fields: dict[str, Any]) -> None:
    shown = {key: value for key, value in fields.items() if value is not None}
    if args.json:
        print(json.dumps({"event": event, **shown}), flush=True)
    else:
        print(event, *(f"{key}={value}" for key, value in shown.items()), flush=True)
