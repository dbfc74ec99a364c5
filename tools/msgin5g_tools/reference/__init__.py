"""The pages of docs/reference, made from the code that they describe.

`make docs` writes them; a test compares what is committed with what is made here.
"""

from collections.abc import Callable
from pathlib import Path

from msgin5g_tools.reference.cli import page_of_verbs as cli_page
from msgin5g_tools.reference.config import page_of_keys as config_page
from msgin5g_tools.reference.conformance import page_of_conformance as conformance_page
from msgin5g_tools.reference.gaps import page_of_gaps as gaps_page
from msgin5g_tools.reference.limits import page_of_limits as limits_page
from msgin5g_tools.reference.messages import page_of_messages as messages_page
from msgin5g_tools.reference.metrics import page_of_metrics as metrics_page

# name of the file: what makes its text
PAGES: dict[str, Callable[[], str]] = {
    "cli.md": cli_page,
    "config.md": config_page,
    "conformance.md": conformance_page,
    "gaps.md": gaps_page,
    "limits.md": limits_page,
    "messages.md": messages_page,
    "metrics.md": metrics_page,
}


def write(folder: Path) -> list[str]:
    """Write all pages; returns the names of those that changed."""
    changed = []
    for name, make in PAGES.items():
        text = make()
        file = folder / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed
