"""Which files a UE of one configuration needs, from the imports that its sources can reach.

An `if` whose outcome the configuration decides is followed one way only: a serial UE gets no UDP
link, a device in the L3 form neither CoAP nor JSON.
"""

import ast
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import msgin5g
import ue

START = "ue.startup"
_PACKAGES = {
    name: Path(package.__file__ or "").parent
    for name, package in (("msgin5g", msgin5g), ("ue", ue))
}
# Configurations are told by `config["key"]`, or by what these variables hold.
_CONFIG = ("config", "self._config")


def firmware_folder() -> Path:
    """Return the folder with `ue/` and `boards/`."""
    return _PACKAGES["ue"].parent


def sources(config: Mapping[str, Any] | None, start: str = START) -> dict[str, Path]:
    """Return {"ue/core.py": its path, ...} for a configuration (`ue.config`), or None for any.

    start: the module that is imported first.
    """
    reach = _Reach(config)
    reach.follow(start)
    return {
        str(path.relative_to(path.parents[1])): path
        for path in sorted(_file(name) for name in reach.found)
    }


class _Unknown:
    """What cannot be told before the UE runs."""


_UNKNOWN = _Unknown()


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _file(name: str) -> Path:
    """Return where a module is; there may be none."""
    package, _, module = name.partition(".")
    return _PACKAGES[package] / f"{module or '__init__'}.py"


def _is_ours(name: str) -> bool:
    return name.partition(".")[0] in _PACKAGES and _file(name).exists()


@cache
def _constants(name: str) -> dict[str, Any]:
    """Return the constants of a module, its own and those imported from our modules."""
    found: dict[str, Any] = {}
    for node in _tree(_file(name)).body:
        if isinstance(node, ast.ImportFrom) and _is_ours(node.module or ""):
            known = _constants(node.module or "")
            for alias in node.names:
                if alias.name in known:
                    found[alias.asname or alias.name] = known[alias.name]
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found[target.id] = node.value.value
    return found


class _Reach:
    """The modules that are reached, and how."""

    def __init__(self, config: Mapping[str, Any] | None) -> None:
        self.found: set[str] = set()
        self._config = {} if config is None else dict(config)
        self._facts: dict[str, Any] = {}
        if config is not None:
            scheme = str(config["link"]).partition("://")[0]
            self._facts = {"mode": config["mode"], "scheme": scheme}

    def follow(self, name: str) -> None:
        """Note a module with its packages and follow what it imports."""
        package = name.partition(".")[0]
        for one in (package, name):
            if one not in self.found and _is_ours(one):
                self.found.add(one)
                self._block(_tree(_file(one)).body, {**_constants(one), **self._facts})

    def _block(self, statements: Sequence[ast.stmt], known: dict[str, Any]) -> bool:
        """Follow the imports; tells whether what comes after these statements is never reached."""
        for node in statements:
            if isinstance(node, ast.If):
                if self._branches(node, known):
                    return True
                continue
            self._imports(node, known)
            for field in ("body", "orelse", "finalbody"):
                self._block(getattr(node, field, ()), known)
            for handler in getattr(node, "handlers", ()):
                self._block(handler.body, known)
            if isinstance(node, ast.Return | ast.Raise):
                return True
        return False

    def _branches(self, node: ast.If, known: dict[str, Any]) -> bool:
        outcome = self._value(node.test, known)
        if not isinstance(outcome, _Unknown):
            return self._block(node.body if outcome else node.orelse, known)
        ends = [self._block(part, known) for part in (node.body, node.orelse)]
        return all(ends)

    def _imports(self, node: ast.stmt, known: dict[str, Any]) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                self.follow(alias.name)
        elif isinstance(node, ast.ImportFrom):
            self.follow(node.module or "")
            for alias in node.names:
                self.follow(f"{node.module}.{alias.name}")
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.Expr):
            # A module may be named by a text, to be loaded with __import__.
            for text in self._texts(node.value, known):
                self.follow(text)

    def _texts(self, node: ast.expr, known: dict[str, Any]) -> list[str]:
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) and "." in node.value else []
        children = [one for one in ast.iter_child_nodes(node) if isinstance(one, ast.expr)]
        if isinstance(node, ast.IfExp):
            outcome = self._value(node.test, known)
            if not isinstance(outcome, _Unknown):
                children = [node.body if outcome else node.orelse]
        return [text for child in children for text in self._texts(child, known)]

    def _value(self, node: ast.expr, known: dict[str, Any]) -> Any:
        """Return the value of an expression, as far as the configuration decides it."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return known.get(node.id, _UNKNOWN)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in _CONFIG:
            key = node.slice.value if isinstance(node.slice, ast.Constant) else None
            return self._config.get(str(key), _UNKNOWN)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            value = self._value(node.operand, known)
            return value if isinstance(value, _Unknown) else not value
        if isinstance(node, ast.BoolOp):
            decides = isinstance(node.op, ast.Or)
            values = [self._value(one, known) for one in node.values]
            told = [bool(one) for one in values if not isinstance(one, _Unknown)]
            if decides in told:
                return decides
            return not decides if len(told) == len(values) else _UNKNOWN
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            sides = [self._value(one, known) for one in (node.left, node.comparators[0])]
            if not any(isinstance(one, _Unknown) for one in sides):
                if isinstance(node.ops[0], ast.Eq):
                    return sides[0] == sides[1]
                if isinstance(node.ops[0], ast.NotEq):
                    return sides[0] != sides[1]
        return _UNKNOWN
