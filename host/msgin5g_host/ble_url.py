"""The URL of a gateway's BLE link: ble://[ADAPTER][?slots=5&idle_s=120&allow=A,B&backend=MODULE]."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl

_ADDRESS = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2}){5}\Z")
_KEYS = ("slots", "idle_s", "allow", "backend")
_MAX_SLOTS = 20


@dataclass(frozen=True)
class BleUrl:
    """adapter: such as "hci0", "" for the default one; slots: connections at once; idle_s: after
    so much silence a device gives way to another; allow: addresses, none means all; backend: a
    Python module with `scanner` and `client` for bleak, "" for bleak's own."""

    adapter: str = ""
    slots: int = 5
    idle_s: float = 120.0
    allow: frozenset[str] = frozenset()
    backend: str = ""


def parse_ble(url: str) -> BleUrl:
    """Return the parts of a BLE link's URL. Raises ValueError."""
    scheme, separator, rest = url.partition("://")
    adapter, _, query = rest.partition("?")
    if scheme != "ble" or not separator or not re.fullmatch(r"[A-Za-z0-9_-]*", adapter):
        raise ValueError(f"a BLE link is ble:// or ble://hci0, not {url!r}")
    given = dict(parse_qsl(query, keep_blank_values=True))
    for key in given:
        if key not in _KEYS:
            raise ValueError(f"a BLE link has {', '.join(_KEYS)}, not {key!r}")
    slots, idle_s = given.get("slots", "5"), given.get("idle_s", "120")
    if not slots.isdigit() or not 1 <= int(slots) <= _MAX_SLOTS:
        raise ValueError(f"slots is a number from 1 to {_MAX_SLOTS}, not {slots!r}")
    if not idle_s.isdigit() or int(idle_s) < 1:
        raise ValueError(f"idle_s is a number of seconds from 1, not {idle_s!r}")
    allow = frozenset(one for one in given.get("allow", "").upper().split(",") if one)
    for one in allow:
        if not _ADDRESS.match(one):
            raise ValueError(f"allow has addresses such as AA:BB:CC:DD:EE:FF, not {one!r}")
    backend = given.get("backend", "")
    return BleUrl(adapter, int(slots), float(idle_s), allow, backend)
