"""Changes to a source text by the places of its syntax tree, every line where it was."""

import ast
from dataclasses import dataclass, field

Place = tuple[int, int]


@dataclass
class Edits:
    """What to replace in one source, gathered while its tree is walked."""

    _all: dict[tuple[Place, Place], str] = field(default_factory=dict)

    def replace(self, node: ast.expr | ast.stmt, text: str) -> None:
        """Put a text, or nothing, in the place of a node."""
        assert node.end_lineno is not None and node.end_col_offset is not None
        end = (node.end_lineno, node.end_col_offset)
        self._all[((node.lineno, node.col_offset), end)] = text

    def apply(self, source: str) -> str:
        """Return the source with all changes; of nested ones the outermost counts."""
        # Columns count bytes.
        lines = [line.encode() for line in source.split("\n")]
        outer: tuple[Place, Place] = ((0, 0), (0, 0))
        kept = []
        for (start, end), text in sorted(
            self._all.items(), key=lambda one: (one[0][0], [-x for x in one[0][1]])
        ):
            if end > outer[1]:
                outer = (start, end)
                kept.append((start, end, text))
        for (first, from_), (last, to), text in reversed(kept):
            head, tail = lines[first - 1][:from_], lines[last - 1][to:]
            lines[first - 1 : last] = [head + text.encode() + tail] + [b""] * (last - first)
        return b"\n".join(lines).decode()
