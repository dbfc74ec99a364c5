"""Configuration files as they are found: what each is for, loaded by those who use it."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msgin5g_gateway import config as gateway
from msgin5g_gateway.view import check_access as check_gateway
from msgin5g_host.config import ConfigError, Settings, load
from msgin5g_server import config as server
from msgin5g_server.http_access import check_access as check_server
from msgin5g_server.ue_ids import accounts_by_ue_id
from ue import config as ue
from ue.errors import ConfigError as UeConfigError

SERVER, GATEWAY, UE = "server", "gateway", "ue"
DECLARED = {SERVER: server, GATEWAY: gateway}
_SECRET_UE_KEYS = ("credential", "wifi_password")
_HIDDEN = "…"


@dataclass(frozen=True)
class Loaded:
    """A file and what it says. kind: SERVER, GATEWAY or UE; values: `Settings`, of a UE a dict."""

    path: str
    kind: str
    values: Any

    @property
    def name(self) -> str:
        """What people call it: a server's address, a UE Service ID, or what a UE has instead."""
        if self.kind == SERVER:
            return str(self.values["server.bind"])
        if self.kind == GATEWAY:
            return str(self.values["gateway.ue_service_id"] or self.values["gateway.ue_id"])
        if self.values["mode"] == "client":
            return str(self.values["ue_service_id"] or self.values["ue_id"])
        return self.values["ue_service_id"] or f"device {self.values['application_id']}"


def load_file(path: str, environ: Mapping[str, str]) -> Loaded:
    """Load a file as its daemon or its UE does. Raises ConfigError."""
    kind = kind_of(path)
    if kind == UE:
        try:
            return Loaded(path, UE, ue.load(path))
        except UeConfigError as problem:
            raise ConfigError(str(problem)) from None
    settings = load(DECLARED[kind].KEYS, DECLARED[kind].TABLES, path, environ, {})
    try:
        if kind == SERVER:
            check_server(settings)
            accounts_by_ue_id(settings.rows["ue"])
            server.check_roles(settings)
        else:
            check_gateway(settings)
            gateway.leave_to_server(settings)
    except ConfigError as problem:
        raise ConfigError(f"{path}: {problem}") from None
    return Loaded(path, kind, settings)


def kind_of(path: str) -> str:
    """Return what a file is for, by what stands in it. Raises ConfigError."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be read: {problem.strerror}; `msgin5g config init` writes one"
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    if text.lstrip().startswith("{"):
        return UE
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ConfigError(f"{path}: is not valid TOML: {problem}") from None
    found = [kind for kind in DECLARED if kind in document]
    if len(found) != 1:
        has = "both [server] and [gateway]" if found else "neither [server] nor [gateway]"
        raise ConfigError(
            f"{path}: {has} in it; a server's file has [server], a gateway's [gateway], a UE's is "
            "a JSON object"
        )
    return found[0]


def shown(file: Loaded) -> str:
    """Return the merged configuration as text, without secrets."""
    if file.kind == UE:
        return json.dumps(plain(file), indent=2, ensure_ascii=False)
    settings: Settings = file.values
    return settings.describe()


def plain(file: Loaded) -> dict[str, Any]:
    """Return the merged configuration as JSON has it, without secrets.

    Of a daemon: {"values": {key: {"value", "source"}}, "rows": {table: [row, …]}}.
    """
    values = file.values
    if file.kind == UE:
        return {
            key: _HIDDEN if key in _SECRET_UE_KEYS and value else value
            for key, value in values.items()
        }
    return {
        "values": {
            key: {
                "value": _HIDDEN if key in values.secrets and value else value,
                "source": values.source(key),
            }
            for key, value in values.values.items()
        },
        "rows": {
            table: [
                {
                    key: _HIDDEN if f"{table}.{key}" in values.secrets and value else value
                    for key, value in row.items()
                    if value is not None
                }
                for row in rows
            ]
            for table, rows in values.rows.items()
        },
    }
