"""Tables for people: by rich on a terminal, aligned text everywhere else."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

# What a state is shown in, besides its word.
_COLOURS = {
    **dict.fromkeys(("ok", "registered", "delivered", "reported"), "green"),
    **dict.fromkeys(("note", "expected", "under way", "deferred"), "yellow"),
    **dict.fromkeys(("MISSING", "FAULT", "unreachable", "discarded"), "red"),
    **dict.fromkeys(("rejected", "refused"), "red"),
}


def show(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table; nothing if it has no rows."""
    found = list(rows)
    if not found:
        return
    if not on_terminal(heads, found):
        print(aligned(heads, found))


def aligned(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table as text."""
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [heads, *rows]
    )


def text(value: Any) -> str:
    """Return a value as a cell: "-" for nothing, control characters escaped."""
    if value is None or value == "":
        return "-"
    found = str(value)
    return found if found.isprintable() else json.dumps(found)


def moment(value: Any) -> str:
    """Return an ISO 8601 time as people read it, to the second."""
    return text(value)[:19].replace("T", " ")


def duration(seconds: Any) -> str:
    """Return whole seconds as people say them."""
    if not isinstance(seconds, int):
        return "-"
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"


def on_terminal(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> bool:
    """Print a table by rich if this is a terminal; tells whether it did."""
    if not sys.stdout.isatty():
        return False
    try:
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ModuleNotFoundError:
        return False
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in rows:
        # Text, so that nothing in a name is taken for markup.
        table.add_row(*(Text(cell, _COLOURS.get(cell, "")) for cell in row))
    Console().print(table)
    return True
