"""Whether what one side dials is what the other side listens on, as far as addresses tell."""

import ipaddress
from urllib.parse import parse_qs, urlsplit

from msgin5g_host.config import parse_address, parse_link

_LOCAL_NAMES = ("localhost", "ip6-localhost")
_DEFAULT_COAP_PORT = 5683
_DEFAULT_BAUD = "115200"


def coap_address(url: str) -> tuple[str, int]:
    """Return (host, port) of coap://HOST[:PORT]. Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme != "coap" or not parts.hostname:
        raise ValueError(f"coap://host:port is wanted, not {url!r}")
    return parts.hostname, parts.port or _DEFAULT_COAP_PORT


def unreachable(host: str, bound: str) -> str:
    """Return why nobody who dials `host` reaches a socket bound to `bound`, or "" if it may be.

    What a name means elsewhere is not known here.
    """
    dialled, listens = _address(host), _address(bound)
    if dialled is None or listens is None:
        return ""
    if listens.is_unspecified:
        if dialled.version == 6 and listens.version == 4:
            return f"{host} is an IPv6 address, and {bound} means all of IPv4"
        return ""
    if listens.is_loopback and not dialled.is_loopback:
        return f"it listens on {bound}, which only its own machine reaches"
    if dialled != listens:
        return f"it listens on {bound}, not on {host}"
    return ""


def is_local(host: str) -> bool:
    """Tell whether a host is this machine by its name."""
    address = _address(host)
    return address is not None and address.is_loopback


def overlap(one: str, other: str) -> bool:
    """Tell whether two sockets with the same port could not both be bound to these hosts."""
    a, b = _address(one), _address(other)
    return a is None or b is None or a == b or a.is_unspecified or b.is_unspecified


def link_misses(link: str, offered: list[str]) -> str:
    """Return why a UE's link meets none of a gateway's links, or ""."""
    scheme, _, rest = link.partition("://")
    same = [url for url in offered if url.startswith(f"{scheme}://")]
    if not same:
        return f"the gateway has no {scheme}:// link, only {', '.join(offered) or 'none'}"
    if scheme == "serial":
        wanted = _baud(link)
        if all(_baud(url) != wanted for url in same):
            return f"the UE speaks at {wanted} baud, the gateway at {_baud(same[0])}"
    if scheme != "udp":
        return ""
    host, port = parse_address(rest)
    reasons = []
    for url in same:
        _, bound, bound_port = parse_link(url)
        reason = unreachable(host, bound)
        if bound_port not in (port, 0):
            reason = f"the gateway listens on port {bound_port}"
        if not reason:
            return ""
        reasons.append(reason)
    return "; ".join(dict.fromkeys(reasons))


def _baud(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("baud", [_DEFAULT_BAUD])[0]


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if host in _LOCAL_NAMES:
        return ipaddress.ip_address("127.0.0.1")
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
