"""Classes that only hold attributes: one of them does for all of a unit.

A class costs a board some 100 bytes, however little is in it.
"""

import ast
from collections import Counter
from collections.abc import Iterator

from msgin5g_tools.shrink.calls import Definition, Function, argument, functions
from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.fold import is_idle
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import own, walk

_READS = (ast.Attribute, ast.Constant, ast.Name, ast.Subscript)


def expand_records(linked: Linked, facts: Facts) -> bool:
    """Set the attributes where an object is made, if that is at one place and all there is to it;
    tells whether there was one."""
    changed = False
    unsafe = _unsafe(linked)
    for function in functions(linked, facts):
        if function.node.name != "__init__" or len(function.calls) != 1:
            continue
        if not all(one is function.node or is_idle(one) for one in function.owner):
            continue
        given = {one.arg for one in function.node.args.args[1:]}
        if _has_bases(linked, function) or not all(
            _is_plain(one, given) for one in function.node.body
        ):
            continue
        if any(_expand(block, function, unsafe) for block in _blocks(linked)):
            function.owner[:] = [ast.copy_location(ast.Pass(), function.node)]
            changed = True
    return changed


def merge_records(linked: Linked, facts: Facts) -> bool:
    """Leave one class of those in a unit that have no methods; tells whether there were more.

    Objects of two such classes must not be told apart by comparing `type(one)` with `type(other)`:
    that names no class.
    """
    changed = False
    read: Counter[str] = Counter()
    made: Counter[str] = Counter()
    for tree in linked.trees.values():
        nodes = list(walk(tree))
        called = {one.asname: one.name for one in nodes if isinstance(one, ast.alias)}
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                read[called.get(node.id, node.id)] += 1
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                made[called.get(node.func.id, node.func.id)] += 1
    for tree in linked.trees.values():
        alike = [
            node
            for node in tree.body
            if isinstance(node, ast.ClassDef)
            and not (node.bases or node.keywords or node.decorator_list)
            and all(map(is_idle, node.body))
            and read[node.name] == made[node.name]
            and facts.may_rename_global(node.name)
        ]
        for other in alike[1:]:
            tree.body.remove(other)
            for one in linked.trees.values():
                _Renamer(other.name, alike[0].name).visit(one)
            changed = True
    return changed


def _blocks(linked: Linked) -> Iterator[list[ast.stmt]]:
    for tree in linked.trees.values():
        for node in walk(tree):
            for name in ("body", "orelse", "finalbody"):
                block = getattr(node, name, None)
                if isinstance(block, list):
                    yield block


def _unsafe(linked: Linked) -> set[int]:
    """Return the ids of what may not be read a moment later: properties, and what may raise where
    the variable is still seen then: in a `try` or `with`, outside of functions, in a global."""
    nodes = [one for tree in linked.trees.values() for one in walk(tree)]
    properties = {one.name for one in nodes if isinstance(one, Definition) and one.decorator_list}
    shared = {
        name for one in nodes if isinstance(one, ast.Global | ast.Nonlocal) for name in one.names
    }
    out = {id(one) for one in nodes if isinstance(one, ast.Attribute) and one.attr in properties}
    places = [one for tree in linked.trees.values() for one in _outside(tree)]
    places += [part for one in nodes if isinstance(one, ast.Try | ast.With) for part in walk(one)]
    for one in nodes:
        target = one.targets[0] if isinstance(one, ast.Assign) else None
        if isinstance(target, ast.Name) and target.id in shared:
            places += walk(one)
    return out | {id(one) for one in places if isinstance(one, ast.Attribute | ast.Subscript)}


def _outside(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what is outside of functions."""
    for one in own(tree.body):
        yield one
        if isinstance(one, ast.ClassDef):
            yield from own(one.body)


def _expand(block: list[ast.stmt], function: Function, unsafe: set[int]) -> bool:
    """Set the attributes there if the object is made in a statement of the block."""
    call = function.calls[0]
    given = _given(function)
    for i, statement in enumerate(block):
        if not isinstance(statement, ast.Assign) or statement.value is not call or given is None:
            continue
        target = statement.targets[0]
        if len(statement.targets) > 1 or not isinstance(target, ast.Name):
            return False
        inside = [one for value in given.values() for one in walk(value)]
        if any(isinstance(one, ast.Name) and one.id == target.id for one in inside):
            return False
        if any(id(one) in unsafe for one in inside):
            return False
        after: list[ast.stmt] = []
        for one in function.node.body:
            assert isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Attribute)
            value = one.value
            if isinstance(value, ast.Name):
                value = given.get(value.id, value)
            name = ast.Name(target.id, ast.Load())
            place = ast.Attribute(name, one.targets[0].attr, ast.Store())
            after.append(ast.Assign([place], value))
        call.args, call.keywords = [], []
        block[i + 1 : i + 1] = [
            ast.fix_missing_locations(ast.copy_location(one, statement)) for one in after
        ]
        return True
    return False


def _given(function: Function) -> dict[str, ast.expr] | None:
    """Return what the call gives for each parameter, None unless that is known."""
    args = function.node.args
    given = {}
    for position, parameter in enumerate(args.args[1:]):
        default_at = position + 1 - len(args.args) + len(args.defaults)
        value = argument(function.calls[0], position, parameter.arg)
        if value is None and default_at >= 0:
            value = args.defaults[default_at]
            if not isinstance(value, ast.Constant):
                return None
        # What only reads may be read later, or never.
        if value is None or not all(isinstance(one, _READS) for one in walk(value)):
            return None
        given[parameter.arg] = value
    return given


def _is_plain(node: ast.stmt, given: set[str]) -> bool:
    """Tell whether a statement sets an attribute of `self` to a parameter or a constant."""
    if not isinstance(node, ast.Assign) or len(node.targets) > 1:
        return False
    (target,) = node.targets
    if not isinstance(target, ast.Attribute) or not isinstance(target.value, ast.Name):
        return False
    value = node.value
    is_known = isinstance(value, ast.Constant) or isinstance(value, ast.Name) and value.id in given
    return target.value.id == "self" and is_known


def _has_bases(linked: Linked, function: Function) -> bool:
    """Tell whether the class has bases, or is one."""
    for tree in linked.trees.values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and node.body is function.owner:
                is_base = any(node.name in _bases(one) for one in linked.trees.values())
                return bool(is_base or node.bases or node.keywords or node.decorator_list)
    return True


def _bases(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (base.id for base in node.bases if isinstance(base, ast.Name))


class _Renamer(ast.NodeTransformer):
    def __init__(self, name: str, new: str) -> None:
        self._name = name
        self._new = new

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id == self._name:
            node.id = self._new
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        known = {alias.name for alias in node.names}
        for alias in list(node.names):
            if alias.name != self._name:
                continue
            if alias.asname is None and self._new in known:
                node.names.remove(alias)
            else:
                alias.name = self._new
        return node
