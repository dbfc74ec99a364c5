"""What may be renamed: which names there are, who has them, and which of them others know."""

import ast
import builtins
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from msgin5g_tools.shrink.foreign import FOREIGN, MODULES
from msgin5g_tools.shrink.link import Linked
from msgin5g_tools.shrink.scopes import Scoped, arguments, bound, walk

ANY = "any class"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass
class Kept:
    """What applications use. names: of modules; attributes; functions: their syntax trees."""

    names: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    functions: set[int] = field(default_factory=set)


def find_kept(trees: Mapping[str, ast.Module], keep: Collection[str]) -> Kept:
    """Return what of the modules stays: of "module" all its public names, and of each of its
    classes, and of "module.Class", the public attributes and methods with their parameters."""
    kept = Kept()
    for module, tree in trees.items():
        for node in tree.body:
            name = getattr(node, "name", "")
            if isinstance(node, ast.ClassDef):
                is_kept = module in keep and not _is_private(name)
                if is_kept or f"{module}.{name}" in keep:
                    _keep_class(node, kept)
            elif isinstance(node, _FUNCTIONS) and module in keep and not _is_private(name):
                kept.functions.add(id(node))
        if module in keep:
            kept.names |= {name for name in bound(tree.body) if not _is_private(name)}
    return kept


def _keep_class(node: ast.ClassDef, kept: Kept) -> None:
    kept.attributes |= {name for name in bound(node.body) if not _is_private(name)}
    for one in node.body:
        if isinstance(one, _FUNCTIONS) and (one.name == "__init__" or not _is_private(one.name)):
            kept.functions.add(id(one))
    kept.attributes |= {
        part.attr
        for part in walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.ctx, ast.Store)
        and isinstance(part.value, ast.Name)
        and part.value.id == "self"
        and not _is_private(part.attr)
    }


def _is_private(name: str) -> bool:
    return name.startswith("_")


class Facts(Scoped):
    """What is named how in all units.

    attributes: how often each is named; owners: attribute that we make -> classes that set it on
    themselves, or ANY; globals: unit -> how often a module's own or a built-in name is read in it;
    plain: unit -> other names in it; in_classes: names that are read in the body of a class;
    defined: what units make; changing: what functions set of others; keywords: parameters that
    are passed by name.
    """

    def __init__(self, linked: Linked, kept: Kept) -> None:
        super().__init__()
        self.linked = linked
        self.attributes: Counter[str] = Counter()
        self.owners: dict[str, set[str]] = {}
        self.globals: dict[str, Counter[str]] = {}
        self.plain: dict[str, set[str]] = {}
        self.in_classes: set[str] = set()
        self.defined: set[str] = set()
        self.changing: set[str] = set()
        self.keywords: Counter[str] = Counter()
        # Attribute -> classes that have it themselves, for all their objects.
        self.class_names: dict[str, set[str]] = {}
        self.kept_functions = kept.functions
        self._kept = kept
        self._texts: set[str] = set()
        self._is_spread = False
        self._unknown: set[str] = set()
        self._kept_keywords: set[str] = set()
        self._exceptions: set[str] = set()
        self._bases: dict[str, set[str]] = {}
        self._calls: list[ast.Call] = []
        self._unit = ""
        self._class = ""
        self._self = ""
        for unit, tree in linked.trees.items():
            self._unit = unit
            self.globals[unit], self.plain[unit] = Counter(), set()
            self.visit(tree)
            for node in tree.body:
                if not isinstance(node, ast.Import | ast.ImportFrom):
                    self.defined |= bound([node])
        self._note_calls()
        while new := {one for one, bases in self._bases.items() if bases & self._exceptions}:
            if new <= self._exceptions:
                break
            self._exceptions |= new

    def is_kept(self, name: str) -> bool:
        """Tell whether applications use that name of a module."""
        return name in self._kept.names

    def may_rename_attribute(self, name: str) -> bool:
        """Tell whether only our modules know it."""
        return not (
            name in FOREIGN
            or name in self._texts
            or name in self._unknown
            or name in self._kept.attributes
            or name.startswith("__")
        )

    def may_rename_global(self, name: str) -> bool:
        """Tell whether only our modules know it."""
        return not (
            name in self._texts
            or name in self._kept.names
            or name.startswith("__")
            or any(name in names for names in self.plain.values())
            # People read it in a log.
            or name in self._exceptions
        )

    def may_rename_parameter(self, name: str) -> bool:
        """Tell whether it is never passed by name: not as a keyword, not in a dict with `**`."""
        return name not in self.keywords and not (self._is_spread and name in self._texts)

    def may_rename_keyword(self, name: str) -> bool:
        """Tell whether it is a parameter of our functions alone."""
        return name not in self._kept_keywords and not (self._is_spread and name in self._texts)

    def family(self, name: str) -> set[str]:
        """Return the classes of which an object may have that attribute."""
        out: set[str] = set()
        new = set(self.owners[name])
        while new:
            out |= new
            new = {one for one, bases in self._bases.items() if bases & out}
            new |= {base for one in out for base in self._bases.get(one, ())}
            new -= out
        return out

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._note_definition(node.name)
        bases = {one.id for one in node.bases if isinstance(one, ast.Name)}
        known = {name for name in bases if _is_known_exception(name)}
        self._bases[node.name] = bases - known
        if known:
            self._exceptions.add(node.name)
        for name in bound(node.body):
            self.owners.setdefault(name, set()).add(node.name)
            self.class_names.setdefault(name, set()).add(node.name)
            self.attributes[name] += 2
        self._class = node.name
        super().visit_ClassDef(node)
        self._class = ""
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._note_function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._note_function(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if self.is_global(node.id):
            self.globals[self._unit][node.id] += 1
        elif not self.is_of_class(node.id):
            self.plain[self._unit].add(node.id)
        if self.at_class:
            self.in_classes.add(node.id)
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        self.plain[self._unit].add(node.arg)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.attributes[node.attr] += 1
        if not isinstance(node.ctx, ast.Load):
            is_own = isinstance(node.value, ast.Name) and node.value.id == self._self
            self.owners.setdefault(node.attr, set()).add(self._class if is_own else ANY)
        return self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        if isinstance(node.value, str):
            self._texts.update((node.value, *node.value.split(".")))
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self._calls.append(node)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.plain[self._unit] |= {node.name} if node.name else set()
        return self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        for alias in node.names:
            package = alias.name.partition(".")[0]
            self.plain[self._unit].add(alias.asname or package)
            self._note_library(package)
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        is_ours = node.module in self.linked.trees
        for alias in node.names:
            if is_ours:
                self.globals[self._unit][alias.name] += 1
            if not is_ours or not self.at_top:
                self.plain[self._unit].add(alias.asname or alias.name)
        self._note_library(str(node.module).partition(".")[0])
        return node

    def visit_Global(self, node: ast.Global) -> ast.AST:
        self.globals[self._unit].update(node.names)
        self.changing.update(node.names)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        self.changing.update(node.names)
        return node

    def _note_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self._note_definition(node.name)
        outer, names = self._self, [one.arg for one in arguments(node)]
        if self.at_class:
            self._self = names[0] if names and not node.decorator_list else ""
        for arg in arguments(node):
            self.visit(arg)
        if isinstance(node, ast.FunctionDef):
            super().visit_FunctionDef(node)
        else:
            super().visit_AsyncFunctionDef(node)
        self._self = outer
        return node

    def _note_definition(self, name: str) -> None:
        if self.at_top:
            self.globals[self._unit][name] += 2
        elif not self.at_class:
            self.plain[self._unit].add(name)

    def _note_library(self, package: str) -> None:
        """Of a library that is not known here, anything that this unit names may be a part."""
        ours = {name.partition(".")[0] for name in self.linked.trees}
        if package in MODULES or package in ours:
            return
        tree = self.linked.trees[self._unit]
        for node in walk(tree):
            if isinstance(node, ast.Attribute):
                self._unknown.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                self._unknown |= bound(node.body)

    def _note_calls(self) -> None:
        for call in self._calls:
            function = call.func
            is_ours = False
            if isinstance(function, ast.Name):
                is_ours = function.id in self.defined
            elif isinstance(function, ast.Attribute):
                name = function.attr
                is_ours = name == "__init__" or (
                    name in self.owners and name not in FOREIGN | self._unknown
                )
            for keyword in call.keywords:
                self._is_spread |= is_ours and not keyword.arg
                if keyword.arg:
                    self.keywords[keyword.arg] += 1
                    if not is_ours:
                        self._kept_keywords.add(keyword.arg)
        for tree in self.linked.trees.values():
            for node in walk(tree):
                if isinstance(node, _FUNCTIONS) and id(node) in self.kept_functions:
                    self._kept_keywords |= {arg.arg for arg in arguments(node)}


def _is_known_exception(name: str) -> bool:
    known = getattr(builtins, name, None)
    return isinstance(known, type) and issubclass(known, BaseException)
