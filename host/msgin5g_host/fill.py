"""How full a bounded table is."""

from typing import NamedTuple


class Fill(NamedTuple):
    """table: its limit's name without MAX_, in small letters; docs/reference/limits.md has it."""

    table: str
    entries: int
    limit: int
