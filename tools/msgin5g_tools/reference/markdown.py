"""The few forms of Markdown that the reference pages use."""

from collections.abc import Iterable, Sequence

MADE = "<!-- Made by `make docs` from the code. Change it there. -->"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; a head that begins with > is a column of numbers."""
    names = [head.removeprefix(">") for head in heads]
    lines = [
        "| " + " | ".join(names) + " |",
        "|" + "|".join("--:" if head.startswith(">") else "---" for head in heads) + "|",
    ]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def code(text: str) -> str:
    """Return text as it is typed, or nothing for an empty one."""
    return f"`{text}`" if text else ""


def page(title: str, *parts: str) -> str:
    """Return a whole page of paragraphs, headings and tables."""
    return "\n\n".join((f"# {title}", MADE, *parts)) + "\n"
