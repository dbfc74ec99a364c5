"""Which names are constants, and what a name in a module means."""

import ast
import operator
from collections.abc import Callable, Collection, Mapping
from typing import TypeGuard

from msgin5g_tools.shrink.scopes import walk

Value = int | str | bytes | None

_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}


# A larger int is an object on a board with 32 bits: one that has a name is made once.
_SMALL_INTS = range(-(1 << 30), 1 << 30)


class _NotConstant(Exception):
    pass


class Scope:
    """What the imports of a module bind: names of other modules' things, and modules themselves.

    names: local name -> (module, name there); modules: local name -> module. What a function
    binds for itself under such a name makes that name unusable in the whole module.
    """

    def __init__(self, module: str, tree: ast.Module, known: Collection[str]) -> None:
        self.module = module
        self.names: dict[str, tuple[str, str]] = {}
        self.modules: dict[str, str] = {}
        for node in walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    local = alias.asname or alias.name
                    whole = f"{node.module}.{alias.name}"
                    if whole in known:
                        self.modules[local] = whole
                    elif node.module in known:
                        self.names[local] = (node.module, alias.name)
        self.bound = _bound(tree)

    def means(self, name: str) -> tuple[str, str] | None:
        """Return (module, name there) of a name that is read, or None if it is a local one."""
        if name in self.names:
            return None if self.bound.get(name) else self.names[name]
        return (self.module, name) if self.bound.get(name, 0) == 1 else None


class Constants:
    """The constants of all modules: ints, texts, bytes and None, bound once and never again."""

    def __init__(self, trees: Mapping[str, ast.Module], keep: Collection[str]) -> None:
        self._values: dict[tuple[str, str], Value] = {}
        self._scopes = {name: Scope(name, tree, trees) for name, tree in trees.items()}
        written = {
            (scope.modules[node.value.id], node.attr)
            for name, scope in self._scopes.items()
            for node in walk(trees[name])
            if isinstance(node, ast.Attribute)
            and not isinstance(node.ctx, ast.Load)
            and isinstance(node.value, ast.Name)
            and node.value.id in scope.modules
        }
        found = True
        while found:
            found = False
            for module, tree in trees.items():
                for key, value in self._of(module, tree):
                    if key not in self._values and key not in written and _is_small(value):
                        self._values[key] = value
                        found = True

    def __contains__(self, key: tuple[str, str] | None) -> bool:
        return self.origin(key) in self._values

    def __getitem__(self, key: tuple[str, str]) -> Value:
        found = self.origin(key)
        assert found is not None
        return self._values[found]

    def origin(self, key: tuple[str, str] | None) -> tuple[str, str] | None:
        """Follow a name that a module has imported to where it is made."""
        for _ in range(10):
            if key is None or key[0] not in self._scopes:
                return None
            scope = self._scopes[key[0]]
            if key[1] not in scope.names:
                return key
            key = scope.names[key[1]]
        return None

    def _of(self, module: str, tree: ast.Module) -> list[tuple[tuple[str, str], Value]]:
        scope = self._scopes[module]
        out: list[tuple[tuple[str, str], Value]] = []
        for node in tree.body:
            if not isinstance(node, ast.Assign) or len(node.targets) != 1:
                continue
            target = node.targets[0]
            if isinstance(target, ast.Name) and scope.bound.get(target.id) == 1:
                try:
                    out.append(((module, target.id), self._evaluate(node.value, scope)))
                except _NotConstant:
                    continue
        return out

    def _evaluate(self, node: ast.expr, scope: Scope) -> Value:
        if isinstance(node, ast.Constant):
            if node.value is None or isinstance(node.value, int | str | bytes):
                return node.value
        elif is_const(node):
            return self._evaluate(node.args[0], scope)
        key = reference(node, scope)
        if key is not None and key in self:
            return self[key]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            left, right = self._evaluate(node.left, scope), self._evaluate(node.right, scope)
            if isinstance(left, int) and isinstance(right, int):
                return _OPERATORS[type(node.op)](left, right)
        raise _NotConstant


def _is_small(value: Value) -> bool:
    return not isinstance(value, int) or value in _SMALL_INTS


def is_const(node: ast.expr) -> TypeGuard[ast.Call]:
    """Tell whether an expression is `const(...)`."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "const"
        and len(node.args) == 1
    )


def reference(node: ast.AST, scope: Scope) -> tuple[str, str] | None:
    """Return (module, name there) of an expression that reads a module's name, or None."""
    if isinstance(node, ast.Name):
        return scope.means(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        module = node.value.id
        if module in scope.modules and not scope.bound.get(module):
            return scope.modules[module], node.attr
    return None


def _bound(tree: ast.Module) -> dict[str, int]:
    """Return how often each name is bound anywhere in a module, imports not counted."""
    out: dict[str, int] = {}

    def note(name: str | None, times: int = 1) -> None:
        if name:
            out[name] = out.get(name, 0) + times

    for node in walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            note(node.id)
        elif isinstance(node, ast.arg):
            note(node.arg, 2)
        elif isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.ExceptHandler
        ):
            note(node.name)
        elif isinstance(node, ast.Global):
            for name in node.names:
                note(name, 2)
    return out
