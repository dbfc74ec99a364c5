"""What `msgin5g config init` writes, from options and from the file of the other side."""

import argparse
import secrets
from pathlib import Path
from typing import Any

from msgin5g import gaps
from msgin5g_gateway import config as gateway_config
from msgin5g_host.config import ConfigError, check_ue_id, check_uri, parse_address, parse_link
from msgin5g_tools.config.kinds import GATEWAY, SERVER, UE, Loaded, load_file
from msgin5g_tools.config.places import coap_address
from msgin5g_tools.config.written import has_secret, toml_text, ue_text
from ue import config as ue_config
from ue.errors import ConfigError as UeConfigError

_GATEWAY_ID = "urn:example:gw:1"
_UE_ID = "urn:example:ue:1"
_TOKEN_BYTES = 24
_CREDENTIAL_BYTES = 12
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
FILES = {SERVER: "server.toml", GATEWAY: "gateway.toml", UE: "ue.json"}


def add_arguments(verbs: Any) -> None:
    """Add `server`, `gateway` and `ue` below `config init`."""
    server = _verb(verbs, SERVER, "the file of an MSGin5G Server")
    server.add_argument("--bind", metavar="HOST:PORT", help="CoAP address over UDP")
    server.add_argument("--http", metavar="HOST:PORT", help="HTTP address")
    server.add_argument(
        "--gateway",
        action="append",
        metavar="URI",
        help=f"a gateway with an account (default {_GATEWAY_ID}); may be repeated",
    )
    server.add_argument(
        "--ue",
        action="append",
        metavar="URI",
        help=f"a UE that comes through the first gateway (default {_UE_ID}); may be repeated",
    )
    server.add_argument(
        "--direct-ue", action="append", default=[], metavar="URI", help="a UE that comes by itself"
    )
    server.add_argument(
        "--application", action="append", default=[], metavar="URI", help="an AS Service ID"
    )
    server.add_argument(
        "--token",
        action="store_true",
        help="make bearer tokens for the operator, applications and gateways",
    )
    gateway = _verb(verbs, GATEWAY, "the file of an MSGin5G Gateway UE")
    gateway.add_argument("--ue-service-id", metavar="URI", help=f"default {_GATEWAY_ID}")
    gateway.add_argument(
        "--ue-id",
        metavar="ID",
        help="MSGin5G UE ID; alone: it asks the server for its UE Service ID by it",
    )
    gateway.add_argument("--server", metavar="URL", help="such as coap://192.168.1.10:65401")
    gateway.add_argument(
        "--link", action="append", metavar="URL", help="towards UEs; may be repeated"
    )
    gateway.add_argument(
        "--ue",
        action="append",
        metavar="URI",
        help=f"a UE with an MSGin5G client (default {_UE_ID}); may be repeated",
    )
    gateway.add_argument(
        "--device",
        action="append",
        default=[],
        metavar="ID[=URI]",
        help="a device without one: its Application ID, and the UE Service ID that it is "
        "registered under; its credential is made and stands in the file; may be repeated",
    )
    gateway.add_argument(
        "--server-config",
        metavar="FILE",
        help="take address, service identifier and UEs from this file of the server",
    )
    for one in (server, gateway):
        one.add_argument("--data", metavar="DIR", help="folder of the data")
        one.add_argument("--open", action="store_true", help="let anybody in (lab mode)")
    ue = _verb(verbs, UE, "the JSON file of a constrained UE")
    ue.add_argument("--ue-service-id", metavar="URI", help=f"default {_UE_ID}")
    ue.add_argument(
        "--ue-id", metavar="ID", help="MSGin5G UE ID; alone: it asks for its UE Service ID by it"
    )
    ue.add_argument("--link", metavar="URL", help="the gateway, such as serial://uart0")
    ue.add_argument(
        "--device",
        type=int,
        metavar="ID",
        help="be a device without an MSGin5G client, with this Application ID; its credential "
        "comes from --gateway-config",
    )
    ue.add_argument("--mode", choices=("l3", "coap"), default="l3", help="of a --device")
    ue.add_argument(
        "--gateway-config",
        metavar="FILE",
        help="take link, service identifier and credential from this file of the gateway",
    )
    for one in (server, gateway, ue):
        one.add_argument("--service-id", metavar="URI", help=f"default {gaps.SERVICE_ID}")


def _verb(verbs: Any, kind: str, text: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        kind,
        help=text,
        description=f"Write {text}. It asks nothing; what is not given has its default, and the "
        "defaults of server, gateway and ue fit each other.",
        allow_abbrev=False,
    )
    made.add_argument(
        "--to", default=FILES[kind], metavar="FILE", help="default %(default)s; - prints it"
    )
    made.add_argument("--force", action="store_true", help="replace a file that is there")
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def text_of(args: argparse.Namespace) -> tuple[str, bool]:
    """Return the text to write, and whether there is a secret in it. Raises ConfigError."""
    try:
        return {SERVER: _server, GATEWAY: _gateway, UE: _ue}[args.kind](args)
    except ValueError as problem:
        raise ConfigError(str(problem)) from None


def _server(args: argparse.Namespace) -> tuple[str, bool]:
    gateways = args.gateway or [_GATEWAY_ID]
    ues = [_UE_ID] if args.ue is None else args.ue
    for uri in (*gateways, *ues, *args.direct_ue, *args.application):
        check_uri(uri)
    for address in (args.bind, args.http):
        if address:
            parse_address(address)
    accounts: list[dict[str, Any]] = [{"ue_service_id": one} for one in gateways]
    accounts += [{"ue_service_id": one, "gateway": gateways[0]} for one in ues]
    accounts += [{"ue_service_id": one} for one in args.direct_ue]
    _distinct("ue_service_id", [row["ue_service_id"] for row in accounts])
    applications: list[dict[str, Any]] = [{"as_service_id": one} for one in args.application]
    if args.token:
        for row in applications:
            row["token"] = secrets.token_hex(_TOKEN_BYTES)
        for row in accounts[: len(gateways)]:
            row["report_token"] = secrets.token_hex(_TOKEN_BYTES)
    values = {
        "server.bind": args.bind or "127.0.0.1:65401",
        "server.http": "127.0.0.1:8080" if args.http is None else args.http,
        "server.data": args.data or "msgin5g-server-data",
        "server.service_id": args.service_id,
        "server.open": args.open or None,
        "http.token": secrets.token_hex(_TOKEN_BYTES) if args.token else None,
    }
    rows = {"ue": accounts, "application": applications}
    return toml_text(SERVER, values, rows), has_secret(SERVER, values, rows)


def _gateway(args: argparse.Namespace) -> tuple[str, bool]:
    own = args.ue_service_id or (None if args.ue_id else _GATEWAY_ID)
    if args.ue_id:
        check_ue_id(args.ue_id)
    named = own
    server, service_id, ues = args.server, args.service_id, args.ue
    reports: dict[str, Any] = {}
    ue_ids: dict[str, str] = {}
    if args.server_config:
        file = _load(args.server_config, SERVER)
        service_id = service_id or file.values["server.service_id"]
        server = server or f"coap://{_dial(file.values['server.bind'])}"
        if named is None:
            named = _named(file, args.ue_id)
        reports = _reports(file, named)
        if ues is None:
            devices = {text.partition("=")[2] for text in args.device}
            rows = file.values.rows["ue"]
            ues = [row["ue_service_id"] for row in rows if named and row["gateway"] == named]
            ues = [one for one in ues if one not in devices]
            ue_ids = {row["ue_service_id"]: row["ue_id"] for row in rows if row["ue_id"]}
    if ues is None:
        ues = [] if args.device else [_UE_ID]
    server = server or "coap://127.0.0.1:65401"
    gateway_config.check_server(server)
    coap_address(server)
    links = args.link or ["udp://127.0.0.1:65402"]
    for link in links:
        parse_link(link)
    for uri in (*([own] if own else []), *ues):
        check_uri(uri)
    _distinct("--ue", ues)
    values = {
        **reports,
        "gateway.ue_service_id": own,
        "gateway.ue_id": args.ue_id,
        "gateway.server": server,
        "gateway.data": args.data or "msgin5g-gateway-data",
        "gateway.links": links,
        "gateway.service_id": service_id,
        "gateway.open": args.open or None,
    }
    rows = {
        "ue": [
            {"ue_service_id": one, **({"ue_id": ue_ids[one]} if one in ue_ids else {})}
            for one in ues
        ],
        "device": [_device(text) for text in args.device],
    }
    _distinct("--device", [str(row["application_id"]) for row in rows["device"]])
    return toml_text(GATEWAY, values, rows), has_secret(GATEWAY, values, rows)


def _reports(server: Loaded, own: str | None) -> dict[str, Any]:
    """Return what lets a server's page show what the gateway sees, if it is open to it."""
    values = server.values
    tokens = {row["ue_service_id"]: row["report_token"] for row in values.rows["ue"]}
    token = tokens.get(own or "")
    if not values["server.http"] or (values["http.token"] and not token):
        return {}
    scheme = "https" if values["http.tls_cert"] else "http"
    return {
        "view.report_to": f"{scheme}://{_dial(values['server.http'])}",
        "view.report_token": token,
    }


def _named(server: Loaded, ue_id: str) -> str | None:
    """Return the UE Service ID that a server has for an MSGin5G UE ID; lab mode gives any one."""
    for row in server.values.rows["ue"]:
        if row["ue_id"] == ue_id:
            return str(row["ue_service_id"])
    if server.values["server.open"]:
        return None
    raise ConfigError(
        f'{server.path}: no account has ue_id = "{ue_id}"; add it to the account of the gateway'
    )


def _device(text: str) -> dict[str, Any]:
    number, equals, uri = text.partition("=")
    if not number.isascii() or not number.isdigit() or int(number) > 0xFFFF:
        raise ValueError(f"--device {text}: an Application ID is a number from 0 to 65535")
    row = {
        "application_id": int(number),
        "credential": secrets.token_urlsafe(_CREDENTIAL_BYTES),
    }
    if equals:
        check_uri(uri)
        row["ue_service_id"] = uri
    return row


def _ue(args: argparse.Namespace) -> tuple[str, bool]:
    values: dict[str, Any] = {}
    gateway = _load(args.gateway_config, GATEWAY) if args.gateway_config else None
    if args.device is None:
        if args.ue_id:
            values["ue_id"] = args.ue_id
        if args.ue_service_id or not args.ue_id:
            values["ue_service_id"] = args.ue_service_id or _UE_ID
            check_uri(values["ue_service_id"])
    else:
        values |= {"mode": args.mode, "application_id": args.device}
        values["credential"] = _credential(gateway, args.device)
    values["link"] = args.link or _link(gateway)
    service_id = args.service_id
    if gateway is not None:
        service_id = service_id or gateway.values["gateway.service_id"]
    if service_id and service_id != gaps.SERVICE_ID:
        values["service_id"] = service_id
    values["state_file"] = "ue-state.json"
    try:
        ue_config.merge(dict(values), args.to)
    except UeConfigError as problem:
        raise ConfigError(str(problem)) from None
    return ue_text(values), "credential" in values


def _credential(gateway: Loaded | None, number: int) -> str:
    for row in gateway.values.rows["device"] if gateway is not None else ():
        if row["application_id"] == number:
            return str(row["credential"])
    raise ConfigError(
        f"--device {number}: name with --gateway-config a gateway's file with this device; "
        f"`msgin5g config init gateway --device {number}=urn:example:ue:9` writes one"
    )


def _link(gateway: Loaded | None) -> str:
    if gateway is None:
        return "udp://127.0.0.1:65402"
    for url in gateway.values["gateway.links"]:
        scheme, _, _ = parse_link(url)
        if scheme == "udp":
            return f"udp://{_dial(url.removeprefix('udp://'))}"
        if scheme == "ble":
            return "ble://"
    raise ConfigError("--link is wanted: the gateway's serial port has another name at the UE")


def _load(path: str, kind: str) -> Loaded:
    file = load_file(path, {})
    if file.kind != kind:
        raise ConfigError(f"{path}: is a {file.kind}'s file, one of a {kind} is wanted")
    return file


def _dial(bound: str) -> str:
    """Return what to call on the same machine for a bound address."""
    host, port = parse_address(bound)
    host = _EVERYWHERE.get(host, host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _distinct(what: str, values: list[str]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"{what}: {value} is there twice")


def target(args: argparse.Namespace) -> Path | None:
    """Return the file to write, None for standard output."""
    return None if args.to == "-" else Path(args.to)
