"""Other names for the object itself, taken back: variables of a method, and what it passes on.

Where many peers have a state each, the only peer of a UE has the endpoint's own.
"""

import ast

from msgin5g_tools.shrink.calls import Function, argument, functions
from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import rebound, walk

_SELF = "self"
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def take_selves(linked: Linked, facts: Facts) -> bool:
    """Put `self` where a variable is never anything else, and in the place of a parameter that
    is always the object whose method is called; tells whether there was one."""
    changed = False
    for tree in linked.trees.values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                for one in node.body:
                    if isinstance(one, ast.FunctionDef) and is_method(one):
                        changed |= _variables(one)
    for function in functions(linked, facts):
        if function.is_method and function.calls and is_method(function.node):
            for position in range(1, len(function.node.args.args)):
                if _is_always_self(function, position):
                    changed |= _take(function.node, function.node.args.args[position].arg)
    return changed


def is_method(node: ast.AST) -> bool:
    """Tell whether something in a class is a method in which `self` is always the object."""
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.decorator_list:
        return False
    args = [one.arg for one in walk(node) if isinstance(one, ast.arg)]
    stored = {name.id for name in _names(node) if not isinstance(name.ctx, ast.Load)}
    is_first = bool(node.args.args) and node.args.args[0].arg == _SELF
    return is_first and args.count(_SELF) == 1 and _SELF not in stored | rebound(node.body)


def _variables(node: ast.FunctionDef) -> bool:
    """Do it for the variables of a method."""
    names = _names(node)
    stores = [one.id for one in names if not isinstance(one.ctx, ast.Load)]
    from_self: list[str] = []
    for one in walk(node):
        targets = one.targets if isinstance(one, ast.Assign) and _is_self(one.value) else []
        if len(targets) == 1 and isinstance(targets[0], ast.Name):
            from_self.append(targets[0].id)
    others = {one.arg for one in node.args.args} | rebound(node.body)
    changed = False
    for name in sorted(set(from_self) - others):
        if stores.count(name) == from_self.count(name):
            changed |= _take(node, name)
    return changed


def _take(node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Make `self` of a name, and drop what set it."""
    if any(isinstance(one, _SCOPES) for part in node.body for one in walk(part)):
        return False
    taker = _Taker(name)
    node.body = [taker.visit(one) for one in node.body]
    return taker.changed


def _is_always_self(function: Function, position: int) -> bool:
    """Tell whether a parameter is what the method is called of, in all calls."""
    name = function.node.args.args[position].arg
    if any(one.id == name for one in _names(function.node) if not isinstance(one.ctx, ast.Load)):
        return False
    if name in rebound(function.node.body):
        return False
    for call in function.calls:
        given = argument(call, position - 1, name)
        if not isinstance(call.func, ast.Attribute) or not _is_self(call.func.value):
            return False
        if given is None or not _is_self(given):
            return False
    return True


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == _SELF


def _names(node: ast.AST) -> list[ast.Name]:
    return [one for one in walk(node) if isinstance(one, ast.Name)]


class _Taker(ast.NodeTransformer):
    def __init__(self, name: str) -> None:
        self._name = name
        self.changed = False

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == self._name:
            self.changed = True
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self._name:
            self.changed = True
            node.id = _SELF
        return node
