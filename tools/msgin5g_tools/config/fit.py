"""Whether the files of a server, its gateways and their UEs fit each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgin5g_host.config import ConfigError, parse_address, parse_link
from msgin5g_tools.config.kinds import GATEWAY, SERVER, UE, Loaded
from msgin5g_tools.config.places import (
    coap_address,
    is_local,
    link_misses,
    overlap,
    unreachable,
)

ERROR, WARNING = "error", "warning"
# A gateway refreshes after 60 % of a lifetime; a bulk request may take the rest.
_LEFT_FOR_REFRESH = 0.4


@dataclass(frozen=True)
class Misfit:
    """level: ERROR: something will not work; WARNING: it looks wrong. do: what helps."""

    level: str
    file: str
    problem: str
    do: str


def misfits(files: Sequence[Loaded]) -> list[Misfit]:
    """Return what is wrong with each file, and between them. Raises ConfigError."""
    servers = [one for one in files if one.kind == SERVER]
    gateways = [one for one in files if one.kind == GATEWAY]
    ues = [one for one in files if one.kind == UE]
    if len(servers) > 1:
        raise ConfigError("these are files of several servers; check each with its own gateways")
    found: list[Misfit] = []
    for server in servers:
        found += _server_alone(server, gateways)
        for gateway in gateways:
            found += _between(server, gateway)
    for gateway in gateways:
        found += _gateway_alone(gateway)
    names = [_own(servers, gateway) or gateway.name for gateway in gateways]
    for gateway, name in zip(gateways[1:], names[1:], strict=True):
        if names.count(name) > 1:
            key = "ue_service_id" if _own(servers, gateway) else "ue_id"
            problem = f"{name} is the {key} of another of these gateways as well"
            found.append(Misfit(ERROR, gateway.path, problem, "give each gateway its own"))
    for ue in ues:
        if ue.values["direct"]:
            found += [one for server in servers for one in _direct(server, ue)]
        elif gateways:
            found += _through(gateways, ue)
    return found


def _server_alone(server: Loaded, gateways: Sequence[Loaded]) -> Iterator[Misfit]:
    settings, path = server.values, server.path
    accounts = _accounts(server)
    if settings["server.open"]:
        return
    named = {gateway for gateway in accounts.values() if gateway}
    here = {_own([server], gateway) for gateway in gateways}
    for gateway in sorted(named - set(accounts) - here):
        yield Misfit(
            ERROR,
            path,
            f"accounts name the gateway {gateway}, which has no account itself",
            _add_account(path, gateway),
        )
    for group in settings.rows["group"]:
        for member in group["members"]:
            if member not in accounts:
                yield Misfit(
                    WARNING,
                    path,
                    f"{member} of group {group['group_service_id']} has no account",
                    _add_account(path, member),
                )


def _gateway_alone(gateway: Loaded) -> Iterator[Misfit]:
    settings, path = gateway.values, gateway.path
    seen: list[tuple[str, int]] = []
    for url in _links(gateway):
        scheme, host, port = parse_link(url)
        if scheme != "udp" or not port:
            continue
        if any(port == other and overlap(host, one) for one, other in seen):
            do = "give each udp:// link a port of its own"
            yield Misfit(ERROR, path, f"two links are on UDP port {port}", do)
        seen.append((host, port))
    if settings["gateway.relay"]:
        return
    if not settings["gateway.open"] and not settings.rows["ue"] and not settings.rows["device"]:
        yield Misfit(
            WARNING,
            path,
            "nobody may use this gateway: there is no [[ue]] and no [[device]]",
            f"add them to {path}, or set open = true in a lab",
        )
    clients = {row["ue_service_id"] for row in settings.rows["ue"]}
    for row in settings.rows["device"]:
        if row["ue_service_id"] in clients:
            yield Misfit(
                ERROR,
                path,
                f"{row['ue_service_id']} is in [[ue]] and in [[device]]",
                "keep [[device]] for a device without an MSGin5G client, else [[ue]]",
            )


def _between(server: Loaded, gateway: Loaded) -> Iterator[Misfit]:
    ours, theirs = gateway.values, server.values
    path = gateway.path
    yield from _addresses(server, gateway)
    one, other = Path(ours["gateway.data"]), Path(theirs["server.data"])
    if one.absolute() == other.absolute():
        do = f"give {path} another data folder"
        yield Misfit(ERROR, path, f"gateway and server have the same data folder {one}", do)
    if ours["gateway.relay"]:
        return
    yield from _service_ids(gateway, ours["gateway.service_id"], server)
    yield from _reports(server, gateway)
    lifetime_s, interval_s = theirs["server.registration_lifetime_s"], ours["bulk.interval_s"]
    if interval_s >= lifetime_s * _LEFT_FOR_REFRESH:
        yield Misfit(
            ERROR,
            path,
            f"registrations end after {lifetime_s} s, before a refresh has left: it waits up to "
            f"bulk.interval_s = {interval_s:g} s from 60 % of that time on",
            f"set registration_lifetime_s in {server.path} above "
            f"{interval_s / _LEFT_FOR_REFRESH:.0f}, or a shorter bulk.interval_s",
        )
    if theirs["server.open"]:
        return
    yield from _accounts_fit(server, gateway)


def _accounts_fit(server: Loaded, gateway: Loaded) -> Iterator[Misfit]:
    accounts, own, path = _accounts(server), _own([server], gateway), gateway.path
    settings = gateway.values
    if own is None:
        ue_id = gateway.name
        yield Misfit(
            ERROR,
            path,
            f"no account at the server has the gateway's ue_id {ue_id}",
            f'add ue_id = "{ue_id}" to the account of the gateway in {server.path}',
        )
        return
    if own not in accounts:
        do = _add_account(server.path, own)
        yield Misfit(ERROR, path, f"the gateway {own} has no account at the server", do)
    elif accounts[own]:
        yield Misfit(
            ERROR,
            server.path,
            f"the account of the gateway {own} names the gateway {accounts[own]}",
            "remove that line: a gateway speaks for itself",
        )
    speaks_for = [row["ue_service_id"] for row in settings.rows["ue"]]
    speaks_for += [row["ue_service_id"] for row in settings.rows["device"] if row["ue_service_id"]]
    for ue in dict.fromkeys(speaks_for):
        if ue not in accounts:
            do = _add_account(server.path, ue, own)
            problem = f"{ue} may use the gateway and has no account at the server"
            yield Misfit(ERROR, path, problem, do)
        elif accounts[ue] not in (None, own):
            yield Misfit(
                ERROR,
                server.path,
                f"{ue} may only come through {accounts[ue]}, and is in the table of {own}",
                f'set gateway = "{own}" in its account, or remove it from {path}',
            )
    yield from _ue_ids_fit(server, gateway)
    if settings["gateway.open"]:
        return
    for ue, through in accounts.items():
        if through == own and ue not in speaks_for:
            yield Misfit(
                ERROR,
                path,
                f"{ue} may only come through {own}, which does not know it",
                f'add to {path} a [[ue]] or a [[device]] with ue_service_id = "{ue}"',
            )


def _ue_ids_fit(server: Loaded, gateway: Loaded) -> Iterator[Misfit]:
    """By which MSGin5G UE IDs UEs may ask for their configuration."""
    given = {row["ue_service_id"]: row["ue_id"] for row in server.values.rows["ue"]}
    for row in gateway.values.rows["ue"]:
        ue, ue_id = row["ue_service_id"], row["ue_id"]
        if ue_id is None or ue not in given or given[ue] == ue_id:
            continue
        if given[ue] is None:
            problem = (
                f"{ue_id} may ask the gateway who it is, and the account of {ue} has no ue_id"
            )
            do = f'add ue_id = "{ue_id}" to the account in {server.path}'
            yield Misfit(WARNING, server.path, problem, do)
        else:
            problem = f"the ue_id of {ue} is {ue_id}, and {given[ue]} in {server.path}"
            yield Misfit(ERROR, gateway.path, problem, "give both the same")


def _reports(server: Loaded, gateway: Loaded) -> Iterator[Misfit]:
    """What the gateway tells the server's page."""
    url, path = gateway.values["view.report_to"], gateway.path
    http, token = server.values["server.http"], gateway.values["view.report_token"]
    if not url:
        return
    if not http:
        problem = f"the gateway reports to {url}, and the server has no HTTP"
        yield Misfit(ERROR, path, problem, f"set http in {server.path}, or take report_to away")
        return
    bound, bound_port = parse_address(http)
    scheme = "https" if server.values["http.tls_cert"] else "http"
    to = urlsplit(url)
    port = to.port or {"http": 80, "https": 443}[to.scheme]
    why = unreachable(to.hostname or "", bound)
    if bound_port and (to.scheme, port) != (scheme, bound_port):
        why = f"it listens at {scheme}://{http}"
    if why:
        problem = f"the gateway reports to {url}, and the server: {why}"
        yield Misfit(ERROR, path, problem, f"set report_to in {path}")
    accounts = {row["ue_service_id"]: row["report_token"] for row in server.values.rows["ue"]}
    own = _own([server], gateway) or gateway.name
    wanted = [accounts.get(own), server.values["http.token"]]
    if token not in wanted if token else any(wanted):
        yield Misfit(
            ERROR,
            path,
            "the gateway has not the token by which the server takes its reports",
            f"make one with openssl rand -hex 24; it is report_token of the account of "
            f"{own} in {server.path}, and report_token under [view] in {path}",
        )


def _addresses(server: Loaded, gateway: Loaded) -> Iterator[Misfit]:
    bound_host, bound_port = parse_address(server.values["server.bind"])
    url = gateway.values["gateway.server"]
    host, port = coap_address(url)
    do = f'set server in {gateway.path}, or bind in {server.path} ("0.0.0.0:65401" is everywhere)'
    if bound_port == 0:
        text = "bind has port 0, which is another one at each start"
        yield Misfit(WARNING, server.path, text, "give it a port, 65401 is MSGin5G's")
    elif port != bound_port:
        problem = f"the gateway calls {url}, and the server is on port {bound_port}"
        yield Misfit(ERROR, gateway.path, problem, do)
    elif why := unreachable(host, bound_host):
        yield Misfit(ERROR, gateway.path, f"the gateway calls {url}, and the server: {why}", do)
    if not is_local(host):
        return
    for link in _links(gateway):
        scheme, place, number = parse_link(link)
        if scheme == "udp" and number == bound_port != 0 and overlap(place, bound_host):
            text = f"the link {link} and the server want the same UDP port of one machine"
            yield Misfit(ERROR, gateway.path, text, "give the link another port, such as 65402")


def _through(gateways: Sequence[Loaded], ue: Loaded) -> Iterator[Misfit]:
    """A UE's file and the gateway that it is for: the one that knows it, else the first."""
    knowing = [one for one in gateways if _knows(one, ue.values)]
    gateway = (knowing or list(gateways))[0]
    settings, values = gateway.values, ue.values
    is_client = values["mode"] == "client"
    if not settings["gateway.relay"]:
        yield from _service_ids(ue, values["service_id"], gateway)
        if not knowing and is_client:
            yield Misfit(
                ERROR,
                gateway.path,
                f"{ue.name} of {ue.path} may not use the gateway",
                f'add to {gateway.path} a [[ue]] with {_identity(values)[0]} = "{ue.name}"',
            )
        elif not is_client:
            yield from _device(gateway, ue)
    offered = list(settings["gateway.links"]) if is_client else _links(gateway)
    if why := link_misses(values["link"], offered):
        do = f"set link in {ue.path}, or links in {gateway.path}"
        yield Misfit(ERROR, ue.path, f"the UE's link is {values['link']}: {why}", do)


def _device(gateway: Loaded, ue: Loaded) -> Iterator[Misfit]:
    number = ue.values["application_id"]
    for row in gateway.values.rows["device"]:
        if row["application_id"] == number:
            if row["credential"] != ue.values["credential"]:
                text = f"the credential of application_id {number} is another at the gateway"
                yield Misfit(ERROR, ue.path, text, f"copy it from {gateway.path}")
            return
    do = f"add to {gateway.path} a [[device]] with application_id = {number} and its credential"
    yield Misfit(ERROR, gateway.path, f"the gateway knows no device {number}", do)


def _direct(server: Loaded, ue: Loaded) -> Iterator[Misfit]:
    """A UE that speaks with the server itself, or through a Relay UE."""
    yield from _service_ids(ue, ue.values["service_id"], server)
    lifetime_s, refresh_s = server.values["server.registration_lifetime_s"], ue.values["refresh_s"]
    if not refresh_s or refresh_s >= lifetime_s:
        problem = f"its registration ends after {lifetime_s} s, and refresh_s is {refresh_s}"
        yield Misfit(WARNING, ue.path, problem, f"set refresh_s to {lifetime_s // 2}")
    if server.values["server.open"]:
        return
    key, name = _identity(ue.values)
    account = next((row for row in server.values.rows["ue"] if row[key] == name), None)
    if account is None:
        do = f'add to {server.path} a [[ue]] with {key} = "{name}"'
        yield Misfit(ERROR, ue.path, f"{name} has no account at the server", do)
    elif account["gateway"]:
        yield Misfit(
            ERROR,
            ue.path,
            f"{name} is direct, and may only come through {account['gateway']}",
            f"remove gateway from its account in {server.path}",
        )


def _service_ids(file: Loaded, service_id: str, other: Loaded) -> Iterator[Misfit]:
    key = {SERVER: "server.service_id", GATEWAY: "gateway.service_id"}[other.kind]
    wanted = other.values[key]
    if service_id != wanted:
        yield Misfit(
            ERROR,
            file.path,
            f"service_id is {service_id}, and {wanted} in {other.path}",
            "give both the same, or leave it out of both",
        )


def _accounts(server: Loaded) -> dict[str, str | None]:
    return {row["ue_service_id"]: row["gateway"] for row in server.values.rows["ue"]}


def _own(servers: Sequence[Loaded], gateway: Loaded) -> str | None:
    """Return the UE Service ID of a gateway, of one with an MSGin5G UE ID that of its account."""
    settings = gateway.values
    own: str | None = settings["gateway.ue_service_id"]
    if own is not None:
        return own
    rows = (row for server in servers for row in server.values.rows["ue"])
    found = (row["ue_service_id"] for row in rows if row["ue_id"] == settings["gateway.ue_id"])
    return next(found, None)


def _links(gateway: Loaded) -> list[str]:
    return [*gateway.values["gateway.links"], *gateway.values["gateway.device_links"]]


def _knows(gateway: Loaded, values: dict[str, Any]) -> bool:
    settings = gateway.values
    if settings["gateway.open"] and values["mode"] == "client":
        return True
    if values["mode"] == "client":
        key, name = _identity(values)
        return any(row[key] == name for row in settings.rows["ue"])
    return any(
        row["application_id"] == values["application_id"] for row in settings.rows["device"]
    )


def _identity(values: dict[str, Any]) -> tuple[str, str]:
    """Return the key and value by which a UE with a client is known, from its file."""
    key = "ue_service_id" if values["ue_service_id"] else "ue_id"
    return key, values[key]


def _add_account(path: str, ue: str, gateway: str = "") -> str:
    more = f' and gateway = "{gateway}"' if gateway else ""
    return f'add to {path} a [[ue]] with ue_service_id = "{ue}"{more}'
