"""Modules that are always loaded together become one, and a name means one thing everywhere."""

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from msgin5g_tools.shrink.scopes import Scoped, own, walk
from msgin5g_tools.shrink.units import Key, Module, units


@dataclass(frozen=True)
class Linked:
    """The units. members: unit -> its modules; origins: name -> "module.name" of what has another
    name than in its source, as two modules had one of that name."""

    trees: dict[str, ast.Module]
    members: dict[str, list[str]]
    origins: dict[str, str]


def link(modules: Mapping[str, Module], keep: Collection[str]) -> Linked:
    """Return the units of modules; their trees are used up.

    keep: modules that others import, under their names and with the names they have. Each other
    function, class and variable of a module gets a name that no other module has, and is read by
    that name from the unit that makes it.
    """
    members = units(modules, keep)
    names = _Names(modules, keep)
    out = {}
    for unit, group in members.items():
        body: list[ast.stmt] = []
        linker = _Linker(names, members, unit)
        for name in group:
            body += linker.link(name)
            if name in keep:
                linker.reexport(name)
        imports = [
            ast.ImportFrom(one, [ast.alias(name) for name in sorted(linker.needed[one])], 0)
            for one in sorted(linker.needed, key=list(members).index)
        ]
        tree = ast.Module([*imports, *body], [])
        out[unit] = ast.fix_missing_locations(tree)
    return Linked(out, members, names.origins)


class _Names:
    """Where a name of a module is made, and what it is called in all units."""

    def __init__(self, modules: Mapping[str, Module], keep: Collection[str]) -> None:
        self.modules = modules
        self.origins: dict[str, str] = {}
        self._called: dict[Key, str] = {}
        taken = {name for module in modules.values() for name in module.foreign}
        # What functions bind would hide it.
        taken |= {name for module in modules.values() for name in _bound_inside(module.tree)}
        taken |= {name for one in keep if one in modules for name in modules[one].own}
        self._kept = keep
        for module in modules:
            for name in sorted(modules[module].own):
                text = name
                if module not in keep:
                    number = 1
                    while text in taken:
                        number += 1
                        text = f"{name}_{number}"
                    taken.add(text)
                if text != name:
                    self.origins[text] = f"{module}.{name}"
                self._called[(module, name)] = text

    def origin(self, module: str, name: str) -> Key | None:
        """Return where a name that is read in a module is made; None: not in our modules."""
        for _ in range(10):
            if name in self.modules[module].own:
                return module, name
            if name not in self.modules[module].names:
                return None
            module, name = self.modules[module].names[name]
        return None

    def called(self, key: Key) -> str:
        """Return what it is called."""
        return self._called[key]

    def is_kept(self, key: Key) -> bool:
        """Tell whether others know it by its name."""
        return key[0] in self._kept


class _Linker(Scoped):
    """Change what modules of one unit read of others. needed: unit -> names imported from it."""

    def __init__(self, names: _Names, members: Mapping[str, list[str]], unit: str) -> None:
        super().__init__()
        self.needed: dict[str, set[str]] = {}
        self._names = names
        self._unit = unit
        self._unit_of = {one: name for name, group in members.items() for one in group}
        self._module = ""

    def link(self, module: str) -> list[ast.stmt]:
        """Return the statements of a module as they are in the unit."""
        self._module = module
        tree = self._names.modules[module].tree
        out = self._all(tree.body)
        return [one for one in out if not isinstance(one, ast.Pass) and not _is_docstring(one)]

    def reexport(self, module: str) -> None:
        """Keep what a module has imported for others."""
        for local in self._names.modules[module].names:
            key = self._names.origin(module, local)
            if key and self._names.is_kept(key) and key[1] == local:
                self._need(key)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self.is_global(node.id):
            key = self._names.origin(self._module, node.id)
            if key is not None:
                node.id = self._need(key)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        value = node.value
        modules = self._names.modules[self._module].modules
        if isinstance(value, ast.Name) and value.id in modules and self.is_global(value.id):
            key = self._names.origin(modules[value.id], node.attr)
            if key is not None and not self._is_whole(modules[value.id]):
                called = self._need(key)
                assert self.is_global(called), f"{node.attr} of {value.id} is hidden here"
                return ast.copy_location(ast.Name(called, node.ctx), node)
            return node
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        if node.name and self.is_global(node.name):
            key = self._names.origin(self._module, node.name)
            node.name = node.name if key is None else self._names.called(key)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        keys = [(name, self._names.origin(self._module, name)) for name in node.names]
        node.names = [self._names.called(key) if key else name for name, key in keys]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._defined(node.name)
        return super().visit_FunctionDef(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        node.name = self._defined(node.name)
        return super().visit_AsyncFunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._defined(node.name)
        return super().visit_ClassDef(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | list[ast.stmt]:
        out: list[ast.stmt] = []
        theirs = []
        for alias in node.names:
            if f"{node.module}.{alias.name}" in self._names.modules:
                if self._is_whole(f"{node.module}.{alias.name}"):
                    theirs.append(alias)
            elif node.module not in self._names.modules:
                theirs.append(alias)
            elif not self.at_top:
                out.append(self._local(node, alias))
        if theirs:
            node.names = theirs
            out.append(node)
        return out or ast.copy_location(ast.Pass(), node)

    def _local(self, node: ast.ImportFrom, alias: ast.alias) -> ast.stmt:
        """Return what binds a name of another module within a function."""
        key = self._names.origin(str(node.module), alias.name)
        assert key is not None, f"{node.module}.{alias.name} is not there"
        local, called = alias.asname or alias.name, self._names.called(key)
        unit = self._unit_of[key[0]]
        if unit == self._unit:
            target = ast.Name(local, ast.Store())
            made: ast.stmt = ast.Assign([target], ast.Name(called, ast.Load()))
        else:
            made = ast.ImportFrom(unit, [ast.alias(called, local if local != called else None)], 0)
        return ast.fix_missing_locations(ast.copy_location(made, node))

    def _defined(self, name: str) -> str:
        key = self._names.origin(self._module, name) if self.at_top else None
        return name if key is None else self._names.called(key)

    def _need(self, key: Key) -> str:
        unit, called = self._unit_of[key[0]], self._names.called(key)
        if unit != self._unit:
            self.needed.setdefault(unit, set()).add(called)
        return called

    def _is_whole(self, module: str) -> bool:
        return any(module in one.opaque for one in self._names.modules.values())


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _bound_inside(tree: ast.Module) -> Iterator[str]:
    """Yield the names that functions, classes and comprehensions bind for themselves."""
    at_top = set(map(id, own(tree.body)))
    for node in walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and id(node) not in at_top:
            if not isinstance(node.ctx, ast.Load):
                yield node.id
        elif isinstance(node, ast.ExceptHandler) and node.name:
            yield node.name
        elif isinstance(node, ast.alias) and id(node) not in at_top:
            yield node.asname or node.name
