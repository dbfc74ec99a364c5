"""The URL of a gateway's BLE link: ble://[ADAPTER][?KEY=VALUE&...], its keys those of `BleUrl`."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_KEYS = ("slots", "idle_s", "allow", "name", "backend")
_MAX_SLOTS = 20


@dataclass(frozen=True)
class BleUrl:
    """adapter: such as "hci0", "" for the default one; slots: connections at once; idle_s: after
    so much silence a device gives way to another; allow: addresses, none means all; name: what a
    device must be called, "" for any; backend: a Python module with `scanner` and `client` for
    bleak, "" for bleak's own."""

    adapter: str = ""
    slots: int = 5
    idle_s: float = 120.0
    allow: frozenset[str] = frozenset()
    name: str = ""
    backend: str = ""


def parse_ble(url: str) -> BleUrl:
    """Return the parts of a BLE link's URL. Raises ValueError."""
    scheme, separator, rest = url.partition("://")
    adapter, mark, query = rest.partition("?")
    if scheme != "ble" or not separator or not re.fullmatch(r"[A-Za-z0-9_-]*", adapter):
        raise ValueError(f"a BLE link is ble:// or ble://hci0, not {url!r}")
    given: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True) or ([("", "")] if mark else []):
        if key not in _KEYS:
            raise ValueError(f"a BLE link has {', '.join(_KEYS)}, not {key!r}")
        if key in given:
            raise ValueError(f"BLE link: {key} stands there twice")
        given[key] = value
    slots, idle_s = given.get("slots", "5"), given.get("idle_s", "120")
    if not _is_number(slots) or not 1 <= int(slots) <= _MAX_SLOTS:
        raise ValueError(f"slots is a number from 1 to {_MAX_SLOTS}, not {slots!r}")
    if not _is_number(idle_s) or int(idle_s) < 1:
        raise ValueError(f"idle_s is a number of seconds from 1, not {idle_s!r}")
    allow = frozenset(one for one in given.get("allow", "").upper().split(",") if one)
    for one in allow:
        if not _ADDRESS.match(one):
            raise ValueError(f"allow has addresses such as AA:BB:CC:DD:EE:FF, not {one!r}")
    backend = given.get("backend", "")
    if backend and not _MODULE.match(backend):
        raise ValueError(f"backend is a Python module such as package.module, not {backend!r}")
    return BleUrl(adapter, int(slots), float(idle_s), allow, given.get("name", ""), backend)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
