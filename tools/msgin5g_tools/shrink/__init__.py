"""Make modules smaller for a board: the values of constants go where they are used.

A module-level constant costs a board a name and a slot in the module's dict, and each module that
imports it another one. `shrink` puts the values of such constants into the expressions that use
them, over all modules at once, and drops what nobody needs any more: the constants, their imports,
modules that held nothing else. What is left behaves as before and stays on its line, so that a
traceback of a board shows where in the source it was.
"""

import ast
from collections.abc import Collection, Mapping

from msgin5g_tools.shrink.constants import Constants, Scope
from msgin5g_tools.shrink.edits import Edits
from msgin5g_tools.shrink.inline import Inliner
from msgin5g_tools.shrink.sweep import sweep


def shrink(
    sources: Mapping[str, str], keep: Collection[str] = (), prune: Collection[str] = ()
) -> dict[str, str]:
    """Return the shrunk sources by module name, without the modules that nobody needs.

    sources: module name -> Python source, of all modules that import each other; keep: modules
    whose names stay as they are, as others use them, such as an application; prune: packages
    whose functions and methods go if none of these modules names them. Nothing else may call
    these, as it may what is handed to a library.
    """
    trees = {name: ast.parse(source) for name, source in sources.items()}
    edits = {name: Edits() for name in sources}
    constants = Constants(trees, keep)
    for name, tree in trees.items():
        Inliner(constants, Scope(name, tree, trees), edits[name]).visit(tree)
    sweep(trees, edits, keep, prune)
    return {name: edits[name].apply(sources[name]) for name in trees}
