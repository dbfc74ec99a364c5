"""The text of new configuration files: what was asked for, every other key as a comment.

Made from the declared keys, so that a file always has all of them with their defaults.
"""

import json
import os
import tempfile
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgin5g_host.config import ConfigError, Key
from msgin5g_tools.config.kinds import DECLARED

_WIDTH = 99
_PRIVATE, _READABLE = 0o600, 0o644

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def toml_text(kind: str, values: Mapping[str, Any], rows: Rows) -> str:
    """Return a file for SERVER or GATEWAY. values: by key name; rows: by table."""
    declared = DECLARED[kind]
    lines = [
        f"# Made by `msgin5g config init {kind}`. Keys with a # before them have their default.",
        f"# After a change: msgin5g config check FILE. Examples of all tables: {kind}/{kind}.toml",
    ]
    table = ""
    for key in declared.KEYS:
        if key.table != table:
            table = key.table
            lines += ["", f"[{table}]"]
        lines += _entry(key, values.get(key.name))
    for one in declared.TABLES:
        if not rows.get(one.name):
            continue
        lines += ["", *_comment(_sentence(one.help))]
        for row in rows[one.name]:
            lines.append(f"[[{one.name}]]")
            lines += [f"{name} = {_toml(value)}" for name, value in row.items()]
    return "\n".join(lines) + "\n"


def ue_text(values: Mapping[str, Any]) -> str:
    """Return a UE's file; JSON has no comments."""
    return json.dumps(values, indent=2, ensure_ascii=False) + "\n"


def has_secret(kind: str, values: Mapping[str, Any], rows: Rows) -> bool:
    """Tell whether a file for SERVER or GATEWAY would hold a secret."""
    declared = DECLARED[kind]
    given = [(key, values.get(key.name)) for key in declared.KEYS]
    given += [
        (key, row.get(key.key))
        for table in declared.TABLES
        for row in rows.get(table.name, ())
        for key in table.keys
    ]
    return any(key.secret and value for key, value in given)


def write(path: Path, text: str, force: bool, private: bool) -> None:
    """Write a whole file or none. private: only its owner may read it. Raises ConfigError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # mkstemp: mode 0600 from the first byte on.
        handle, made = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                file.write(text)
                os.fchmod(file.fileno(), _PRIVATE if private else _READABLE)
                file.flush()
                os.fsync(file.fileno())
            if force:
                os.replace(made, path)
                return
            os.link(made, path)
            os.unlink(made)
        except BaseException:
            os.unlink(made)
            raise
    except FileExistsError:
        raise ConfigError(
            f"{path}: is there already; --force replaces it, --to FILE names another"
        ) from None
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be written: {problem.strerror}; name another place with --to"
        ) from None


def _entry(key: Key, value: Any) -> Iterable[str]:
    help_text = _sentence(key.help)
    if key.secret and value is None:
        help_text += " Make one with: openssl rand -hex 24"
    yield from _comment(help_text)
    if value is None:
        yield f"# {key.key} = {_toml(key.default)}"
    else:
        yield f"{key.key} = {_toml(value)}"


def _sentence(text: str) -> str:
    """Capitalize, but not a name such as apiRoot."""
    first = text.partition(" ")[0]
    return f"{text[:1].upper() if first.islower() else text[:1]}{text[1:]}."


def _comment(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _toml(value: Any) -> str:
    return repr(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False)
