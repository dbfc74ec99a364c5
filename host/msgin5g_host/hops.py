"""In which order the entries of several roles are told: by time, and what was sent before it came.

Times are whole milliseconds, in which a message passes more than one hop of one machine.
"""

from collections.abc import Iterable
from itertools import groupby
from typing import Any

Entry = dict[str, Any]

# A millisecond with more entries than that stays as they were numbered.
_MOST = 24


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries, each with "n" and "t", in the order in which they are to be read."""
    told: list[Entry] = []
    ordered = sorted(entries, key=lambda entry: (entry["t"], entry["n"]))
    for _, group in groupby(ordered, key=lambda entry: entry["t"]):
        told += _untangled(list(group))
    return told


def _untangled(rest: list[Entry]) -> list[Entry]:
    """Return what happened in one millisecond; each role's own order stays."""
    if not 1 < len(rest) <= _MOST:
        return rest
    told = []
    while rest:
        first = next((one for one in rest if not _waits(one, rest)), rest[0])
        told.append(first)
        rest.remove(first)
    return told


def _waits(entry: Entry, others: list[Entry]) -> bool:
    """Tell whether one of the others came first."""
    own, came = _who(entry), _passed(entry)
    return any(
        other["n"] < entry["n"]
        if _who(other) == own
        else (came[0], _passed(other)) == ("rx", ("tx", *came[1:]))
        for other in others
    )


def _passed(entry: Entry) -> tuple[Any, ...]:
    return entry.get("direction"), entry.get("iface"), entry.get("what")


def _who(entry: Entry) -> tuple[str, str]:
    return entry["role"], entry.get("at", "")
