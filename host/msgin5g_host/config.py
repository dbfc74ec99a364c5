"""Configuration: declared keys, read from flags, environment, a TOML file and defaults.

The order is flag > environment (MSGIN5G_<TABLE>_<KEY>) > file > default. An unknown key is an
error that names the nearest known one, a wrong value one that says where it stands.
"""

import argparse
import difflib
import ipaddress
import json
import math
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgin5g.configuration import MAX_UE_ID_BYTES
from msgin5g.limits import MAX_PAYLOAD_BYTES
from msgin5g_host.ble_url import parse_ble
from msgin5g_host.serial_url import parse_serial

# The longest message is then well below the most segments that a message may have.
MIN_SEGMENT_BYTES = 128

_PREFIX = "MSGIN5G_"
_OWN_VARIABLES = ("MSGIN5G_DEBUG",)
_KIND_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


class ConfigError(Exception):
    """The configuration cannot be used; the text says where, why and what to do."""


@dataclass(frozen=True)
class Key:
    """One key: name "table.key", kind (str, int, float, bool, or list of strings), default.

    required: it must be given, there is no default. check: raises ValueError for a value that
    cannot be used (for a list, for one of its items). secret: never printed.
    """

    name: str
    kind: type
    default: Any
    help: str
    check: Callable[[Any], object] | None = None
    required: bool = False
    secret: bool = False

    @property
    def table(self) -> str:
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        return self.name.partition(".")[2]

    @property
    def flag(self) -> str:
        """The command-line option; that of a list names one item: links -> --link."""
        name = self.key.removesuffix("s") if self.kind is list else self.key
        return "--" + name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return f"{_PREFIX}{self.table}_{self.key}".upper()


@dataclass(frozen=True)
class Table:
    """An array of tables such as [[ue]]; `identity` names the key that must be unique."""

    name: str
    keys: Sequence[Key]
    identity: str
    help: str = ""


@dataclass
class Settings:
    """The merged configuration: `settings["gateway.server"]`, `settings.rows["ue"]`."""

    values: dict[str, Any]
    sources: dict[str, str]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def source(self, name: str) -> str:
        """Return where a value came from: flag, environment, file or default."""
        return self.sources[name]

    def describe(self) -> str:
        """Return the merged configuration as TOML with the source of every value."""
        lines = []
        table = ""
        for name, value in self.values.items():
            if name.partition(".")[0] != table:
                table = name.partition(".")[0]
                lines.append(f"[{table}]")
            key = name.partition(".")[2]
            shown = '"…"' if name in self.secrets and value else _toml(value)
            comment = "" if value is not None else "# "
            lines.append(f"{comment}{key} = {shown}  # {self.sources[name]}")
        for table, rows in self.rows.items():
            for row in rows:
                lines.append(f"[[{table}]]")
                for key, value in row.items():
                    if value is not None:
                        shown = '"…"' if f"{table}.{key}" in self.secrets else _toml(value)
                        lines.append(f"{key} = {shown}")
        return "\n".join(lines)


def load(
    keys: Sequence[Key],
    tables: Sequence[Table],
    path: str | None,
    environ: Mapping[str, str],
    flags: Mapping[str, Any],
) -> Settings:
    """Return the merged settings. Raises ConfigError.

    flags: key names ("gateway.server") to values, only those that were given.
    """
    document = _read(path)
    known = {key.name: key for key in keys}
    sections = {key.table for key in keys}
    _check_names(path, document, sections, known, tables)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    _check_environment(environ, sections, known)
    for key in keys:
        table = document.get(key.table, {})
        if key.name in flags:
            where, value, source = key.flag, flags[key.name], "flag"
        elif key.variable in environ:
            where, source = key.variable, "environment"
            value = _from_text(key, environ[where], where)
        elif key.key in table:
            where, value, source = f"{path}: [{key.table}] {key.key}", table[key.key], "file"
        elif key.required:
            raise ConfigError(
                f"{key.name} is missing ({key.help}): give {key.flag}, {key.variable}, or "
                f"{key.key} under [{key.table}] in the file named with -c"
            )
        else:
            where, value, source = key.name, key.default, "default"
        values[key.name] = _checked(key, value, where) if source != "default" else value
        sources[key.name] = source
    rows = {table.name: _rows(path, document.get(table.name, []), table) for table in tables}
    every = [*keys, *(key for table in tables for key in table.keys)]
    secrets = frozenset(key.name for key in every if key.secret)
    return Settings(values, sources, rows, secrets)


def add_flags(parser: argparse.ArgumentParser, keys: Iterable[Key]) -> None:
    """Add one command-line option for each key; lists may be repeated."""
    for key in keys:
        text = key.help.replace("%", "%%")
        if key.kind is bool:
            parser.add_argument(
                key.flag, dest=key.name, action=argparse.BooleanOptionalAction, help=text
            )
        elif key.kind is list:
            parser.add_argument(
                key.flag,
                dest=key.name,
                action="append",
                metavar="VALUE",
                help=text + " (repeatable)",
            )
        else:
            parser.add_argument(
                key.flag,
                dest=key.name,
                type=key.kind,
                metavar=key.key.upper(),
                help=f"{text} (default {key.default})" if key.default not in ("", None) else text,
            )


def given_flags(args: argparse.Namespace, keys: Iterable[Key]) -> dict[str, Any]:
    """Return the options that were really given, by key name."""
    found = ((key.name, getattr(args, key.name, None)) for key in keys)
    return {name: value for name, value in found if value is not None}


def parse_address(text: str) -> tuple[str, int]:
    """Return (host, port) from "host:port" or "[v6]:port". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        ipaddress.IPv6Address(host)
    elif ":" in host:
        raise ValueError("write an IPv6 address in brackets: [::1]:65401")
    if not colon or not host or " " in host:
        raise ValueError("host:port is wanted, such as 127.0.0.1:65401")
    if not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"a port is a number from 0 to 65535, not {port!r}")
    return host, int(port)


def show_address(address: tuple[str, int]) -> str:
    """Return "host:port" of an address, an IPv6 one in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_link(url: str) -> tuple[str, str, int]:
    """Return (scheme, place, number) of a link. Raises ValueError.

    udp://127.0.0.1:65402: host and port; serial:///dev/ttyACM0?baud=115200: path and baud rate;
    ble://hci0?slots=5: adapter and slots.
    """
    scheme, separator, rest = url.partition("://")
    if scheme == "ble" and separator:
        ble = parse_ble(url)
        return scheme, ble.adapter, ble.slots
    if scheme == "serial" and separator:
        return (scheme, *parse_serial(url)[:2])
    if scheme != "udp" or not separator:
        raise ValueError(f"a link is udp://host:port, serial:///dev/NAME or ble://, not {url!r}")
    return (scheme, *parse_address(rest))


def check_uri(value: str) -> None:
    """Raise ValueError unless the text looks like a URI (identities are URIs, TS 23.554)."""
    scheme, colon, rest = value.partition(":")
    if not colon or not scheme or not rest or not value.isprintable() or " " in value:
        raise ValueError(f"a URI is wanted, such as urn:example:ue:1, not {value!r}")
    if len(value.encode()) > 255:
        raise ValueError("an identifier has at most 255 bytes")


def check_ue_id(value: str) -> None:
    """Raise ValueError unless the text can be an MSGin5G UE ID, as far as a request carries it."""
    size = len(value.encode())
    if not 0 < size <= MAX_UE_ID_BYTES or not value.isprintable():
        raise ValueError(
            f"1 to {MAX_UE_ID_BYTES} bytes without control characters are wanted, not {value!r}"
        )


def check_segment_bytes(value: int) -> None:
    """Raise ValueError unless messages can be cut into segments with so much payload."""
    if not MIN_SEGMENT_BYTES <= value <= MAX_PAYLOAD_BYTES:
        wanted = f"a number from {MIN_SEGMENT_BYTES} to {MAX_PAYLOAD_BYTES}"
        raise ValueError(f"{wanted} is wanted, not {value!r}")


def _read(path: str | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be read: {problem.strerror}; check the path given with -c"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: is not valid TOML: {problem}") from None


def _check_names(
    path: str | None,
    document: dict[str, Any],
    sections: set[str],
    known: dict[str, Key],
    tables: Sequence[Table],
) -> None:
    arrays = {table.name for table in tables}
    for name, content in document.items():
        if name in arrays:
            continue
        if name not in sections:
            if not isinstance(content, dict | list):
                raise ConfigError(
                    f"{path}: the key {name!r} stands outside of any table; write it below "
                    + " or ".join(f"[{one}]" for one in sorted(sections))
                )
            hint = _nearest(name, [*sections, *arrays])
            raise ConfigError(f"{path}: unknown table [{name}]{hint}")
        if not isinstance(content, dict):
            raise ConfigError(f"{path}: {name} is a table: write [{name}]")
        for key in content:
            if f"{name}.{key}" not in known:
                others = [one.key for one in known.values() if one.table == name]
                raise ConfigError(f"{path}: [{name}] unknown key {key!r}{_nearest(key, others)}")


def _check_environment(
    environ: Mapping[str, str], sections: set[str], known: dict[str, Key]
) -> None:
    names = {key.variable for key in known.values()}
    for variable in environ:
        if variable in names or variable in _OWN_VARIABLES:
            continue
        if any(variable.startswith(f"{_PREFIX}{one.upper()}_") for one in sections):
            hint = _nearest(variable, names)
            raise ConfigError(f"unknown environment variable {variable}{hint}")


def _rows(path: str | None, content: Any, table: Table) -> list[dict[str, Any]]:
    if not isinstance(content, list) or not all(isinstance(one, dict) for one in content):
        raise ConfigError(f"{path}: {table.name} is a list of tables: write [[{table.name}]]")
    known = {key.key: key for key in table.keys}
    rows: list[dict[str, Any]] = []
    seen: dict[Any, int] = {}
    for number, given in enumerate(content, 1):
        where = f"{path}: [[{table.name}]] number {number}"
        for name in given:
            if name not in known:
                raise ConfigError(f"{where}: unknown key {name!r}{_nearest(name, known)}")
        row = {}
        for name, key in known.items():
            if name in given:
                row[name] = _checked(key, given[name], f"{where}: {name}")
            elif key.required:
                raise ConfigError(f"{where}: {name} is missing ({key.help})")
            else:
                row[name] = key.default
        identity = row[table.identity]
        if identity is not None and identity in seen:
            raise ConfigError(
                f"{where}: {table.identity} {identity!r} is in number {seen[identity]} already; "
                "remove one of the two"
            )
        seen[identity] = number
        rows.append(row)
    return rows


def _checked(key: Key, value: Any, where: str) -> Any:
    if key.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if key.kind is list:
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise ConfigError(f"{where}: a list of strings is wanted, not {_shown(value)}")
    elif type(value) is not key.kind:
        raise ConfigError(f"{where}: {_KIND_NAMES[key.kind]} is wanted, not {_shown(value)}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}: a finite number is wanted, not {value}")
    if key.check is not None:
        for one in value if key.kind is list else [value]:
            try:
                key.check(one)
            except ValueError as problem:
                raise ConfigError(f"{where}: {problem}") from None
    return value


def _from_text(key: Key, text: str, where: str) -> Any:
    if key.kind is list:
        return [one.strip() for one in text.split(",") if one.strip()]
    if key.kind is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise ConfigError(f"{where}: true or false is wanted, not {text!r}")
        return text.lower() in ("true", "1", "yes")
    try:
        return key.kind(text)
    except ValueError:
        raise ConfigError(f"{where}: {_KIND_NAMES[key.kind]} is wanted, not {text!r}") from None


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.5)
    if close:
        return f"; did you mean {close[0]!r}?"
    return "; known are " + ", ".join(sorted(known))


def _shown(value: Any) -> str:
    """A value of the wrong type as it stands in the file, cut if long."""
    text = _toml(value) if isinstance(value, str | bool | int | float | list) else repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _toml(value: Any) -> str:
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False, default=str)
