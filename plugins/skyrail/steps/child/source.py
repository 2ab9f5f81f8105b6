"""What a function needs of the file that it is written in, so that another interpreter can run it without that file.

A DAG file cannot be imported where there is no Airflow. So a function travels as the text of its file together with a
list of what to take from it, all found here, where the file was executed:

- what the file imports at its top level, and the function uses, is imported there;
- functions and classes of the same file are taken from the text, and what they use likewise;
- other values that it uses, from the file or from a function around it, travel by pickle.

Annotations are never evaluated, so what only they name is not needed.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import tokenize
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.child.names import Text, used_names
from skyrail.steps.child.pickles import Pickles


@dataclass
class Plan:
    """What to do to have the function; plain values but for `values`."""

    file: str
    module: str
    imports: list[dict[str, Any]] = field(default_factory=list)
    """`bind`, `name` and, of `from x import name`, `source` and `level`; `line`, for messages."""
    definitions: list[dict[str, Any]] = field(default_factory=list)
    """`line` and `column` of what is executed whole at the top level, in the file's order."""
    functions: list[dict[str, Any]] = field(default_factory=list)
    """Functions made with the variables around them; the first is the step's."""
    bindings: dict[str, int] = field(default_factory=dict)
    """Global names of functions in `functions`, by their number."""
    values: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By the name of a variable: where its pickle is, see `Pickles`; `late` when it is of a class of this file."""


def plan(step: str, function: Callable[..., Any], pickles: Pickles) -> Plan:
    """Return what a function needs.

    Args:
        step: `dag.task`, for messages.
        function: the step's function.
        pickles: writes values.

    Raises:
        StepError: it cannot travel, or uses something that cannot; the message names it.
    """
    return _Planner(step, function, pickles).go()


class _Planner:
    def __init__(self, step: str, function: Callable[..., Any], pickles: Pickles) -> None:
        self.step, self.pickles = step, pickles
        self.layers = list(_unwrapped(function))
        inner = self.layers[-1]
        if not isinstance(inner, types.FunctionType) or inner.__name__ == "<lambda>":
            raise self._error(f"is a {type(inner).__name__ if not callable(inner) else 'lambda or callable object'}")
        if inspect.isasyncgenfunction(inner) or inspect.isgeneratorfunction(inner):
            raise self._error("is a generator, whose values would be computed after it is over", "Return a list.")
        file = inspect.getsourcefile(inner)
        if file is None or not Path(file).is_file():
            raise self._error("has no source file", "Write it in the DAG file or in a module beside it.")
        self.function: types.FunctionType = inner
        self.file = file
        with tokenize.open(file) as opened:
            self.text = Text(opened.read(), file)
        self.globals: dict[str, Any] = inner.__globals__
        self.plan = Plan(file, str(inner.__module__))
        self.known: dict[int, int] = {}
        self.done: set[str] = set()

    def go(self) -> Plan:
        # Decorators below @task.step made layers around the function, and are applied again there. Those above it
        # and @task.step itself are of Airflow.
        self._function(self.function, decorators=len(self.layers) - 1)
        self.plan.definitions.sort(key=lambda place: (place["line"], place["column"]))
        return self.plan

    def _function(self, function: types.FunctionType, *, decorators: int | None = None) -> int:
        """Add a function with the variables around it, once, and return its number."""
        if id(function) in self.known:
            return self.known[id(function)]
        node = self.text.function(function)
        if node is None:
            raise self._error(
                f"uses {function.__qualname__!r}, whose source cannot be found",
                "Define it with def, in a file that has not changed since it was loaded.",
            )
        number = self.known[id(function)] = len(self.plan.functions)
        count = len(node.decorator_list) if decorators is None else decorators
        made: dict[str, Any] = {
            "number": number,
            "name": node.name,
            "qualname": function.__qualname__,
            "line": node.lineno,
            "column": node.col_offset,
            "decorators": count,
            "free": {},
            "defaults": None,
        }
        self.plan.functions.append(made)
        if function.__defaults__ or function.__kwdefaults__:
            defaults = (function.__defaults__, function.__kwdefaults__)
            made["defaults"] = self._pickle(f"a default of {function.__name__}", defaults)
        around = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        for name, cell in around.items():
            made["free"][name] = self._free(name, cell)
        kept = node.decorator_list[len(node.decorator_list) - count :] if count else []
        for name in used_names(self.text.bare(node, kept)) - set(around):
            self._global(name)
        return number

    def _free(self, name: str, cell: Any) -> dict[str, Any]:
        """Say where the value of a variable of a function around comes from."""
        try:
            value = cell.cell_contents
        except ValueError:  # defined after the function, or never
            return {"unset": True}
        if self._is_itself(value):
            return {"function": 0}
        if isinstance(value, types.ModuleType):
            return {"import": value.__name__}
        self._refuse_task(name, value)
        *_, inner = _unwrapped(value)
        if isinstance(inner, types.FunctionType) and self._is_ours(inner):
            if inner.__name__ == "<lambda>":
                raise self._error(f"uses {name!r}, which is a lambda", "Write it as a function with def.")
            return {"function": self._function(inner)}
        if isinstance(value, type) and self._is_ours(value) and "<locals>" in value.__qualname__:
            raise self._error(f"uses the class {name!r} of a function around it", "Move it to the file's top level.")
        return {"value": self._pickle(name, value)}

    def _global(self, name: str) -> None:
        """Add what a global name of the file stands for."""
        if name in self.done or name not in self.globals or name in _ALWAYS:
            return
        self.done.add(name)
        value = self.globals[name]
        if self._is_itself(value):
            self.plan.bindings[name] = 0
            return
        self._refuse_task(name, value)
        if found := self.text.imports.get(name):
            self.plan.imports.extend(found)
        elif isinstance(value, types.ModuleType):
            self.plan.imports.append({"bind": name, "name": value.__name__, "whole": True, "line": 0})
        elif node := self._definition(name, value):
            self.plan.definitions.append({"line": node.lineno, "column": node.col_offset})
            for other in used_names(node):
                self._global(other)
        elif isinstance(value, types.FunctionType | type) and not self._is_ours(value):
            self.plan.imports.append({"bind": name, "name": value.__name__, "source": value.__module__, "line": 0})
        elif isinstance(value, types.FunctionType):
            self.plan.bindings[name] = self._function(value)
        else:
            self.plan.values[name] = self._pickle(name, value)

    def _definition(self, name: str, value: Any) -> ast.stmt | None:
        """Return the statement of the file's top level that defines a function or a class."""
        node = self.text.definitions.get(name)
        made_here = isinstance(value, types.FunctionType | type) and self._is_ours(value)  # such as a named tuple
        return node if made_here or not isinstance(node, ast.Assign) else None

    def _pickle(self, name: str, value: Any) -> dict[str, Any]:
        made = self.pickles.add(name, value, self.plan.module)
        for other in made.pop("ours"):
            self._global(other)
            made["late"] = True
        return made

    def _is_itself(self, value: Any) -> bool:
        inner = _inside_task(value)
        return any(layer is inner for layer in self.layers)

    def _refuse_task(self, name: str, value: Any) -> None:
        if _inside_task(value) is not value:
            raise self._error(f"calls {name!r}, which is a task", "Call tasks in the DAG, and plain functions in them.")

    def _is_ours(self, value: Any) -> bool:
        return getattr(value, "__module__", None) == self.plan.module

    def _error(self, what: str, fix: str = "Write it as a function with def.") -> StepError:
        return StepError(f"The function of step {self.step!r} {what}; it cannot run in another interpreter.", fix=fix)


_ALWAYS = {"__name__", "__file__", "__builtins__", *dir(builtins)}


def _unwrapped(function: Any) -> Iterator[Any]:
    """Yield a function and what it wraps, the innermost last."""
    yield function
    while (function := getattr(function, "__wrapped__", None)) is not None:
        yield function


def _inside_task(value: Any) -> Any:
    """Return the function of an Airflow task, or the value itself."""
    is_task = any(kind.__name__ == "_TaskDecorator" for kind in type(value).__mro__)
    return value.function if is_task else value
