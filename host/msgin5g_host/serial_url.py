"""The URL of a serial line: serial:///dev/ttyACM0?baud=115200&dtr=0."""

from typing import NamedTuple

DEFAULT_BAUD = 115200
_MAX_BAUD = 4_000_000
_KNOWN = ("baud", "dtr")


class SerialUrl(NamedTuple):
    """A serial line of 8 data bits, no parity, 1 stop bit; dtr: assert DTR and RTS.

    A USB device that sends nothing before the host shows DTR wants dtr=1. It is off by default:
    on ESP32 boards the two lines are wired to reset and boot mode.
    """

    path: str
    baud: int = DEFAULT_BAUD
    dtr: bool = False

    @property
    def identifier(self) -> str:
        """The transport identifier of the peer at the far end."""
        return f"serial://{self.path}"


def parse_serial(url: str) -> SerialUrl:
    """Return what a serial:// URL says. Raises ValueError."""
    rest = url.removeprefix("serial://")
    path, question, query = rest.partition("?")
    if rest == url or not path.startswith("/") or path.endswith("/") or not path.isprintable():
        raise ValueError(f"a serial link is serial:///dev/NAME?baud=115200, not {url!r}")
    given: dict[str, str] = {}
    for item in query.split("&") if question else ():
        key, _, value = item.partition("=")
        if key not in _KNOWN:
            raise ValueError(f"{url}: unknown key {key!r}; known are {', '.join(_KNOWN)}")
        if key in given:
            raise ValueError(f"{url}: {key} stands there twice")
        given[key] = value
    baud, dtr = given.get("baud", str(DEFAULT_BAUD)), given.get("dtr", "0")
    if not (baud.isascii() and baud.isdigit() and 0 < int(baud) <= _MAX_BAUD):
        raise ValueError(f"{url}: baud is a number from 1 to {_MAX_BAUD}, not {baud!r}")
    if dtr not in ("0", "1"):
        raise ValueError(f"{url}: dtr is 0 or 1, not {dtr!r}")
    return SerialUrl(path, int(baud), dtr == "1")
