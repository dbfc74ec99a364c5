"""What a board's tracebacks mean: its modules are joined, and have short names."""

import re

from msgin5g_tools.shrink.rename import Names

_FRAME = re.compile(r'(?P<head>^ *File "(?P<unit>[\w.]+)", line \d+, in )(?P<name>\w+)')
_ATTRIBUTE = re.compile(r"no attribute '(?P<name>\w+)'")
_MANY = 4


def explain(line: str, names: Names) -> str:
    """Return a line of a board's log with the names of the sources; a short one may stand for
    several: "Storage.load or Clock.now". Lines of other kinds stay as they are."""
    frame = _FRAME.match(line)
    if frame:
        meant = names.functions.get(frame["unit"], {}).get(frame["name"])
        return f"{frame['head']}{_joined(meant)}" if meant else line
    attribute = _ATTRIBUTE.search(line)
    if attribute and attribute["name"] in names.attributes:
        return f"{line} (which is {_joined(names.attributes[attribute['name']])})"
    return line


def _joined(meant: list[str]) -> str:
    return " or ".join([*meant[:_MANY], *(["..."] if len(meant) > _MANY else [])])
