"""Functions that are called at one place only, put there.

A function costs a board an object, a name and an entry in a dict, whatever it does.
"""

import ast
from collections.abc import Callable, Iterator

from msgin5g_tools.shrink.calls import Definition, Function, argument, functions
from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import bound, free, rebound, walk

_RESULT = "result"
_YIELDS = (ast.Yield, ast.YieldFrom)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def unfold(linked: Linked, facts: Facts) -> bool:
    """Do it once for each function where that changes nothing; tells whether there was one."""
    changed = False
    for function in functions(linked, facts):
        if len(function.calls) == 1 and _can_move(function.node):
            for caller in _definitions(linked.trees[function.unit]):
                if caller is not function.node and _Place(function, caller, facts.changing).take():
                    function.owner.remove(function.node)
                    if not function.owner:
                        function.owner.append(ast.Pass())
                    changed = True
                    break
    return changed


def _can_move(node: Definition) -> bool:
    inside = [one for statement in node.body for one in walk(statement)]
    if any(isinstance(one, (*_SCOPES, *_YIELDS, ast.Global, ast.Nonlocal)) for one in inside):
        return False
    if any(isinstance(one, ast.Name) and one.id == "super" for one in inside):
        return False
    return node.name != "__init__"


def _definitions(tree: ast.Module) -> Iterator[Definition]:
    for node in tree.body:
        if isinstance(node, Definition):
            yield node
        elif isinstance(node, ast.ClassDef):
            yield from (one for one in node.body if isinstance(one, Definition))


class _Place:
    """Where a function is called, if that is in `caller`."""

    def __init__(self, function: Function, caller: Definition, changing: set[str]) -> None:
        self._function = function
        self._node = function.node
        self._call = function.calls[0]
        self._caller = caller
        self._changing = changing
        self._fresh: dict[str, str] = {}

    def take(self) -> bool:
        """Put the function there; tells whether that could be done."""
        return self._in_block(self._caller.body, True)

    def _in_block(self, body: list[ast.stmt], is_end: bool) -> bool:
        """is_end: nothing of the caller runs after this block."""
        for i, statement in enumerate(body):
            is_last = is_end and i == len(body) - 1
            new = self._instead(statement, is_last)
            if new is not None:
                body[i : i + 1] = new
                return True
            goes_on = is_last and isinstance(statement, ast.If)
            for name in ("body", "orelse", "finalbody"):
                part = getattr(statement, name, None)
                if isinstance(part, list) and part and self._in_block(part, goes_on):
                    return True
            for handler in getattr(statement, "handlers", ()):
                if self._in_block(handler.body, False):
                    return True
        return False

    def _instead(self, statement: ast.stmt, is_last: bool) -> list[ast.stmt] | None:
        """Return what to put in the place of a statement, None if it is not the one, or stays."""
        test = statement.test if isinstance(statement, ast.If) else None
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            test = test.operand
        value = getattr(statement, "value", test)
        if isinstance(self._node, ast.AsyncFunctionDef):
            value = value.value if isinstance(value, ast.Await) else None
        if value is not self._call:
            return None
        body: list[ast.stmt] | None
        tail: list[ast.stmt] = []
        name = ""
        if isinstance(statement, ast.Return):
            body = self._node.body
            tail = [] if isinstance(body[-1], ast.Return | ast.Raise) else [ast.Return(None)]
        elif isinstance(statement, ast.Expr):
            body = _straight(self._node.body, _dropped)
        elif isinstance(statement, ast.Assign | ast.If):
            name, tail = _RESULT, [statement]
            body = _straight(self._node.body, _given)
        else:
            return None
        given = self._arguments()
        if body is None or given is None or self._is_hidden(given):
            return None
        self._node.body = body
        is_left = isinstance(statement, ast.Return) or (is_last and not name)
        before = self._bind(given, is_left and not self._goes_on())
        if name:
            result = ast.Name(self._fresh[name], ast.Load())
            _Swap(self._call, result).visit(statement)
        new = [*before, *self._node.body, *tail] or [ast.Pass()]
        return [ast.fix_missing_locations(ast.copy_location(one, statement)) for one in new]

    def _arguments(self) -> dict[str, ast.expr] | None:
        """Return what the call gives for each parameter, None where that is worked out before."""
        args = self._node.args
        skipped = int(self._function.is_method)
        given: dict[str, ast.expr] = {}
        for position, parameter in enumerate(args.args):
            value: ast.expr | None
            if position < skipped:
                assert isinstance(self._call.func, ast.Attribute)
                value = self._call.func.value
            else:
                value = argument(self._call, position - skipped, parameter.arg)
            if value is None:
                value = args.defaults[position - len(args.args) + len(args.defaults)]
                if not isinstance(value, ast.Constant):
                    return None
            given[parameter.arg] = value
        return given

    def _is_hidden(self, given: dict[str, ast.expr]) -> bool:
        """Tell whether a name means something else there: one of the function in the caller, or
        one that is given in a comprehension of the function."""
        own = bound(self._node.body) | set(given)
        inner = {name for one in self._node.body for name in _of_comprehensions(one)}
        taken = {*_bound_in(self._caller)}
        if free(self._node.body, own | inner) & taken:
            return True
        return any(name in inner for value in given.values() for name in _names(value))

    def _goes_on(self) -> bool:
        """Tell whether the caller's variables may be read when its last statement has begun."""
        later = (ast.Try, *_SCOPES, ast.GeneratorExp)
        return any(isinstance(one, later) for part in self._caller.body for one in walk(part))

    def _bind(self, given: dict[str, ast.expr], is_end: bool) -> list[ast.stmt]:
        """Make the function's parameters and variables the caller's; returns the statements that
        give parameters their values. is_end: the caller's variables are of no use any more."""
        stored = bound(self._node.body)
        taken = set(_names(self._caller))
        if is_end:
            taken -= set(_bound_in(self._caller))
        taken |= {name for value in given.values() for name in _names(value)}
        new: dict[str, ast.expr] = {}
        before: list[ast.stmt] = []
        fresh = self._fresh
        for name in sorted(stored | set(given)):
            value = given.get(name)
            is_simple = isinstance(value, ast.Constant) or (
                isinstance(value, ast.Name) and value.id not in self._changing
            )
            if value is not None and is_simple and name not in stored:
                new[name] = value
                continue
            called, number = name, 1
            while called in taken or called in fresh.values():
                number += 1
                called = f"{name}_{number}"
            fresh[name] = called
        for name, value in given.items():
            if name in fresh:
                before.append(ast.Assign([ast.Name(fresh[name], ast.Store())], value))
        renamer = _Renamer(new, fresh)
        self._node.body = [renamer.visit(one) for one in self._node.body]
        return before


def _straight(
    body: list[ast.stmt], give: Callable[[ast.expr | None], list[ast.stmt]]
) -> list[ast.stmt] | None:
    """Return a function's statements as they are without `return`, which becomes what `give`
    says; None where one stands in a loop or a `try`."""
    out: list[ast.stmt] = []
    for i, one in enumerate(body):
        rest = body[i + 1 :]
        if isinstance(one, ast.Return):
            return [*out, *give(one.value)]
        if isinstance(one, ast.Raise):
            return [*out, one]
        if not any(isinstance(part, ast.Return) for part in walk(one)):
            out.append(one)
            continue
        if not isinstance(one, ast.If):
            return None
        if rest and not (_ends(one.body) or _ends(one.orelse)):
            return None
        yes = _straight(one.body + ([] if _ends(one.body) else rest), give)
        no = _straight(one.orelse + ([] if _ends(one.orelse) else rest), give)
        if yes is None or no is None:
            return None
        made = ast.If(one.test, yes, no) if yes else _unless(one.test, no)
        return [*out, ast.fix_missing_locations(ast.copy_location(made, one))]
    return [*out, *give(None)]


def _unless(test: ast.expr, body: list[ast.stmt]) -> ast.stmt:
    return ast.If(ast.UnaryOp(ast.Not(), test), body or [ast.Pass()], [])


def _ends(body: list[ast.stmt]) -> bool:
    """Tell whether nothing after a block is reached from it."""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return _ends(last.body) and _ends(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)


def _dropped(value: ast.expr | None) -> list[ast.stmt]:
    return [] if value is None or isinstance(value, ast.Constant | ast.Name) else [ast.Expr(value)]


def _given(value: ast.expr | None) -> list[ast.stmt]:
    return [ast.Assign([ast.Name(_RESULT, ast.Store())], value or ast.Constant(None))]


class _Swap(ast.NodeTransformer):
    """Put a name in the place of a call, or of the `await` of one."""

    def __init__(self, call: ast.Call, result: ast.Name) -> None:
        self._call = call
        self._result = result

    def visit_Call(self, node: ast.Call) -> ast.AST:
        return self._result if node is self._call else self.generic_visit(node)

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self._result if node.value is self._call else self.generic_visit(node)


class _Renamer(ast.NodeTransformer):
    def __init__(self, new: dict[str, ast.expr], fresh: dict[str, str]) -> None:
        self._new = new
        self._fresh = fresh

    def visit_Name(self, node: ast.Name) -> ast.AST:
        value = self._new.get(node.id)
        if isinstance(value, ast.Name):
            node.id = value.id
        elif isinstance(value, ast.Constant):
            return ast.copy_location(ast.Constant(value.value), node)
        else:
            node.id = self._fresh.get(node.id, node.id)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name:
            node.name = self._fresh.get(node.name, node.name)
        return self.generic_visit(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        for alias in node.names:
            local = alias.asname or alias.name
            called = self._fresh.get(local, local)
            alias.asname = None if called == alias.name else called
        return node

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            local = alias.asname or alias.name
            called = self._fresh.get(local, local)
            alias.asname = None if called == alias.name else called
        return node


def _names(tree: ast.AST) -> Iterator[str]:
    for node in walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _bound_in(node: Definition) -> Iterator[str]:
    """Yield the names that a function binds, and what is in it."""
    yield from (one.arg for one in walk(node) if isinstance(one, ast.arg))
    yield from rebound(node.body)
    for one in walk(node):
        if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
            yield one.id


def _of_comprehensions(node: ast.AST) -> Iterator[str]:
    for one in walk(node):
        if isinstance(one, ast.comprehension):
            yield from _names(one.target)
