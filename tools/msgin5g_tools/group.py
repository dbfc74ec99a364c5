"""`msgin5g group`: groups at a server, over SEAL group management (6.8.3)."""

import argparse
import asyncio
import json
import sys
from typing import Any

from aiocoap import Code, Context, Message, error

from msgin5g import cbor
from msgin5g.codes import code_text
from msgin5g.payload_errors import BadMessage
from msgin5g_host.config import check_uri
from msgin5g_tools.send import server_address

_ROOT = ("su-gm", "v1", "group-documents")
_DETAIL = -2


class GroupError(Exception):
    """The server did not do it; the text says why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `msgin5g group`."""
    parser.description = (
        "Create, show, change, delete and list groups at a running MSGin5G Server. The server "
        "takes changes from the hosts in its group_managers."
    )
    parser.epilog = "Each VERB takes --server, --timeout-s and --json; VERB --help shows the rest."
    verbs = parser.add_subparsers(dest="what", required=True, metavar="VERB")
    create = _verb(verbs, "create", "make a group")
    create.add_argument("group", metavar="GROUP", help="its Group Service ID, a URI")
    create.add_argument("members", nargs="*", metavar="UE", help="its members' UE Service IDs")
    create.add_argument("--name", help="its name for people")
    create.add_argument("--category", default="normal", help="default %(default)s")
    for what, text in (("show", "print a group"), ("delete", "end a group")):
        one = _verb(verbs, what, text)
        one.add_argument("group", metavar="GROUP")
    for what, text in (("add", "take in members"), ("remove", "let members go")):
        one = _verb(verbs, what, text)
        one.add_argument("group", metavar="GROUP")
        one.add_argument("members", nargs="+", metavar="UE")
    listing = _verb(verbs, "list", "print all groups")
    listing.add_argument("--member", metavar="UE", help="only those of this member")


def run(args: argparse.Namespace) -> int:
    """Do it; returns the exit code: 0 well, 1 refused, 2 wrong use."""
    try:
        host, port = server_address(args.server)
        for uri in (getattr(args, "group", None), *getattr(args, "members", ())):
            if uri is not None:
                check_uri(uri)
        groups = asyncio.run(_do(args, f"[{host}]:{port}" if ":" in host else f"{host}:{port}"))
    except ValueError as problem:
        print(f"msgin5g group: {problem}", file=sys.stderr)
        return 2
    except GroupError as problem:
        print(f"msgin5g group: {problem}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps({"groups": groups}, ensure_ascii=False))
    else:
        for group in groups:
            print(_line(group))
    return 0


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    made.add_argument(
        "--server", default="coap://127.0.0.1:65401", metavar="URL", help="default %(default)s"
    )
    made.add_argument("--timeout-s", type=float, default=10.0, metavar="S", help="default 10")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


async def _do(args: argparse.Namespace, where: str) -> list[dict[str, Any]]:
    """Return the groups to print."""
    server = _Server(await Context.create_client_context(), where, args.timeout_s)
    try:
        if args.what == "list":
            query = [f"member-id={args.member}"] if args.member else []
            found: list[dict[str, Any]] = await server.ask(Code.GET, (), query=query)
            return found
        if args.what == "create":
            fields = {"valGroupId": args.group, "category": args.category, "members": args.members}
            if args.name:
                fields["groupName"] = args.name
            return [await server.ask(Code.POST, (), fields)]
        known = await server.ask(Code.GET, (), query=[f"val-group-id={args.group}"])
        if not known:
            raise GroupError(f"{args.group}: no such group at coap://{where}")
        path = (known[0]["resUri"].rpartition("/")[2],)
        if args.what == "delete":
            await server.ask(Code.DELETE, path)
            return []
        method = {"add": Code.PUT, "remove": Code.DELETE}.get(args.what)
        for member in args.members if method is not None else ():
            await server.ask(method, (*path, "members", member))
        return [await server.ask(Code.GET, path)]
    finally:
        await server.context.shutdown()


class _Server:
    """A server's group documents. where: "host:port"."""

    def __init__(self, context: Any, where: str, timeout_s: float) -> None:
        self.context = context
        self._where = where
        self._timeout_s = timeout_s

    async def ask(
        self, code: Any, path: tuple[str, ...], fields: Any = None, query: list[str] | None = None
    ) -> Any:
        """Return what the server answers. Raises GroupError."""
        payload = b"" if fields is None else cbor.dumps(fields)
        request = Message(code=code, uri=f"coap://{self._where}", payload=payload)
        request.opt.uri_path = (*_ROOT, *path)
        request.opt.uri_query = query or []
        if payload:
            request.opt.content_format = 60
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self.context.request(request).response
        except (error.Error, OSError, TimeoutError) as problem:
            reason = str(problem) or "no answer in time"
            raise GroupError(
                f"coap://{self._where}: {reason}; is the server running there? Give --server"
            ) from None
        try:
            value = cbor.loads(answer.payload, 16) if answer.payload else None
        except BadMessage:
            value = answer.payload.decode(errors="replace")
        if not answer.code.is_successful():
            detail = value.get(_DETAIL) if isinstance(value, dict) else value
            raise GroupError(f"{code_text(int(answer.code))} {detail or ''}".rstrip())
        return value


def _line(group: dict[str, Any]) -> str:
    members = group.get("members", [])
    name = f" ({group['groupName']})" if group.get("groupName") else ""
    return f"{group['valGroupId']}{name}: {', '.join(members) or 'no members'}"
