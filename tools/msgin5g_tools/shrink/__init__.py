"""Make modules smaller for a board: the values of constants go where they are used.

A module-level constant costs a board a name and a slot in the module's dict, and each module that
imports it another one. `shrink` puts the values of such constants into the expressions that use
them, over all modules at once, and drops what nobody needs any more: the constants, their imports,
modules that held nothing else. What is left behaves as before and stays on its line, so that a
traceback of a board shows where in the source it was.
"""

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from msgin5g_tools.shrink.constants import Constants, Scope
from msgin5g_tools.shrink.facts import Facts, find_kept
from msgin5g_tools.shrink.inline import Inliner
from msgin5g_tools.shrink.layout import plain, render
from msgin5g_tools.shrink.link import link
from msgin5g_tools.shrink.rename import Names, rename
from msgin5g_tools.shrink.specialise import specialise
from msgin5g_tools.shrink.sweep import sweep
from msgin5g_tools.shrink.units import examine


def shrink(
    sources: Mapping[str, str], keep: Collection[str] = (), prune: Collection[str] = ()
) -> dict[str, str]:
    """Return the shrunk sources by module name, without the modules that nobody needs.

    sources: module name -> Python source, of all modules that import each other; keep: modules
    whose names stay as they are, as others use them, such as an application; prune: packages
    whose functions and methods go if none of these modules names them. Nothing else may call
    these, as it may what is handed to a library.
    """
    trees = _shrunk(sources, keep, prune)
    return {name: render(tree) for name, tree in trees.items()}


@dataclass(frozen=True)
class Packed:
    """Modules as they go on a board. sources: unit -> source; members: unit -> its modules."""

    sources: dict[str, str]
    members: dict[str, list[str]]
    names: Names


def pack(
    sources: Mapping[str, str],
    keep: Collection[str] = (),
    prune: Collection[str] = (),
    public: Collection[str] = (),
    quiet: Collection[str] = (),
) -> Packed:
    """Shrink modules, join those that are always loaded together, leave out what these never do,
    and give short names.

    sources, keep, prune: as for `shrink`; public: what applications use beyond `keep`: modules,
    which can be imported and have their public names, and "module.Class", whose attributes and
    methods have theirs; quiet: exceptions, and functions with
    exceptions, whose texts nobody reads.
    """
    trees = _shrunk(sources, keep, prune)
    modules = examine(trees)
    opaque = {name for module in modules.values() for name in module.opaque}
    # What they have of others is read by its name, too.
    opaque |= {module for one in opaque for module, _ in modules[one].names.values()}
    public = {*keep, *public, *opaque}
    kept = find_kept(trees, public)
    whole = {name for one in opaque for name in modules[one].own}
    kept.names |= whole
    kept.attributes |= whole
    linked = link(modules, public)
    specialise(linked, kept, quiet)
    names = rename(Facts(linked, kept))
    texts = {name: plain(tree) for name, tree in linked.trees.items()}
    return Packed(texts, linked.members, names)


def _shrunk(
    sources: Mapping[str, str], keep: Collection[str], prune: Collection[str]
) -> dict[str, ast.Module]:
    trees = {name: ast.parse(source) for name, source in sources.items()}
    constants = Constants(trees, keep)
    for name, tree in trees.items():
        Inliner(constants, Scope(name, tree, trees)).visit(tree)
    sweep(trees, keep, prune)
    return trees
