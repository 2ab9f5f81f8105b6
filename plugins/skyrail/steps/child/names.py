"""The text of a file: what stands at its top level, and which names a part of it uses."""

from __future__ import annotations

import ast
import copy
import dis
import types
from collections.abc import Iterator
from typing import Any


class Text:
    """A file's text, taken apart."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.tree = ast.parse(text, file)
        self.imports: dict[str, list[dict[str, Any]]] = {}
        """By the name that they bind; `import a.b` and `import a.c` both bind `a`."""
        self.definitions: dict[str, ast.stmt] = {}
        """Functions, classes, and assignments of one name, by their name; the last one counts."""
        for node in _top_level(self.tree.body):
            self._note(node)

    def _note(self, node: ast.stmt) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                bind = alias.asname or alias.name.partition(".")[0]
                entry = {"bind": bind, "name": alias.name, "whole": bool(alias.asname), "line": node.lineno}
                self._bind(bind, entry)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                bind = alias.asname or alias.name
                entry = {"bind": bind, "name": alias.name, "source": node.module or "", "level": node.level}
                self._bind(bind, {**entry, "line": node.lineno})
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            self.definitions[node.name] = node
            self.imports.pop(node.name, None)
        elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            self.definitions[node.targets[0].id] = node
            self.imports.pop(node.targets[0].id, None)

    def _bind(self, bind: str, entry: dict[str, Any]) -> None:
        before = self.imports.get(bind, [])
        # Of `try: import a … except ImportError: import b as a` the first is the one that is meant.
        if not before or ("source" not in entry and not entry["whole"]):
            self.imports[bind] = [*before, entry]
        self.definitions.pop(bind, None)

    def function(self, function: types.FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """Return the statement that defined a function."""
        code = function.__code__
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                if first == code.co_firstlineno:
                    return node
        return None

    @staticmethod
    def bare(
        node: ast.FunctionDef | ast.AsyncFunctionDef, decorators: list[ast.expr]
    ) -> ast.FunctionDef | ast.AsyncFunctionDef:
        """Return a function with these decorators alone, and without the values of its defaults."""
        made = copy.copy(node)
        made.decorator_list = decorators
        made.args = copy.copy(node.args)
        made.args.defaults = [ast.copy_location(ast.Constant(None), item) for item in node.args.defaults]
        made.args.kw_defaults = [item and ast.copy_location(ast.Constant(None), item) for item in node.args.kw_defaults]
        return made


def used_names(node: ast.stmt) -> set[str]:
    """Return the global names that a statement uses when it is executed and when what it defines is called."""
    code = compile_one(node, "<names>")
    return set(_loaded(code)) - {getattr(node, "name", "")} | _own_name(node, code)


def compile_one(node: ast.stmt, file: str) -> types.CodeType:
    """Compile one statement with annotations left as text."""
    module = ast.Module([node], type_ignores=[])
    return compile(module, file, "exec", flags=annotations.compiler_flag, dont_inherit=True)


def _own_name(node: ast.stmt, code: types.CodeType) -> set[str]:
    """Return a function's own name if it uses it: the global of that name may be the task made of it."""
    name = getattr(node, "name", "")
    inner = [const for const in code.co_consts if isinstance(const, types.CodeType)]
    return {name} if any(name in _loaded(const) for const in inner) else set()


def _loaded(code: types.CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _loaded(constant)


def _top_level(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements of a file that are executed when it is, those inside `if` and `try` too."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With):
            yield from _top_level(node.body)
            for handler in getattr(node, "handlers", []):
                yield from _top_level(handler.body)
            yield from _top_level(getattr(node, "orelse", []))
            yield from _top_level(getattr(node, "finalbody", []))
