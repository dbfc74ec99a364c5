"""Values in the place of the names that stand for them."""

import ast

from msgin5g_tools.shrink.constants import Constants, Scope, reference


class Inliner(ast.NodeTransformer):
    """Replace what reads a constant by its value, in the tree of one module."""

    def __init__(self, constants: Constants, scope: Scope) -> None:
        self._constants = constants
        self._scope = scope

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return self._value(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if reference(node, self._scope) in self._constants:
            return self._value(node)
        self.generic_visit(node)
        return node

    def _value(self, node: ast.Name | ast.Attribute) -> ast.AST:
        key = reference(node, self._scope)
        if key is None or key not in self._constants or not isinstance(node.ctx, ast.Load):
            return node
        return ast.copy_location(ast.Constant(self._constants[key]), node)
