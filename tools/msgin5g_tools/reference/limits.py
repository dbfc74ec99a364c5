"""docs/reference/limits.md: all limits of the product in one table."""

from msgin5g_tools.limits import rows
from msgin5g_tools.reference.markdown import page, table

_INTRODUCTION = """\
Every table is bounded, and what happens at the limit is counted and tested. Names in capitals are
constants of the code, the others are keys of [config.md](config.md)."""


def page_of_limits() -> str:
    """Return the page."""
    shown = [(name, f"{value:,}", unit, then) for name, value, unit, then in rows()]
    return page("Limits", _INTRODUCTION, table(("limit", ">value", "of", "at the limit"), shown))
