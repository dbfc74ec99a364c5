"""The JSON file with a UE's configuration, as a person names it on a command line."""

import json
from pathlib import Path
from typing import Any

from ue.errors import ConfigError


def read_ue_file(path: str) -> dict[str, Any]:
    """Return its keys, which are not looked at. Raises ConfigError."""
    try:
        keys = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{path}: {problem.strerror}") from None
    except ValueError as problem:
        raise ConfigError(
            f"{path}: is not valid JSON: {problem}; a JSON file is wanted, as "
            "docs/reference/config.md has one"
        ) from None
    if not isinstance(keys, dict):
        raise ConfigError(f"{path}: an object {{...}} is wanted")
    return keys
