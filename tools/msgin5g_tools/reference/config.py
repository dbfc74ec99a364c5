"""docs/reference/config.md: every key of server.toml, gateway.toml and the UE's JSON file."""

import inspect
import json
import re
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from msgin5g_gateway import config as gateway
from msgin5g_host.config import Key, Table
from msgin5g_server import config as server
from msgin5g_tools.reference.markdown import code, page, table
from ue import config as ue

_INTRODUCTION = """\
A value comes from the command line, else from the environment, else from the file given with
`-c`, else it is the default; `--print-config` shows each and where it came from. An unknown key
is an error that names the nearest known one. In the environment a list is separated by commas.
Secrets are never printed, and no command line takes them."""
_UE = """\
One JSON object for [`firmware/`](../../firmware/README.md), on a board `config.json`; there are
no tables, and no environment. `msgin5g flash --set KEY=VALUE` changes one key on a board. Times
are whole seconds."""
_KINDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    list: "list of texts",
    dict: "object",
}


def page_of_keys() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    parts += _file("server.toml", "server/server.toml", server.KEYS, server.TABLES)
    parts += _file("gateway.toml", "gateway/gateway.toml", gateway.KEYS, gateway.TABLES)
    parts += ["## The UE's JSON file", _UE, _ue_table()]
    return page("Configuration", *parts)


def _file(name: str, sample: str, keys: Sequence[Key], tables: Sequence[Table]) -> list[str]:
    parts = [f"## {name}", f"With a comment to every key: [`{sample}`](../../{sample})."]
    heads = ("key", "type", "default", "meaning", "option", "environment variable")
    for section, members in groupby(keys, lambda key: key.table):
        rows = [
            (
                *_key(key),
                "" if key.secret else code(key.flag),
                code(key.variable),
            )
            for key in members
        ]
        parts += [f"### {name}: [{section}]", table(heads, rows)]
    for one in tables:
        parts += [f"### {name}: [[{one.name}]]", f"{one.help[:1].upper()}{one.help[1:]}."]
        parts.append(table(heads[:4], [_key(key) for key in one.keys]))
    return parts


def _key(key: Key) -> tuple[str, str, str, str]:
    default = "required" if key.required else _shown(key.default)
    meaning = f"{key.help}; secret" if key.secret else key.help
    return code(key.key), _KINDS[key.kind], default, meaning


def _ue_table() -> str:
    meanings = ue_meanings()
    rows = [
        (code(key), _KINDS[type(value)], _shown(value), meanings[key])
        for key, value in ue.defaults().items()
    ]
    return table(("key", "type", "default", "meaning"), rows)


def ue_meanings() -> dict[str, str]:
    """Return the comment above each key in the source of `ue.config`.

    On a board there is no room for texts that nobody reads there.
    """
    pairs = re.findall(r"^    # (.*)\n    \(\"(\w+)\",", inspect.getsource(ue), re.M)
    return {key: text for text, key in pairs}


def _shown(value: Any) -> str:
    return "" if value in (None, "", [], {}) else code(json.dumps(value, ensure_ascii=False))
