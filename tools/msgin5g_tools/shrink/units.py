"""Which modules are always loaded together: these can be one file on a board."""

import ast
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from msgin5g_tools.shrink.scopes import bound, own, walk

Key = tuple[str, str]


@dataclass
class Module:
    """What one module binds at its top. names: local name -> (module, name) that it imports from
    our modules; modules: local name -> module of ours; foreign: what it imports from elsewhere;
    own: the rest; loads: our modules that it imports, in order; later: those that functions
    import."""

    tree: ast.Module
    names: dict[str, Key] = field(default_factory=dict)
    modules: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    loads: list[str] = field(default_factory=list)
    later: set[str] = field(default_factory=set)
    opaque: set[str] = field(default_factory=set)


def examine(trees: Mapping[str, ast.Module]) -> dict[str, Module]:
    """Return what each module binds."""
    out = {}
    for name, tree in trees.items():
        module = out[name] = Module(tree)
        at_top = list(own(tree.body))
        for node in at_top:
            _note_import(node, module, trees)
        imported = {*module.names, *module.modules, *module.foreign}
        module.own = bound(tree.body) - imported
        module.own |= {
            node.id
            for node in at_top
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        }
        known = set(map(id, at_top))
        module.opaque = set(_opaque(tree, module))
        for node in walk(tree):
            if id(node) not in known and isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    if f"{node.module}.{alias.name}" in trees:
                        module.opaque.add(f"{node.module}.{alias.name}")
                if node.module in trees:
                    module.later.add(str(node.module))
            elif isinstance(node, ast.Import):
                module.opaque |= {alias.name for alias in node.names if alias.name in trees}
            elif isinstance(node, ast.Constant) and node.value in trees:
                module.later.add(str(node.value))
    return out


def units(modules: Mapping[str, Module], roots: Collection[str]) -> dict[str, list[str]]:
    """Return the name of each unit -> its modules, in the order in which they are loaded.

    roots: modules that something else may import first. Two modules are of one unit if every
    root that loads one of them loads the other, too.
    """
    known = set(modules)
    roots = {*roots, *(name.rpartition(".")[0] for name in known)}
    for module in modules.values():
        roots |= module.later | module.opaque
    loaded = {one for module in modules.values() for one in module.loads}
    roots = (roots | (known - loaded)) & known
    seen: dict[str, set[str]] = {name: set() for name in modules}
    order: list[str] = []
    for root in sorted(roots):
        for name in _reached(root, modules, []):
            seen[name].add(root)
            if name not in order:
                order.append(name)
    groups: dict[frozenset[str], list[str]] = {}
    for name in order:
        groups.setdefault(frozenset(seen[name]), []).append(name)
    out = {}
    for group in groups.values():
        named = [name for name in group if name in roots]
        out[named[0] if named else group[-1]] = group
    return out


def _reached(name: str, modules: Mapping[str, Module], found: list[str]) -> list[str]:
    """Return the modules that are loaded with one, those that it needs first."""
    for one in modules[name].loads:
        if one not in found and one != name:
            _reached(one, modules, found)
    if name not in found:
        found.append(name)
    return found


def _note_import(node: ast.AST, module: Module, known: Collection[str]) -> None:
    if isinstance(node, ast.Import):
        module.foreign |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
        for alias in node.names:
            local = alias.asname or alias.name
            whole = f"{node.module}.{alias.name}"
            if whole in known:
                module.modules[local] = whole
                module.loads.append(whole)
            elif node.module in known:
                module.names[local] = (node.module, alias.name)
                module.loads.append(node.module)
            else:
                module.foreign.add(local)


def _opaque(tree: ast.Module, module: Module) -> Iterator[str]:
    """Yield the modules of ours that are read as a whole."""
    read = {
        id(node.value)
        for node in walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    for node in walk(tree):
        if isinstance(node, ast.Name) and node.id in module.modules and id(node) not in read:
            yield module.modules[node.id]
