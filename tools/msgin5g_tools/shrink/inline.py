"""Values in the place of the names that stand for them."""

import ast

from msgin5g_tools.shrink.constants import Constants, Scope, Value, reference
from msgin5g_tools.shrink.edits import Edits


class Inliner(ast.NodeTransformer):
    """Replace what reads a constant by its value, in one module: in its tree and in `edits`."""

    def __init__(self, constants: Constants, scope: Scope, edits: Edits) -> None:
        self._constants = constants
        self._scope = scope
        self._edits = edits

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._value(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if reference(node, self._scope) in self._constants:
            return self._value(node)
        self.generic_visit(node)
        return node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Where things are in an f-string is not known."""
        return node

    def _value(self, node: ast.Name | ast.Attribute) -> ast.AST:
        key = reference(node, self._scope)
        if key is None or key not in self._constants or not isinstance(node.ctx, ast.Load):
            return node
        value = self._constants[key]
        self._edits.replace(node, _text(value))
        return ast.copy_location(ast.Constant(value), node)


def _text(value: Value) -> str:
    # An attribute of a number wants the parentheses.
    return f"({value})" if isinstance(value, int) else repr(value)
