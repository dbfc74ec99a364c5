"""The UEs as a list that is filtered and shown page by page, without holding up the loop."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple, Protocol

# How much is done before other tasks have their turn: about two milliseconds each.
_AT_ONCE = 2_000

REGISTERED, EXPECTED, UNREACHABLE = "registered", "expected", "unreachable"
DEREGISTERED = "deregistered"
STATES = (REGISTERED, EXPECTED, UNREACHABLE, DEREGISTERED)

Row = dict[str, Any]


class Brief(NamedTuple):
    """What a list is filtered by. state: one of STATES; via: a gateway or ""; link: or ""."""

    state: str
    via: str
    link: str


class Residents(Protocol):
    """Whom a role knows."""

    def names(self) -> Iterable[str]:
        """Return all of them; none twice."""

    def brief(self, ue: str, now: int) -> Brief | None:
        """Return what one is filtered by, None if it is not known any more."""

    def row(self, ue: str, now: int) -> Row | None:
        """Return all that the list shows of one, or None."""


class Wanted(NamedTuple):
    """A selection; empty texts select all. q: a part of the name, in any case."""

    q: str = ""
    state: str = ""
    via: str = ""
    link: str = ""

    def takes(self, ue: str, brief: Brief) -> bool:
        """Tell whether a UE is one of these."""
        return (
            (not self.state or brief.state == self.state)
            and (not self.via or brief.via == self.via)
            and (not self.link or brief.link == self.link)
            and (not self.q or self.q.lower() in ue.lower())
        )


class UeList:
    """The residents in the order of their names."""

    def __init__(self, residents: Residents) -> None:
        self._residents = residents
        self._sorted: list[str] = []

    async def select(
        self, wanted: Wanted, offset: int, limit: int, now: int
    ) -> tuple[list[Row], int, dict[str, int]]:
        """Return (rows of a page, how many are wanted, how many there are in each state)."""
        counts: Counter[str] = Counter(dict.fromkeys(STATES, 0))
        page: list[str] = []
        total = 0
        names = await self._names()
        for at in range(0, len(names), _AT_ONCE):
            for ue in names[at : at + _AT_ONCE]:
                brief = self._residents.brief(ue, now)
                if brief is None:
                    continue
                counts[brief.state] += 1
                if wanted.takes(ue, brief):
                    if offset <= total < offset + limit:
                        page.append(ue)
                    total += 1
            await asyncio.sleep(0)
        rows = []
        for at in range(0, len(page), _AT_ONCE // 10):
            part = page[at : at + _AT_ONCE // 10]
            rows += [row for row in (self._residents.row(ue, now) for ue in part) if row]
            await asyncio.sleep(0)
        return rows, total, dict(counts)

    async def _names(self) -> list[str]:
        """Return all names in order: those of the last time with what has changed since."""
        known = set(self._residents.names())
        kept = [ue for ue in self._sorted if ue in known]
        added = list(known.difference(kept))
        for at in range(0, len(added), _AT_ONCE):
            # Sorted runs are merged below, which is much less work at one go.
            kept += sorted(added[at : at + _AT_ONCE])
            await asyncio.sleep(0)
        kept.sort()
        self._sorted = kept
        return kept
