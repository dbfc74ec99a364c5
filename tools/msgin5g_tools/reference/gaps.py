"""docs/reference/gaps.md: what the standard leaves open, from the comments of `msgin5g.gaps`."""

import inspect
import re
from collections.abc import Iterator

from msgin5g import gaps
from msgin5g_tools.reference.markdown import code, page, table

_INTRODUCTION = """\
TS 24.538 V18.3.0 leaves some things open and says others twice. Each choice stands in one file,
[`msgin5g/gaps.py`](../../msgin5g/gaps.py), so that a later release changes one place. Who builds
another implementation needs the same choices, or asks for better ones."""


def page_of_gaps() -> str:
    """Return the page."""
    heads = ("clause", "what is open, and what is done", "in the code")
    return page("What the standard leaves open", _INTRODUCTION, table(heads, choices()))


def choices() -> Iterator[tuple[str, str, str]]:
    """Yield (clauses, text, names of the constants below it) of each comment with the word GAP."""
    source = inspect.getsource(gaps)
    pattern = r"^# GAP ([^:]+): ((?:.*\n)(?:# .*\n)*)((?:[A-Z].*\n|[ )].*\n)*)"
    for clauses, text, below in re.findall(pattern, source, re.M):
        words = " ".join(text.replace("\n# ", " ").split()).replace("<", "\\<")
        names = re.findall(r"^([A-Z][A-Z0-9_, ]*) =", below, re.M)
        shown = [_constant(name) for part in names for name in part.split(", ")]
        yield clauses, words[:1].upper() + words[1:], ", ".join(map(code, shown))


def _constant(name: str) -> str:
    value = getattr(gaps, name)
    if isinstance(value, tuple):
        return f"{name} = {' '.join(value)}"
    return f"{name} = 0x{value:02X}" if name.startswith("L3_IEI") else f"{name} = {value}"
