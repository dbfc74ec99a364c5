"""Functions that are one expression, put where they are called; those that do nothing, left out.

Only where that takes less room: a function that is called at one place, or one of a few names.
"""

import ast
import copy
from collections import Counter
from collections.abc import Iterator

from msgin5g_tools.shrink.calls import Function, argument, functions
from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import Scoped, free, walk

# Expressions of at most so many parts are no longer than a call.
_SMALL = 2
_PARTS = (
    ast.Attribute,
    ast.BinOp,
    ast.BoolOp,
    ast.Call,
    ast.Compare,
    ast.Constant,
    ast.IfExp,
    ast.Name,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)
_PURE = (ast.Attribute, ast.Constant, ast.Name)


def put_expressions(linked: Linked, facts: Facts) -> bool:
    """Do it once for each function; tells whether there was one."""
    changed = False
    # What is called in an expression that was put somewhere is called at more places now.
    spread: set[str] = set()
    for function in functions(linked, facts):
        value = _value(function)
        if value is None or not function.calls or function.node.name in spread:
            continue
        putter = _Putter(function, value, facts.changing)
        if not all(map(putter.can, function.calls)) or not _may_leave(function, value, linked):
            continue
        if not _are_hidden(function, value, linked):
            putter.calls = set(map(id, function.calls))
            for tree in linked.trees.values():
                putter.visit(tree)
            spread |= set(_called(value))
            changed = True
    return changed


def drop_idle_calls(linked: Linked, facts: Facts) -> bool:
    """Leave out calls of functions that do nothing."""
    idle = {
        id(call)
        for function in functions(linked, facts)
        if all(isinstance(one, ast.Pass) for one in function.node.body)
        and function.node.name != "__init__"
        for call in function.calls
    }
    dropper = _Dropper(idle)
    for tree in linked.trees.values():
        dropper.visit(tree)
    return dropper.changed


def is_simple(node: ast.expr) -> bool:
    """Tell whether an expression reads names and attributes only."""
    return all(isinstance(one, _PURE) for one in walk(node))


def _value(function: Function) -> ast.expr | None:
    """Return the expression that a function is."""
    node = function.node
    if not isinstance(node, ast.FunctionDef) or node.name == "__init__" or len(node.body) > 1:
        return None
    (one,) = node.body
    value = one.value if isinstance(one, ast.Return) else None
    if value is None or len(function.calls) > 1 and not _is_short(value, node):
        return None
    if not all(isinstance(part, _PARTS) for part in _parts(value)):
        return None
    if any(isinstance(part, ast.Name) and part.id == "super" for part in _parts(value)):
        return None
    is_own = any(part is call for part in _parts(value) for call in function.calls)
    return None if is_own else value


def _is_short(value: ast.expr, node: ast.FunctionDef) -> bool:
    """Tell whether an expression takes no more room than a call of the function."""
    size = len(_parts(value))
    # A call that passes one more constant at most costs less than the function.
    called = 2 + len(node.args.args)
    return size <= _SMALL or isinstance(value, ast.Call) and size <= called + 1


def _called(value: ast.expr) -> Iterator[str]:
    for one in _parts(value):
        function = one.func if isinstance(one, ast.Call) else None
        if isinstance(function, ast.Name):
            yield function.id
        elif isinstance(function, ast.Attribute):
            yield function.attr


def _parts(value: ast.expr) -> list[ast.expr]:
    return [one for one in walk(value) if isinstance(one, ast.expr)]


def _may_leave(function: Function, value: ast.expr, linked: Linked) -> bool:
    """Tell whether the expression does the same where it is called: in its own unit, or anywhere
    if it reads nothing of the unit."""
    given = {one.arg for one in function.node.args.args}
    if function.is_method and all(
        one.id in given for one in _parts(value) if isinstance(one, ast.Name)
    ):
        return True
    here = set(map(id, walk(linked.trees[function.unit])))
    return all(id(call) in here for call in function.calls)


def _are_hidden(function: Function, value: ast.expr, linked: Linked) -> bool:
    """Tell whether a name of the expression means something else where it is called."""
    names = free([value], {one.arg for one in function.node.args.args})
    if not names:
        return False
    looker = _Looker(names, set(map(id, function.calls)))
    looker.visit(linked.trees[function.unit])
    return looker.are_hidden


class _Looker(Scoped):
    """Tell whether calls are where something else has one of the names."""

    def __init__(self, names: set[str], calls: set[int]) -> None:
        super().__init__()
        self.are_hidden = False
        self._names = names
        self._calls = calls

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if id(node) in self._calls and not all(map(self.is_global, self._names)):
            self.are_hidden = True
        return self.generic_visit(node)


class _Putter(ast.NodeTransformer):
    def __init__(self, function: Function, value: ast.expr, changing: set[str]) -> None:
        self.calls: set[int] = set()
        self._function = function
        self._value = value
        self._changing = changing
        parts = _parts(value)
        self._uses = Counter(one.id for one in parts if isinstance(one, ast.Name))
        # What is worked out after a call may be another then.
        self._is_calm = not any(isinstance(one, ast.Call) for one in parts if one is not value)

    def can(self, call: ast.Call) -> bool:
        """Tell whether the expression does the same there."""
        for name, given in self._given(call).items():
            if given is None or not is_simple(given):
                return False
            is_changing = isinstance(given, ast.Name) and given.id in self._changing
            if isinstance(given, ast.Name | ast.Constant) and not is_changing:
                continue
            if not self._is_calm or (self._uses[name] > 1 and len(_parts(given)) > _SMALL):
                return False
        return True

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        if id(node) not in self.calls:
            return node
        given = self._given(node)
        return ast.copy_location(_Given(given).visit(copy.deepcopy(self._value)), node)

    def _given(self, call: ast.Call) -> dict[str, ast.expr | None]:
        function = self._function
        args = function.node.args
        skipped = int(function.is_method)
        found: dict[str, ast.expr | None] = {}
        for position, parameter in enumerate(args.args):
            name = parameter.arg
            if position < skipped:
                found[name] = call.func.value if isinstance(call.func, ast.Attribute) else None
                continue
            default_at = position - len(args.args) + len(args.defaults)
            default = args.defaults[default_at] if default_at >= 0 else None
            given = argument(call, position - skipped, name)
            if given is None and isinstance(default, ast.Constant):
                given = default
            found[name] = given
        return found


class _Given(ast.NodeTransformer):
    """Put what is given in the place of parameters."""

    def __init__(self, given: dict[str, ast.expr | None]) -> None:
        self._given = given

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self._given.get(node.id)
        return node if value is None else copy.deepcopy(value)


class _Dropper(ast.NodeTransformer):
    def __init__(self, calls: set[int]) -> None:
        self._calls = calls
        self.changed = False

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        call = node.value
        if not isinstance(call, ast.Call) or id(call) not in self._calls:
            return self.generic_visit(node)
        given = [call.func, *call.args, *(one.value for one in call.keywords)]
        if not all(map(is_simple, given)):
            return self.generic_visit(node)
        self.changed = True
        return ast.copy_location(ast.Pass(), node)
