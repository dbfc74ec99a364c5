"""The project's documents as tests see them: blocks of code, links, headings."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "firmware/**/*.md", "tests/**/*.md", "tools/**/*.md")
    for path in ROOT.glob(pattern)
)


@dataclass
class Block:
    """A fenced block: its language, its text, the line it begins at, and the remark before it.

    remark: the text of the HTML comment above the block, such as "not run: needs a board", or "".
    before: the last line of prose above it.
    """

    kind: str
    text: str
    line: int
    remark: str
    before: str


def blocks(name: str) -> list[Block]:
    """Return the fenced blocks of a document."""
    found = []
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    remark = before = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        if line.startswith("```"):
            start = at
            while lines[at] != "```":
                at += 1
            text = "\n".join(lines[start:at]) + "\n"
            found.append(Block(line[3:], text, start, remark, before))
            at += 1
            remark = before = ""
        elif line.startswith("<!-- ") and line.endswith(" -->"):
            remark = line[5:-4]
        elif line:
            remark, before = "", line
    return found


def links(name: str) -> list[str]:
    """Return the targets of all links and pictures outside of blocks and of code."""
    text = re.sub(r"`[^`\n]*`", "x", prose(name))
    return re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'\b(?:src|srcset)="([^"]+)"', text)


def anchors(name: str) -> list[str]:
    """Return what `#…` may name, made of the headings as GitHub does."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.*)$", prose(name), re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = found.count(slug)
        found.append(f"{slug}-{count}" if count else slug)
    return found


def prose(name: str) -> str:
    """Return a document without its fenced blocks."""
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def commands(block: Block) -> list[list[str]]:
    """Return the words of each command of a shell block, without variables and redirections."""
    text = re.sub(r"(^|\s)#.*", r"\1", block.text.replace("\\\n", " "), flags=re.M)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="();<>|&\n")
    lexer.whitespace = " \t"
    lexer.whitespace_split = True
    found: list[list[str]] = [[]]
    skip = False
    for word in lexer:
        if word in (">", ">>", "<"):
            skip = True
        elif set(word) <= set("();|&\n"):
            found.append([])
        elif skip or (not found[-1] and re.match(r"[A-Z][A-Z0-9_]*=", word)):
            skip = False
        else:
            found[-1].append(word)
    return [words for words in found if words]
