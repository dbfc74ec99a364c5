"""Functions of which every call is known: who calls what."""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import bound, own, walk

Definition = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Function:
    """A function, method or constructor that is only ever called. owner: the list of statements
    that it is in; is_method: its first parameter is the object."""

    node: Definition
    owner: list[ast.stmt]
    unit: str
    is_method: bool
    calls: list[ast.Call] = field(default_factory=list)


def functions(linked: Linked, facts: Facts) -> list[Function]:
    """Return those of which every call is known: nobody else knows their names, no two have the
    same one, and nothing is done with it but to call it."""
    found: dict[str, list[Function]] = {}
    classes: dict[str, ast.ClassDef] = {}
    for unit, tree in linked.trees.items():
        for node in tree.body:
            if isinstance(node, Definition):
                found.setdefault(node.name, []).append(Function(node, tree.body, unit, False))
            elif isinstance(node, ast.ClassDef):
                classes[node.name] = node
                for one in node.body:
                    if isinstance(one, Definition):
                        name = one.name if one.name != "__init__" else f"{node.name}()"
                        made = Function(one, node.body, unit, True)
                        found.setdefault(name, []).append(made)
    calls = _Calls(classes)
    for tree in linked.trees.values():
        calls.escaped |= set(_bound_otherwise(tree))
    for tree in linked.trees.values():
        calls.visit(tree)
    out = []
    for name, named in found.items():
        if len(named) > 1 or not _is_plain(named[0].node) or name.rstrip("()") in calls.escaped:
            continue
        function = named[0]
        if id(function.node) in facts.kept_functions or name.startswith("__"):
            continue
        if function.is_method and not name.endswith("()"):
            is_known = facts.may_rename_attribute(name) and name not in calls.stored
        else:
            is_known = facts.may_rename_global(name.rstrip("()"))
        if is_known:
            function.calls = calls.of.get(name, [])
            out.append(function)
    return out


def argument(call: ast.Call, at: int, name: str) -> ast.expr | None:
    """Return what a call gives for a parameter, by place or by name."""
    if at < len(call.args):
        return call.args[at]
    return next((one.value for one in call.keywords if one.arg == name), None)


def _bound_otherwise(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module or a class may bind to more than a definition of its own."""
    scopes: list[list[ast.stmt]] = [tree.body]
    for node in walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names
        elif isinstance(node, ast.ClassDef):
            if node in tree.body:
                scopes.append(node.body)
            else:
                yield from bound(node.body)
    for body in scopes:
        plain = {id(one) for one in body}
        for one in own(body):
            if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Load):
                yield one.id
            elif isinstance(one, Definition | ast.ClassDef) and id(one) not in plain:
                yield one.name


def _is_plain(node: Definition) -> bool:
    args = node.args
    more = (args.vararg, args.kwarg, args.kwonlyargs, args.posonlyargs, node.decorator_list)
    return not any(more)


class _Calls(ast.NodeVisitor):
    """of: function, method or "Class()" -> its calls; escaped: what is more than called, such as
    handed on; stored: attributes that are set."""

    def __init__(self, classes: dict[str, ast.ClassDef]) -> None:
        self.of: dict[str, list[ast.Call]] = {}
        self.escaped: set[str] = set()
        self.stored: set[str] = set()
        self._classes = classes
        self._class = ""
        self._aliases: dict[str, str] = {}

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._class = node.name
        for one in node.body:
            self.visit(one)
        self._class = ""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = ""
        if isinstance(function, ast.Name):
            name = self._aliases.get(function.id, function.id)
            if name in self._classes:
                name = self._constructor(name)
        elif isinstance(function, ast.Attribute):
            name = function.attr
            if name == "__init__":
                bases = self._classes[self._class].bases if self._class else []
                base = bases[0].id if len(bases) == 1 and isinstance(bases[0], ast.Name) else ""
                name = self._constructor(base) if base in self._classes else ""
            if isinstance(function.value, ast.Name) and self._is_class(function.value):
                # The object is one more argument.
                self.escaped |= {function.attr, name.rstrip("()")}
            if function.attr == "__class__":
                self.escaped |= set(self._classes)
            self.visit(function.value)
        else:
            if isinstance(function, ast.Call) and ast.unparse(function.func) == "type":
                self.escaped |= set(self._classes)
            self.visit(function)
        is_spread = any(isinstance(one, ast.Starred) for one in node.args)
        if is_spread or any(one.arg is None for one in node.keywords):
            self.escaped.add(name.rstrip("()"))
        if name:
            self.of.setdefault(name, []).append(node)
        self._each([*node.args, *(one.value for one in node.keywords)])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.ctx, ast.Load):
            self.escaped.add(node.attr)
        else:
            self.stored.add(node.attr)
        self.visit(node.value)

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.escaped.add(self._aliases.get(node.id, node.id))

    def visit_Compare(self, node: ast.Compare) -> None:
        # `x.__class__ is C` makes nothing.
        parts = [node.left, *node.comparators]
        self._each(
            one for one in parts if not (isinstance(one, ast.Name) and one.id in self._classes)
        )

    def _is_class(self, node: ast.Name) -> bool:
        return self._aliases.get(node.id, node.id) in self._classes

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)

    def _function(self, node: Definition) -> None:
        aliases: dict[str, str] = {}
        for one in walk(node):
            if isinstance(one, ast.ImportFrom):
                for alias in one.names:
                    local = alias.asname or alias.name
                    if local in aliases:
                        self.escaped |= {alias.name, aliases[local]}
                    aliases[local] = alias.name
        outer, self._aliases = self._aliases, aliases
        self.generic_visit(node)
        self._aliases = outer

    def _constructor(self, name: str) -> str:
        """Return the "Class()" whose __init__ a call of a class runs."""
        todo = [name]
        for one in todo:
            node = self._classes[one]
            if any(isinstance(part, Definition) and part.name == "__init__" for part in node.body):
                return f"{one}()"
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            todo[:] += [base for base in bases if base in self._classes and base not in todo]
        return f"{name}()"
