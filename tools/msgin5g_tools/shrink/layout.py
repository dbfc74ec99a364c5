"""The text of a syntax tree, each statement on the line where it was."""

import ast


def render(tree: ast.Module) -> str:
    """Return the source text of a tree whose statements have line numbers.

    A statement begins at its own line; where several have come to one line it begins later.
    """
    lines = [line.encode() for line in ast.unparse(tree).split("\n")]
    again = _statements(ast.parse(b"\n".join(lines)))
    wanted: dict[int, int] = {}
    for old, new in zip(_statements(tree), again, strict=True):
        wanted.setdefault(new.lineno, old.lineno)
        # MicroPython makes a tuple of what is in parentheses before it takes it apart.
        if isinstance(new, ast.Assign) and isinstance(new.targets[0], ast.Tuple):
            line, value = lines[new.lineno - 1], new.value
            if isinstance(value, ast.Tuple) and new.lineno == new.end_lineno:
                inner = line[value.col_offset + 1 : -1]
                lines[new.lineno - 1] = line[: value.col_offset] + inner
    out: list[bytes] = []
    for number, line in enumerate(lines, 1):
        out += [b""] * (wanted.get(number, 0) - len(out) - 1)
        out.append(line)
    return b"\n".join(out).decode() + "\n"


def _statements(tree: ast.AST) -> list[ast.stmt]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.stmt)]
