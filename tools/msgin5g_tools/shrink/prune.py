"""Functions, classes and methods that nobody names."""

import ast

from msgin5g_tools.shrink.edits import Edits

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Pruner(ast.NodeTransformer):
    """Drop what is defined in a module, or in a class of it, under a name that is not in `named`.

    What has a decorator stays, and so does what Python itself calls.
    """

    def __init__(self, named: set[str], edits: Edits) -> None:
        self._named = named
        self._edits = edits
        self.changed = False

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [one for one in node.body if not self._drops(one, "")]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        kept: list[ast.stmt] = []
        for one in node.body:
            if self._drops(one, "pass"):
                kept.append(ast.copy_location(ast.Pass(), one))
            else:
                kept.append(one)
        node.body = kept
        return node

    def _drops(self, node: ast.stmt, text: str) -> bool:
        if not isinstance(node, Definition) or node.decorator_list:
            return False
        if node.name in self._named or node.name.startswith("__"):
            return False
        self._edits.replace(node, text)
        self.changed = True
        return True
