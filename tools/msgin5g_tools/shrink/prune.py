"""Functions, classes and methods that nobody names."""

import ast

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Pruner(ast.NodeTransformer):
    """Drop what is defined in a module, or in a class of it, under a name that is not in `named`.

    What has a decorator stays, and so does what Python itself calls.
    """

    def __init__(self, named: set[str]) -> None:
        self._named = named
        self.changed = False

    def visit_Module(self, node: ast.Module) -> ast.AST:
        node.body = [one for one in node.body if not self._drops(one)]
        self.generic_visit(node)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        kept: list[ast.stmt] = []
        for one in node.body:
            if self._drops(one):
                kept.append(ast.copy_location(ast.Pass(), one))
            else:
                kept.append(one)
        node.body = kept
        return node

    def _drops(self, node: ast.stmt) -> bool:
        if not isinstance(node, Definition) or node.decorator_list:
            return False
        if node.name in self._named or node.name.startswith("__"):
            return False
        self.changed = True
        return True
