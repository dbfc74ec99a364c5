"""Short names for what only the modules of a board name themselves.

A name is an attribute (of objects and classes), a module's own, or a parameter: three kinds that
never meet. Attributes that no object can have both, and names of units that do not know each
other, may get the same short name. What is somewhere a text, in MicroPython's library or kept for
applications has its name for good.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from msgin5g_tools.shrink.facts import ANY, Facts
from msgin5g_tools.shrink.pool import short_names
from msgin5g_tools.shrink.scopes import Scoped, arguments, rebound, walk

# Of an exception these mean something.
_OF_EXCEPTIONS = frozenset((*dir(OSError), "value"))


@dataclass
class Names:
    """What short names stand for. functions: unit -> short name -> the functions, methods and
    classes that may be meant; attributes: short name -> attributes."""

    functions: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    attributes: dict[str, list[str]] = field(default_factory=dict)


def rename(facts: Facts) -> Names:
    """Rename in the trees of `facts`; returns what stands for what."""
    attributes = _attributes(facts)
    globals_ = _globals(facts, set(attributes.values()))
    keywords = _keywords(facts, set(globals_.values()))
    names = Names()
    for old, new in sorted(attributes.items()):
        names.attributes.setdefault(new, []).append(old)
    for unit, tree in facts.linked.trees.items():
        renamer = _Renamer(facts, attributes, globals_, keywords)
        renamer.visit(tree)
        names.functions[unit] = renamer.told
    return names


def _attributes(facts: Facts) -> dict[str, str]:
    wanted = [name for name in facts.owners if facts.may_rename_attribute(name)]
    wanted.sort(key=lambda name: (-facts.attributes[name], name))
    taken = (set(facts.attributes) - set(wanted)) | facts.in_classes | _OF_EXCEPTIONS
    users: dict[str, set[str]] = {}
    out = {}
    for name in wanted:
        family = facts.family(name)
        for short in short_names():
            others = users.get(short, set())
            if short in taken or (others and ANY in others | family) or others & family:
                continue
            users.setdefault(short, set()).update(family)
            out[name] = short
            break
    return out


def _globals(facts: Facts, attributes: set[str]) -> dict[str, str]:
    wanted = [name for name in facts.defined if facts.may_rename_global(name)]
    wanted.sort(key=lambda name: (-sum(one[name] for one in facts.globals.values()), name))
    taken = {
        unit: facts.plain[unit] | set(facts.globals[unit]) - set(wanted) for unit in facts.plain
    }
    out = {}
    for name in wanted:
        users = [unit for unit, read in facts.globals.items() if name in read]
        hidden = attributes if name in facts.in_classes else ()
        short = next(
            one
            for one in short_names()
            if one not in hidden and not any(one in taken[unit] for unit in users)
        )
        for unit in users:
            taken[unit].add(short)
        out[name] = short
    return out


def _keywords(facts: Facts, globals_: set[str]) -> dict[str, str]:
    plain = {name for names in facts.plain.values() for name in names}
    plain |= {name for names in facts.globals.values() for name in names} | globals_
    free = (one for one in short_names() if one not in plain)
    wanted = [name for name in facts.keywords if facts.may_rename_keyword(name)]
    wanted.sort(key=lambda name: (-facts.keywords[name], name))
    return dict(zip(wanted, free, strict=False))


class _Renamer(Scoped):
    """Put the short names into one unit. told: those of functions and classes -> their names."""

    def __init__(
        self,
        facts: Facts,
        attributes: dict[str, str],
        globals_: dict[str, str],
        keywords: dict[str, str],
    ) -> None:
        super().__init__()
        self.told: dict[str, list[str]] = {}
        self._facts = facts
        self._attributes = attributes
        self._globals = globals_
        self._keywords = keywords
        self._class = ""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self.is_of_class(node.id):
            node.id = self._attributes.get(node.id, node.id)
        elif self.is_global(node.id):
            node.id = self._globals.get(node.id, node.id)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._attributes.get(node.attr, node.attr)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg:
            node.arg = self._keywords.get(node.arg, node.arg)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._globals.get(name, name) for name in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module in self._facts.linked.trees:
            for alias in node.names:
                old, alias.name = alias.name, self._globals.get(alias.name, alias.name)
                if not self.at_top and alias.asname is None:
                    alias.asname = old
                if alias.asname == alias.name:
                    alias.asname = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._defined(node.name)
        super().visit_FunctionDef(node)
        self._parameters(node)
        return node

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._defined(node.name)
        super().visit_AsyncFunctionDef(node)
        self._parameters(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._class = self._facts.linked.origins.get(node.name, node.name)
        node.name = self._defined(node.name)
        return super().visit_ClassDef(node)

    def _defined(self, name: str) -> str:
        """Return the new name of what is defined at this place."""
        short = name
        if self.at_top:
            short = self._globals.get(name, name)
        elif self.at_class:
            short = self._attributes.get(name, name)
        if short != name:
            told = self.told.setdefault(short, [])
            whole = self._facts.linked.origins.get(name, name)
            if self.at_class:
                whole = f"{self._class}.{name}"
            if whole not in told:
                told.append(whole)
        return short

    def _parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Rename the parameters of a function whose names are otherwise done."""
        if id(node) in self._facts.kept_functions:
            return
        new = {}
        used = set(_names(node))
        free = (one for one in short_names() if one not in used)
        hidden = {name for part in _inner(node) for name in part} | rebound(node.body)
        for arg in arguments(node):
            if arg.arg in self._keywords:
                new[arg.arg] = self._keywords[arg.arg]
            elif self._facts.may_rename_parameter(arg.arg) and arg.arg not in hidden | {"self"}:
                new[arg.arg] = next(free)
            arg.arg = new.get(arg.arg, arg.arg)
        for statement in node.body:
            for one in walk(statement):
                if isinstance(one, ast.Name):
                    one.id = new.get(one.id, one.id)
                elif isinstance(one, ast.arg):
                    one.arg = new.get(one.arg, one.arg)
                elif isinstance(one, ast.ExceptHandler) and one.name:
                    one.name = new.get(one.name, one.name)


def _names(tree: ast.AST) -> Iterator[str]:
    for node in walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name


def _inner(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Iterable[str]]:
    """Yield the names that scopes within a function bind."""
    for one in walk(node):
        if one is not node and isinstance(
            one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            yield [arg.arg for arg in arguments(one)]
        elif isinstance(one, ast.comprehension):
            yield [name.id for name in walk(one.target) if isinstance(name, ast.Name)]
