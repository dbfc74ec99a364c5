"""The text of a syntax tree, each statement on the line where it was."""

import ast

from msgin5g_tools.shrink.scopes import walk


def plain(tree: ast.Module) -> str:
    """Return the source text of a tree."""
    lines = [line.encode() for line in ast.unparse(tree).split("\n")]
    for one in _statements(ast.parse(b"\n".join(lines))):
        # MicroPython makes a tuple of what is in parentheses before it takes it apart.
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Tuple):
            line, value = lines[one.lineno - 1], one.value
            if isinstance(value, ast.Tuple) and one.lineno == one.end_lineno:
                inner = line[value.col_offset + 1 : -1]
                lines[one.lineno - 1] = line[: value.col_offset] + inner
    return b"\n".join(lines).decode() + "\n"


def render(tree: ast.Module) -> str:
    """Return the source text of a tree whose statements have line numbers.

    A statement begins at its own line; where several have come to one line it begins later.
    """
    text = plain(tree)
    wanted: dict[int, int] = {}
    for old, new in zip(_statements(tree), _statements(ast.parse(text)), strict=True):
        wanted.setdefault(new.lineno, old.lineno)
    out: list[str] = []
    for number, line in enumerate(text[:-1].split("\n"), 1):
        out += [""] * (wanted.get(number, 0) - len(out) - 1)
        out.append(line)
    return "\n".join(out) + "\n"


def _statements(tree: ast.AST) -> list[ast.stmt]:
    return [node for node in walk(tree) if isinstance(node, ast.stmt)]
