"""Dropping what nobody reads any more: constants, imports, whole modules."""

import ast
from collections.abc import Collection, Iterator

from msgin5g_tools.shrink.constants import is_const
from msgin5g_tools.shrink.prune import Pruner
from msgin5g_tools.shrink.scopes import walk

Trees = dict[str, ast.Module]


def sweep(trees: Trees, keep: Collection[str], prune: Collection[str]) -> None:
    """Take out of the modules, and of the dict itself, what has no use.

    keep, prune: as for `shrink`.
    """
    while _sweep_once(trees, keep) or _prune_once(trees, keep, prune):
        pass


def _prune_once(trees: Trees, keep: Collection[str], prune: Collection[str]) -> bool:
    """Drop functions, classes and methods that nobody names."""
    named = {name for tree in trees.values() for name in _names(tree)}
    changed = False
    for module, tree in trees.items():
        if module.partition(".")[0] in prune and module not in keep:
            pruner = Pruner(named)
            pruner.visit(tree)
            changed = changed or pruner.changed
    return changed


def _names(tree: ast.Module) -> Iterator[str]:
    """Yield every name by which something may be found: read, imported, or a text."""
    for node in walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _sweep_once(trees: Trees, keep: Collection[str]) -> bool:
    wanted = _wanted(trees)
    changed = False
    for module, tree in list(trees.items()):
        read = _read(tree) | (_bound(tree) if module in keep else set())
        used = read | wanted.get(module, set())
        sweeper = _Sweeper(trees, used)
        sweeper.visit(tree)
        changed = changed or sweeper.changed
        is_package = any(name.startswith(module + ".") for name in trees)
        if _is_empty(tree) and not is_package and module not in keep:
            del trees[module]
            changed = True
    return changed


def _wanted(trees: Trees) -> dict[str, set[str]]:
    """Return the names that modules import from each other."""
    out: dict[str, set[str]] = {}
    for tree in trees.values():
        modules = {}
        for node in walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    out.setdefault(node.module, set()).add(alias.name)
                    modules[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        for node in walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = modules.get(node.value.id)
                if module in trees:
                    out.setdefault(module, set()).add(node.attr)
    return out


def _read(tree: ast.Module) -> set[str]:
    """Return the names that a module reads itself."""
    return {
        node.id
        for node in walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    } | {name for node in walk(tree) if isinstance(node, ast.Global) for name in node.names}


def _bound(tree: ast.Module) -> set[str]:
    """Return the names that a module binds at its top, by assignment or import."""
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return imported | {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


class _Sweeper(ast.NodeTransformer):
    """Drop assignments of plain values, and imports, whose name is not in `used`."""

    def __init__(self, trees: Trees, used: set[str]) -> None:
        self._trees = trees
        self._used = used
        self._depth = 0
        self.changed = False

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        if node.module is None or node.module.partition(".")[0] == "micropython":
            return node
        ours = [
            alias
            for alias in node.names
            if node.module in self._trees or f"{node.module}.{alias.name}" in self._trees
        ]
        kept = [
            alias
            for alias in node.names
            if alias not in ours or (alias.asname or alias.name) in self._used
        ]
        if len(kept) == len(node.names):
            return node
        if not kept:
            return self._drop(node)
        node.names = kept
        self.changed = True
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            return node
        if self._depth:
            # MicroPython takes no notice of them.
            return self._drop(node) if target.id == "__slots__" else node
        if target.id == "__all__" or (_is_plain(node.value) and target.id not in self._used):
            return self._drop(node)
        return node

    def visit_Try(self, node: ast.Try) -> ast.AST | None:
        if self._depth == 0 and _is_const_fallback(node) and "const" not in self._used:
            return self._drop(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._inside(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._inside(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._inside(node)

    def _inside(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1
        return node

    def _drop(self, node: ast.stmt) -> ast.AST | None:
        self.changed = True
        if not self._depth:
            return None
        # A function may consist of nothing else.
        return ast.copy_location(ast.Pass(), node)


def _is_plain(node: ast.expr) -> bool:
    """Tell whether evaluating an expression does nothing else."""
    if is_const(node):
        return _is_plain(node.args[0])
    if isinstance(node, ast.Tuple):
        return all(_is_plain(one) for one in node.elts)
    if isinstance(node, ast.BinOp):
        return _is_plain(node.left) and _is_plain(node.right)
    return isinstance(node, ast.Constant | ast.Name)


def _is_const_fallback(node: ast.Try) -> bool:
    """Tell whether this is the import of `const` with its definition for CPython."""
    first = node.body[0]
    return isinstance(first, ast.ImportFrom) and first.module == "micropython"


def _is_empty(tree: ast.Module) -> bool:
    """Tell whether there is nothing but a docstring."""
    return all(
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in tree.body
    )
