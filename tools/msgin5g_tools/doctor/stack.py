"""A server, its gateways and UEs by their files: do they fit, is all there, who answers?"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from msgin5g_host.config import ConfigError, parse_address, parse_link
from msgin5g_tools.config.fit import ERROR, misfits
from msgin5g_tools.config.kinds import GATEWAY, SERVER, UE, Loaded, load_file
from msgin5g_tools.config.places import coap_address, is_local
from msgin5g_tools.doctor import bluetooth, serial_ports
from msgin5g_tools.doctor.findings import FAULT, NOTE, OK, Finding
from msgin5g_tools.doctor.machine import sqlite
from msgin5g_tools.doctor.reach import (
    COAP,
    clock_offset_s,
    ping_coap,
    ping_http,
    tcp_taken,
    udp_taken,
)

_FITS = "configuration"
_MOST_OFFSET_S = 5


def examine(paths: Sequence[str]) -> Iterator[Finding]:
    """Yield what is to be said of these files and of what they name."""
    files = []
    for path in paths:
        try:
            files.append(load_file(path, {}))
        except ConfigError as problem:
            text = str(problem).removeprefix(f"{path}: ")
            yield Finding(_FITS, FAULT, f"{path}: {text}", "correct the file")
    yield from _fit(files)
    for file in files:
        if file.kind == SERVER:
            yield from _server(file)
        elif file.kind == GATEWAY:
            yield from _gateway(file, [one for one in files if one.kind == SERVER])
        elif file.kind == UE and not file.values["link"].startswith("udp://"):
            yield from _links([file.values["link"]] if "/dev/" in file.values["link"] else [])


def _fit(files: Sequence[Loaded]) -> Iterator[Finding]:
    try:
        found = misfits(files)
    except ConfigError as problem:
        yield Finding(_FITS, FAULT, str(problem), "leave one out")
        return
    for one in found:
        state = FAULT if one.level == ERROR else NOTE
        yield Finding(_FITS, state, f"{one.file}: {one.problem}", one.do)
    if not found and files:
        names = ", ".join(file.path for file in files)
        yield Finding(_FITS, OK, f"{names}: " + ("they fit" if len(files) > 1 else "it loads"))


def _server(file: Loaded) -> Iterator[Finding]:
    settings = file.values
    yield _folder("server's data", settings["server.data"], file.path)
    host, port = parse_address(settings["server.bind"])
    yield _udp("server, CoAP", host, port, f"bind in {file.path}")
    yield from _http("server, HTTP", file, settings["server.http"], "/health")


def _http(what: str, file: Loaded, where: str, path: str) -> Iterator[Finding]:
    if not where:
        return
    host, port = parse_address(where)
    scheme = "https" if file.values["http.tls_cert"] else "http"
    taken = tcp_taken(host, port)
    if not taken:
        yield Finding(what, OK, f"port {port} is free: it does not run yet")
    elif ping_http(scheme, host, port, path):
        yield Finding(what, OK, f"port {port} answers: it runs")
    else:
        yield Finding(what, FAULT, f"{host}:{port}: {taken}", _change(f"http in {file.path}"))


def _reports(url: str, path: str) -> Iterator[Finding]:
    """The server's page, to which a gateway reports; it also tells the time there."""
    what = "gateway's reports"
    to = urlsplit(url)
    place = (to.scheme, to.hostname or "", to.port or {"http": 80, "https": 443}[to.scheme])
    if not ping_http(*place, "/health"):
        do = f"start the server, or set report_to in {path}"
        yield Finding(what, NOTE, f"no server answers at {url}", do)
        return
    yield Finding(what, OK, f"{url} answers")
    offset_s = clock_offset_s(*place)
    if offset_s is not None and abs(offset_s) > _MOST_OFFSET_S:
        yield Finding(
            "server's clock",
            FAULT,
            f"it is {abs(offset_s):.0f} s {'ahead of' if offset_s > 0 else 'behind'} this one",
            "set both by a time server: `sudo timedatectl set-ntp true`",
        )


def _gateway(file: Loaded, servers: Sequence[Loaded]) -> Iterator[Finding]:
    settings = file.values
    yield _folder("gateway's data", settings["gateway.data"], file.path)
    links = [*settings["gateway.links"], *settings["gateway.device_links"]]
    for link in links:
        scheme, host, port = parse_link(link)
        if scheme == "udp":
            yield _udp("gateway, CoAP", host, port, f"links in {file.path}")
    yield from _links(links)
    yield from _http("gateway, HTTP", file, settings["gateway.http"], "/view/about")
    if settings["view.report_to"]:
        yield from _reports(settings["view.report_to"], file.path)
    yield _reach_server(settings["gateway.server"], file.path, servers)


def _links(links: Sequence[str]) -> Iterator[Finding]:
    serial = [link for link in links if link.startswith("serial://")]
    ble = [link for link in links if link.startswith("ble://")]
    if serial:
        yield from serial_ports.examine(serial)
    if ble:
        yield from bluetooth.examine(ble)


def _reach_server(url: str, path: str, servers: Sequence[Loaded]) -> Finding:
    what = "gateway to server"
    host, port = coap_address(url)
    answer = ping_coap(host, port)
    if answer == COAP:
        return Finding(what, OK, f"{url} answers")
    bound = [parse_address(one.values["server.bind"]) for one in servers]
    starts_here = is_local(host) and any(
        port == one and not udp_taken(place, one) for place, one in bound
    )
    start = f"start it: `msgin5g server -c {servers[0].path}`" if servers else "start one there"
    if starts_here:
        return Finding(what, NOTE, f"nobody answers at {url}: the server does not run yet", start)
    return Finding(what, FAULT, f"{url}: {answer}", f"set server in {path}, or {start}")


def _udp(what: str, host: str, port: int, key: str) -> Finding:
    taken = udp_taken(host, port)
    if not taken:
        return Finding(what, OK, f"UDP port {port} is free: it does not run yet")
    if ping_coap(host, port) == COAP:
        return Finding(what, OK, f"UDP port {port} answers: it runs")
    return Finding(what, FAULT, f"UDP {host}:{port}: {taken}", _change(key))


def _change(key: str) -> str:
    return f"stop the program that has it (`sudo ss -lntup` shows which), or change {key}"


def _folder(what: str, folder: str, path: str) -> Finding:
    return sqlite(Path(folder), what, FAULT, f"data in {path}")
