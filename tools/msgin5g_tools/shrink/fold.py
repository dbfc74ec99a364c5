"""Expressions and branches that are decided before anything runs."""

import ast
from typing import Any

from msgin5g_tools.shrink.scopes import own, walk
from msgin5g_tools.shrink.selves import is_method


class Folder(ast.NodeTransformer):
    """Work out what constants decide: comparisons, `and`, `or`, `not`, `if`."""

    def __init__(self) -> None:
        self.changed = False
        # Comparisons in methods.
        self._of_methods: set[int] = set()

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        for method in filter(is_method, node.body):
            self._of_methods |= {id(one) for one in walk(method) if isinstance(one, ast.Compare)}
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and isinstance(node.operand, ast.Constant):
            return self._constant(node, not node.operand.value)
        return node

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        left, right = node.left, node.comparators[0]
        if len(node.ops) > 1:
            return node
        is_self = isinstance(left, ast.Name) and left.id == "self" and id(node) in self._of_methods
        if is_self and isinstance(node.ops[0], ast.Is | ast.IsNot) and _is_none(right):
            return self._constant(node, isinstance(node.ops[0], ast.IsNot))
        if not isinstance(left, ast.Constant):
            return node
        if not isinstance(right, ast.Constant):
            return node
        if isinstance(node.ops[0], ast.Is | ast.IsNot) and None in (left.value, right.value):
            is_same = left.value is right.value
            return self._constant(node, is_same == isinstance(node.ops[0], ast.Is))
        if isinstance(node.ops[0], ast.Eq | ast.NotEq):
            is_equal = left.value == right.value
            return self._constant(node, is_equal == isinstance(node.ops[0], ast.Eq))
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        decides = isinstance(node.op, ast.Or)
        kept: list[ast.expr] = []
        for i, one in enumerate(node.values):
            if isinstance(one, ast.Constant):
                if bool(one.value) == decides:
                    kept.append(one)
                    break
                if i < len(node.values) - 1:
                    continue
            kept.append(one)
        if len(kept) == len(node.values):
            return node
        self.changed = True
        node.values = kept
        return node if len(kept) > 1 else kept[0]

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            self.changed = True
            return node.body if node.test.value else node.orelse
        return node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        if isinstance(node.test, ast.Constant):
            left, dropped = (
                (node.body, node.orelse) if node.test.value else (node.orelse, node.body)
            )
            if not _means_more(dropped):
                self.changed = True
                return left or ast.copy_location(ast.Pass(), node)
        node.orelse = [one for one in node.orelse if not isinstance(one, ast.Pass)]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        for part in walk(node):
            for name in ("body", "orelse", "finalbody"):
                body = getattr(part, name, None)
                if isinstance(body, list) and body:
                    setattr(part, name, _reached(body))
        return node

    def _constant(self, node: ast.expr, value: Any) -> ast.expr:
        self.changed = True
        return ast.copy_location(ast.Constant(value), node)


def is_idle(node: ast.stmt) -> bool:
    """Tell whether a statement does nothing: `pass`, a docstring."""
    is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return is_text or isinstance(node, ast.Pass)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _means_more(body: list[ast.stmt]) -> bool:
    """Tell whether statements mean something to their function even if they are never reached."""
    more = ast.Yield | ast.YieldFrom | ast.Global | ast.Nonlocal
    return any(isinstance(one, more) for one in own(body))


def _reached(body: list[ast.stmt]) -> list[ast.stmt]:
    """Return the statements of a block that can be reached, without those that do nothing."""
    out: list[ast.stmt] = []
    for i, one in enumerate(body):
        if not is_idle(one):
            out.append(one)
        if isinstance(one, ast.Return | ast.Raise) and not _means_more(body[i + 1 :]):
            break
    return out or [ast.copy_location(ast.Pass(), body[0])]
