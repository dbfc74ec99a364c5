"""Classes that are there for one other class to be derived from, made one with it."""

import ast
from collections import Counter

from msgin5g_tools.shrink.calls import Definition
from msgin5g_tools.shrink.facts import Facts
from msgin5g_tools.shrink.fold import is_idle
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import walk

# What the __init__ of such a class is called in the other; it is put into that one's later.
_FIRST = "_first_"


def merge_classes(linked: Linked, facts: Facts) -> bool:
    """Do it once for each class where that changes nothing; tells whether there was one."""
    named: Counter[str] = Counter()
    for tree in linked.trees.values():
        for node in walk(tree):
            if isinstance(node, ast.Name):
                named[node.id] += 1
            elif isinstance(node, ast.alias):
                named[node.name] += 1
    changed = False
    for tree in linked.trees.values():
        classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
        for node in classes.values():
            base = node.bases[0] if len(node.bases) == 1 else None
            lower = classes.get(base.id) if isinstance(base, ast.Name) else None
            if lower is None or named[lower.name] > 1 or not facts.may_rename_global(lower.name):
                continue
            if lower in tree.body and _merge(node, lower):
                tree.body.remove(lower)
                changed = True
    return changed


def _merge(node: ast.ClassDef, lower: ast.ClassDef) -> bool:
    if lower.decorator_list or node.decorator_list or lower.keywords or node.keywords:
        return False
    own, others = _methods(node), _methods(lower)
    first, before = own.get("__init__"), others.get("__init__")
    if {*own, *_set(node)} & {*others, *_set(lower)} - {"__init__"} or _supers(lower):
        return False
    supers = _supers(node)
    if supers:
        call = first.body[0].value if first and isinstance(first.body[0], ast.Expr) else None
        if len(supers) > 1 or before is None or not isinstance(call, ast.Call):
            return False
        if not isinstance(call.func, ast.Attribute) or call.func.value is not supers[0]:
            return False
        if call.func.attr != "__init__":
            return False
        call.func = ast.Attribute(ast.Name("self", ast.Load()), _FIRST + lower.name, ast.Load())
        ast.fix_missing_locations(ast.copy_location(call.func, call))
        before.name = _FIRST + lower.name
    elif first is not None and before is not None:
        lower.body.remove(before)
    node.bases = lower.bases
    node.body = [one for one in (*lower.body, *node.body) if not is_idle(one)] or node.body
    return True


def _methods(node: ast.ClassDef) -> dict[str, Definition]:
    return {one.name: one for one in node.body if isinstance(one, Definition)}


def _set(node: ast.ClassDef) -> list[str]:
    """Return the variables of a class."""
    names = [one for part in node.body if isinstance(part, ast.Assign) for one in part.targets]
    return [one.id for one in names if isinstance(one, ast.Name)]


def _supers(node: ast.ClassDef) -> list[ast.Call]:
    return [
        one
        for one in walk(node)
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name) and one.func.id == "super"
    ]
