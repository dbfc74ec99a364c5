"""Which names of a module are the module's own, and which belong to a function or a class."""

import ast
from collections.abc import Collection, Iterable, Iterator
from typing import Any

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OWN_SCOPES = (*_DEFINITIONS, ast.Lambda, *_COMPREHENSIONS)


class Scoped(ast.NodeTransformer):
    """A transformer that knows at each name whose it is: see `is_global` and `is_of_class`."""

    def __init__(self) -> None:
        # (whether a class's, the names it binds), the innermost last.
        self._scopes: list[tuple[bool, set[str]]] = []

    def is_global(self, name: str) -> bool:
        """Tell whether a name means the module's, or a built-in one, at this place."""
        for i, (is_class, names) in enumerate(reversed(self._scopes)):
            # Of classes only the innermost scope counts: its methods do not see its names.
            if name in names and (not is_class or i == 0):
                return False
        return True

    def is_of_class(self, name: str) -> bool:
        """Tell whether this place is the body of a class, and the name one that it binds."""
        return self.at_class and name in self._scopes[-1][1]

    @property
    def at_top(self) -> bool:
        """Whether this place is outside of functions and classes."""
        return not self._scopes

    @property
    def at_class(self) -> bool:
        """Whether this place is the body of a class, outside of its methods."""
        return bool(self._scopes) and self._scopes[-1][0]

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        self._all(node.args.defaults + [one for one in node.args.kw_defaults if one])
        self._scopes.append((False, {arg.arg for arg in arguments(node)}))
        node.body = self.visit(node.body)
        self._scopes.pop()
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.bases = self._all(node.bases)
        node.keywords = self._all(node.keywords)
        node.decorator_list = self._all(node.decorator_list)
        self._scopes.append((True, bound(node.body)))
        node.body = self._all(node.body)
        self._scopes.pop()
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _COMPREHENSIONS):
            return super().generic_visit(node)
        names = {
            one.id
            for part in node.generators
            for one in walk(part.target)
            if isinstance(one, ast.Name)
        }
        self._scopes.append((False, names))
        super().generic_visit(node)
        self._scopes.pop()
        return node

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        args = node.args
        node.decorator_list = self._all(node.decorator_list)
        args.defaults = self._all(args.defaults)
        args.kw_defaults = [one and self.visit(one) for one in args.kw_defaults]
        names = {arg.arg for arg in arguments(node)} | bound(node.body)
        self._scopes.append((False, names))
        node.body = self._all(node.body)
        self._scopes.pop()
        return node

    def _all(self, nodes: Iterable[ast.AST]) -> list[Any]:
        out: list[Any] = []
        for node in nodes:
            done = self.visit(node)
            out += done if isinstance(done, list) else [] if done is None else [done]
        return out


def arguments(node: Function) -> Iterator[ast.arg]:
    """Yield the parameters of a function."""
    args = node.args
    yield from (*args.posonlyargs, *args.args, *args.kwonlyargs)
    yield from (one for one in (args.vararg, args.kwarg) if one)


def bound(body: Iterable[ast.stmt]) -> set[str]:
    """Return the names that the body of a function or class binds for itself."""
    out: set[str] = set()
    theirs: set[str] = set()
    for node in own(body):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            out.add(node.id)
        elif isinstance(node, ast.Global | ast.Nonlocal):
            theirs.update(node.names)
        else:
            out.update(_binds(node))
    return out - theirs


def free(nodes: Iterable[ast.AST], own_names: Collection[str]) -> set[str]:
    """Return the names in there that are not of `own_names`: the module's or built-in ones."""
    names = (one for part in nodes for one in walk(part) if isinstance(one, ast.Name))
    return {one.id for one in names} - set(own_names)


def rebound(nodes: Iterable[ast.AST]) -> set[str]:
    """Return the names that are not, or not only, bound as variables by assignment: by imports,
    `except`, definitions, or as what `global` and `nonlocal` say."""
    out: set[str] = set()
    for node in (one for part in nodes for one in walk(part)):
        if isinstance(node, ast.Global | ast.Nonlocal):
            out.update(node.names)
        else:
            out.update(_binds(node))
    return out


def _binds(node: ast.AST) -> Iterator[str]:
    """Yield the name that a definition, an `except` or an import binds."""
    if isinstance(node, (*_DEFINITIONS, ast.ExceptHandler)):
        if node.name:
            yield node.name
    elif isinstance(node, ast.alias):
        yield node.asname or node.name.partition(".")[0]


def own(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield nodes with what is in them, but not what is in scopes of their own."""
    return _within(list(nodes), _OWN_SCOPES)


def walk(node: ast.AST) -> Iterator[ast.AST]:
    """Do what `ast.walk` does, in two thirds of the time: whoever makes a firmware waits."""
    return _within([node], ())


def _within(todo: list[ast.AST], closed: tuple[type[ast.AST], ...]) -> Iterator[ast.AST]:
    """Yield nodes with what is in them, but not what is in nodes of the types `closed`."""
    for node in todo:
        yield node
        if not isinstance(node, closed):
            todo += _children(node)


def _children(node: ast.AST) -> list[ast.AST]:
    out = []
    for name in node._fields:
        value = getattr(node, name, None)
        if value.__class__ is list:
            out += [one for one in value if isinstance(one, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, ast.expr_context):
            out.append(value)
    return out
