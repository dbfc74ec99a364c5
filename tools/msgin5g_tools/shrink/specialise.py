"""What the modules of one board never do: arguments and attributes that have one value only.

A parameter that every call gives the same constant, or that none gives, becomes that constant; so
does an attribute that is only ever set to one constant. What follows from that is worked out, and
what nobody reads or calls any more goes.
"""

import ast
from collections import Counter
from collections.abc import Collection

from msgin5g_tools.shrink.calls import Definition, Function, argument, functions
from msgin5g_tools.shrink.expressions import drop_idle_calls, put_expressions
from msgin5g_tools.shrink.facts import Facts, Kept
from msgin5g_tools.shrink.fold import Folder
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.merge import merge_classes
from msgin5g_tools.shrink.records import expand_records, merge_records
from msgin5g_tools.shrink.scopes import rebound, walk
from msgin5g_tools.shrink.selves import take_selves
from msgin5g_tools.shrink.unfold import unfold

_ROUNDS = 200
_STEPS = (
    take_selves,
    merge_classes,
    expand_records,
    merge_records,
    put_expressions,
    unfold,
)


def specialise(linked: Linked, kept: Kept, quiet: Collection[str] = ()) -> None:
    """Do it in the trees of the units. quiet: exceptions, and functions with exceptions, whose
    texts nobody ever sees."""
    wanted = _of_more_than_a_text(linked)
    for tree in linked.trees.values():
        _Silencer(quiet, wanted).visit(tree)
    for _ in range(_ROUNDS):
        facts = Facts(linked, kept)
        changed = _parameters(linked, facts)
        changed |= _attributes(linked, facts)
        for tree in linked.trees.values():
            folder = Folder()
            folder.visit(tree)
            changed |= folder.changed
        changed |= drop_idle_calls(linked, facts)
        changed |= _unused(linked, Facts(linked, kept) if changed else facts)
        # As long as nothing has changed, the facts hold.
        if not changed and not any(step(linked, facts) for step in _STEPS):
            return


def _parameters(linked: Linked, facts: Facts) -> bool:
    changed = False
    for function in functions(linked, facts):
        if function.calls:
            for position in reversed(range(int(function.is_method), len(function.node.args.args))):
                changed |= _parameter(function, position)
    return changed


def _parameter(function: Function, position: int) -> bool:
    """Make a constant of one parameter, or drop it if nobody reads it."""
    args = function.node.args
    name = args.args[position].arg
    at = position - int(function.is_method)
    default_at = position - len(args.args) + len(args.defaults)
    default = args.defaults[default_at] if default_at >= 0 else None
    given = [argument(call, at, name) or default for call in function.calls]
    inside = [node for one in function.node.body for node in walk(one)]
    uses = [node for node in inside if isinstance(node, ast.Name) and node.id == name]
    if any(isinstance(node, ast.arg) and node.arg == name for node in inside):
        return False
    if name in rebound(function.node.body):
        return False
    if not all(isinstance(node.ctx, ast.Load) for node in uses):
        return False
    first = given[0]
    if uses:
        if not isinstance(first, ast.Constant):
            return False
        if not all(one is not None and _same(one, first) for one in given):
            return False
        replacer = _Replacer(set(map(id, uses)), first)
        function.node.body = [replacer.visit(one) for one in function.node.body]
    elif not all(one is not None and _is_pure(one) for one in given):
        return False
    for call in function.calls:
        if at < len(call.args):
            del call.args[at]
        call.keywords = [one for one in call.keywords if one.arg != name]
    if default_at >= 0:
        del args.defaults[default_at]
    del args.args[position]
    return True


def _attributes(linked: Linked, facts: Facts) -> bool:
    """Put the values of attributes that are only set to one constant where they are read; drop
    what is set and never read."""
    read: set[str] = set()
    stores: Counter[str] = Counter()
    values: dict[str, list[ast.expr]] = {}
    for tree in linked.trees.values():
        for node in walk(tree):
            if isinstance(node, ast.Attribute):
                if isinstance(node.ctx, ast.Load):
                    read.add(node.attr)
                else:
                    stores[node.attr] += 1
            elif isinstance(node, ast.Assign) and (target := _target(node)) is not None:
                values.setdefault(target.attr, []).append(node.value)
    plain = {
        name
        for name, given in values.items()
        if stores[name] == len(given)
        and facts.may_rename_attribute(name)
        and name not in facts.class_names
    }
    constant: dict[str, ast.Constant] = {}
    for name in plain & read:
        first, *others = values[name]
        if isinstance(first, ast.Constant) and all(_same(one, first) for one in others):
            constant[name] = first
    changed = False
    for tree in linked.trees.values():
        putter = _Putter(constant, plain - read)
        putter.visit(tree)
        changed |= putter.changed
    return changed


class _Putter(ast.NodeTransformer):
    """Put values in the place of attributes; drop what sets those in `unread`."""

    def __init__(self, values: dict[str, ast.Constant], unread: set[str]) -> None:
        self._values = values
        self._unread = unread
        self.changed = False

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        value = self._values.get(node.attr)
        if value is None or not isinstance(node.ctx, ast.Load) or not _is_pure(node.value):
            return node
        self.changed = True
        return ast.copy_location(ast.Constant(value.value), node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        target = _target(node)
        if target is not None and target.attr in self._unread and _is_pure(target.value):
            self.changed = True
            if _is_pure(node.value):
                return ast.copy_location(ast.Pass(), node)
            return ast.copy_location(ast.Expr(self.visit(node.value)), node)
        return self.generic_visit(node)


def _unused(linked: Linked, facts: Facts) -> bool:
    """Drop functions, methods, classes and imports that nobody names."""
    named: set[str] = set()
    for tree in linked.trees.values():
        for node in walk(tree):
            if isinstance(node, ast.Name):
                named.add(node.id)
            elif isinstance(node, ast.Attribute):
                named.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
            elif isinstance(node, ast.ImportFrom):
                # Those at the top of a unit are there for what is in it.
                named |= {alias.name for alias in node.names if alias.asname}
    changed = False
    for unit, tree in linked.trees.items():
        body: list[ast.stmt] = []
        for one in tree.body:
            if isinstance(one, ast.ImportFrom) and one.module in linked.trees:
                # Its own mention here is one.
                read = facts.globals[unit]
                names = [
                    alias
                    for alias in one.names
                    if read[alias.name] > 1
                    or facts.is_kept(alias.name)
                    or alias.name not in facts.defined
                ]
                changed |= len(names) < len(one.names)
                one.names = names
                if not names:
                    continue
            elif _is_unnamed(one, named) and facts.may_rename_global(getattr(one, "name", "")):
                changed = True
                continue
            if isinstance(one, ast.ClassDef):
                parts = [part for part in one.body if not _is_idle_method(part, named, facts)]
                changed |= len(parts) < len(one.body)
                one.body = parts or [ast.copy_location(ast.Pass(), one)]
            body.append(one)
        tree.body = body
    return changed


def _is_idle_method(node: ast.stmt, named: set[str], facts: Facts) -> bool:
    if not isinstance(node, Definition) or node.decorator_list or node.name in named:
        return False
    return facts.may_rename_attribute(node.name)


def _is_unnamed(node: ast.stmt, named: set[str]) -> bool:
    if isinstance(node, Definition | ast.ClassDef):
        return node.name not in named and not node.decorator_list
    return False


def _of_more_than_a_text(linked: Linked) -> set[str]:
    """Return what an exception cannot be raised as without arguments: our functions, and classes
    with a constructor."""
    out: set[str] = set()
    for _ in range(len(linked.trees) + 1):
        for node in (one for tree in linked.trees.values() for one in tree.body):
            if isinstance(node, Definition):
                out.add(node.name)
            elif isinstance(node, ast.ClassDef):
                is_base = any(isinstance(base, ast.Name) and base.id in out for base in node.bases)
                if is_base or any(getattr(one, "name", "") == "__init__" for one in node.body):
                    out.add(node.name)
    return out


class _Silencer(ast.NodeTransformer):
    """Raise some exceptions without a text, and all that some functions raise."""

    def __init__(self, quiet: Collection[str], wanted: set[str]) -> None:
        self._quiet = quiet
        self._wanted = wanted
        self._is_quiet = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self._is_quiet = node.name in self._quiet
        self.generic_visit(node)
        self._is_quiet = False
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        made = node.exc.func if isinstance(node.exc, ast.Call) else None
        if isinstance(made, ast.Name) and (self._is_quiet or made.id in self._quiet):
            node.exc = node.exc if made.id in self._wanted else made
        return node


class _Replacer(ast.NodeTransformer):
    """Put a constant in the place of some names, given by the ids of their nodes."""

    def __init__(self, uses: set[int], value: ast.Constant) -> None:
        self._uses = uses
        self._value = value

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if id(node) in self._uses:
            return ast.copy_location(ast.Constant(self._value.value), node)
        return node


def _target(node: ast.stmt) -> ast.Attribute | None:
    """Return the attribute that a statement sets, if it does nothing else."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        return target if isinstance(target, ast.Attribute) else None
    return None


def _is_pure(node: ast.expr) -> bool:
    """Tell whether evaluating an expression does nothing else."""
    if isinstance(node, ast.Attribute):
        return _is_pure(node.value)
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(_is_pure, node.elts))
    if isinstance(node, ast.Dict):
        return not node.keys
    return isinstance(node, ast.Constant | ast.Name)


def _same(one: ast.expr, other: ast.Constant) -> bool:
    if not isinstance(one, ast.Constant):
        return False
    return type(one.value) is type(other.value) and one.value == other.value
