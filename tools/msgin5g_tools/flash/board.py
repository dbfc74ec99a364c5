"""What the board is, and whether it will do."""

from dataclasses import dataclass
from typing import Any

from mpremote.transport_serial import SerialTransport

from msgin5g_tools.flash.compile import Format, read_format
from msgin5g_tools.flash.connection import ask
from msgin5g_tools.flash.problems import WrongUse

OLDEST = (1, 22)
# What a registered UE takes before the first message, measured on a Pico, and a fifth more.
LEAST_FREE_BYTES = {"client": 108_000, "coap": 115_000, "l3": 70_000}

# By `sys.platform`; an ESP32-C3 has one less.
_LAST_UART = {"rp2": 1, "esp32": 2}

_PROBE = """
import sys, os, gc
gc.collect()
i = sys.implementation
d = {"name": i.name, "version": tuple(i.version)[:3], "machine": getattr(i, "_machine", ""),
    "mpy": getattr(i, "_mpy", 0), "platform": sys.platform, "free": gc.mem_free()}
try:
    v = os.statvfs("/")
    d["block"], d["blocks_free"] = v[0], v[3]
except (OSError, AttributeError):
    pass
try:
    import machine
    d["id"] = machine.unique_id()
except (ImportError, AttributeError):
    pass
for m in ("network", "bluetooth"):
    try:
        d[m] = hasattr(__import__(m), "WLAN" if m == "network" else "BLE")
    except ImportError:
        d[m] = False
print(repr(d))
"""


@dataclass(frozen=True)
class Facts:
    """free_bytes: of its heap; block_bytes, free_blocks: of its file system, 0 without one;
    unique_id: of the chip, b"" if it does not tell one."""

    version: tuple[int, ...]
    machine: str
    platform: str
    form: Format
    free_bytes: int
    block_bytes: int
    free_blocks: int
    unique_id: bytes
    has_wifi: bool
    has_ble: bool

    def title(self) -> str:
        """Return the board in one line."""
        number = ".".join(map(str, self.version))
        return (
            f"{self.machine or self.platform}, MicroPython {number}, {self.form}, "
            f"{self.free_bytes // 1000} kB memory and "
            f"{self.block_bytes * self.free_blocks // 1000} kB flash free"
        )


def examine(transport: SerialTransport) -> Facts:
    """Ask the board what it is. Raises WrongUse if it will not do."""
    return read(ask(transport, _PROBE))


def read(answer: Any) -> Facts:
    """Return what the answer to the probe says. Raises WrongUse."""
    name = answer.get("name") if isinstance(answer, dict) else None
    if name != "micropython":
        raise WrongUse(
            f"the board runs {name or 'something else'}, not MicroPython; "
            "get MicroPython for it from micropython.org/download"
        )
    version = tuple(answer["version"])
    if version[:2] < OLDEST:
        raise WrongUse(
            f"the board's MicroPython {'.'.join(map(str, version))} is too old; "
            f"{'.'.join(map(str, OLDEST))} or newer is needed, from micropython.org/download"
        )
    if not answer.get("block"):
        raise WrongUse(
            "the board has no file system; put MicroPython on it anew, from "
            "micropython.org/download"
        )
    return Facts(
        version,
        answer["machine"],
        answer["platform"],
        read_format(answer["mpy"]),
        answer["free"],
        answer["block"],
        answer["blocks_free"],
        bytes(answer.get("id") or b""),
        bool(answer.get("network")),
        bool(answer.get("bluetooth")),
    )


def check(facts: Facts, config: dict[str, Any]) -> None:
    """Raise WrongUse if the board cannot be the UE of this configuration."""
    least = LEAST_FREE_BYTES[config["mode"]]
    if facts.free_bytes < least:
        raise WrongUse(
            f"the board has {facts.free_bytes // 1000} kB of memory free, a UE in mode "
            f"{config['mode']!r} wants {least // 1000} kB; mode l3 wants least"
        )
    scheme, _, place = config["link"].partition("://")
    if scheme == "ble" and not facts.has_ble:
        raise WrongUse("link: this board has no BLE; use serial://uart0" + _or_udp(facts))
    if scheme == "udp" and not facts.has_wifi:
        raise WrongUse("link: this board has no Wi-Fi; use serial://uart0")
    if scheme == "udp" and not config["wifi_ssid"]:
        raise WrongUse(
            "link: udp:// takes a Wi-Fi; add --set wifi_ssid=NAME --set wifi_password=PASSWORD"
        )
    if config["wifi_ssid"] and not facts.has_wifi:
        raise WrongUse("wifi_ssid: this board has no Wi-Fi")
    if scheme == "serial" and not place.startswith("uart"):
        raise WrongUse(f"link: {config['link']}: a board has serial://uart0, serial://uart1, ...")
    number = place.partition("?")[0].removeprefix("uart")
    last = _LAST_UART.get(facts.platform)
    if scheme == "serial" and last is not None and number.isdigit() and int(number) > last:
        raise WrongUse(f"link: this board has no uart{number}; it has uart0 to uart{last}")


def _or_udp(facts: Facts) -> str:
    return " or udp://HOST:PORT" if facts.has_wifi else ""
