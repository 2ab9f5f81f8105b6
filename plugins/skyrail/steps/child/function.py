"""The child's half of `source`: make the function from the text of its file, and call it."""

from __future__ import annotations

import ast
import importlib
import inspect
import linecache
import sys
import types
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.artifacts.store import Reference, read_value
from skyrail.steps.child import pickles
from skyrail.steps.child.names import Text, compile_one
from skyrail.steps.values import unpack

PARENT_ONLY = ("airflow", "pendulum")
NO_AIRFLOW = (
    "Airflow is not in a step's own environment. Take what it knows as an argument: def f(..., ds, run_id, "
    "logical_date, params), and import what the function needs inside it."
)


def make(folder: Path, plan: dict[str, Any]) -> Callable[..., Any]:
    """Return the step's function.

    Raises:
        StepError: something that it uses cannot be imported or loaded here.
    """
    return _Maker(folder, plan).go()


class _Maker:
    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.folder, self.plan, self.file = folder, plan, plan["file"]
        source = (folder / "source").read_text(encoding="utf-8")
        # Tracebacks show the lines even where the file is not.
        linecache.cache[self.file] = (len(source), None, source.splitlines(keepends=True), self.file)
        self.text = Text(source, self.file)
        module = types.ModuleType(plan["module"])
        module.__file__ = self.file
        module.__package__ = plan["module"].rpartition(".")[0]
        sys.modules[plan["module"]] = module  # instances of the file's classes are pickled by its name
        self.globals = vars(module)

    def go(self) -> Callable[..., Any]:
        plan = self.plan
        for item in plan["imports"]:
            self.globals[item["bind"]] = self._import(item)
        self._load_values(late=False)
        bare = [self._function(item) for item in plan["functions"]]
        self._bind(bare)
        wanted = {(item["line"], item["column"]) for item in plan["definitions"]}
        for node in self._statements():
            if (node.lineno, node.col_offset) in wanted:
                exec(compile_one(node, self.file), self.globals)  # noqa: S102 -- the step's own source
        self._load_values(late=True)
        made = [self._decorate(function, item) for function, item in zip(bare, plan["functions"], strict=True)]
        for function, item in zip(bare, plan["functions"], strict=True):
            self._fill(function, item["free"] | {item["name"]: {"function": item["number"]}}, made)
        self._bind(made)
        return made[0]

    def _bind(self, functions: list[Any]) -> None:
        for name, number in self.plan["bindings"].items():
            self.globals[name] = functions[number]

    def _load_values(self, *, late: bool) -> None:
        for name, place in self.plan["values"].items():
            if place.get("late", False) is late:
                self.globals[name] = load(self.folder, place)

    def _statements(self) -> list[ast.stmt]:
        return [node for node in ast.walk(self.text.tree) if isinstance(node, ast.stmt)]

    def _import(self, item: dict[str, Any]) -> Any:
        try:
            if "source" not in item:
                module = importlib.import_module(item["name"])
                return module if item["whole"] else sys.modules[item["name"].partition(".")[0]]
            package = self.globals["__package__"]
            source = importlib.import_module("." * item.get("level", 0) + item["source"], package)
            try:
                return getattr(source, item["name"])
            except AttributeError:
                return importlib.import_module(f"{source.__name__}.{item['name']}")
        except ImportError as error:
            what = f"import {item['name']}" if "source" not in item else f"from {item['source']} import {item['name']}"
            raise StepError(
                f"The step uses {item['bind']!r} ({what}, line {item['line']} of {self.file}), which cannot be "
                f"imported in its environment: {error}",
                fix=NO_AIRFLOW
                if str(error.name).partition(".")[0] in PARENT_ONLY
                else "Name its package in packages=, or import it where only other steps need it.",
            ) from error

    def _function(self, item: dict[str, Any]) -> types.FunctionType:
        """Return a function without its decorators, with the variables around it unset."""
        place = (item["line"], item["column"])
        node = next(
            node
            for node in self._statements()
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (node.lineno, node.col_offset) == place
        )
        bare = self.text.bare(node, [])
        around = [name for name in item["free"] if name != item["name"]]
        outer = ast.parse(f"def around({', '.join(around)}): return {item['name']}").body[0]
        assert isinstance(outer, ast.FunctionDef)  # noqa: S101
        outer.body.insert(0, bare)
        space: dict[str, Any] = {}
        exec(compile_one(outer, self.file), self.globals, space)  # noqa: S102 -- the step's own source
        function = space["around"](*([None] * len(around)))
        function.__qualname__ = item["qualname"]
        return function

    def _decorate(self, function: types.FunctionType, item: dict[str, Any]) -> Any:
        if item["defaults"] is not None:
            function.__defaults__, function.__kwdefaults__ = load(self.folder, item["defaults"])
        if not item["decorators"]:
            return function
        place = (item["line"], item["column"])
        node = next(node for node in self._statements() if (node.lineno, node.col_offset) == place)
        decorators = node.decorator_list[-item["decorators"] :]  # type: ignore[attr-defined]
        made: Any = function
        for decorator in reversed(decorators):
            code = compile(ast.Expression(decorator), self.file, "eval", dont_inherit=True)
            made = eval(code, self.globals)(made)  # noqa: S307 -- the step's own source
        return made

    def _fill(self, function: types.FunctionType, origins: dict[str, Any], made: list[Any]) -> None:
        """Set the variables around a function."""
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            origin = origins[name]
            if "function" in origin:
                cell.cell_contents = made[origin["function"]]
            elif "import" in origin:
                cell.cell_contents = self._import({"bind": name, "name": origin["import"], "whole": True, "line": 0})
            elif "value" in origin:
                cell.cell_contents = load(self.folder, origin["value"])
            else:
                del cell.cell_contents


def load(folder: Path, place: dict[str, Any]) -> Any:
    """Return a pickled value.

    Raises:
        StepError: it cannot be loaded here; the message names it.
    """
    try:
        return pickles.load(folder, place)
    except Exception as error:
        raise StepError(
            f"{place['name']!r} cannot be loaded in the step's environment: {type(error).__name__}: {error}",
            fix="The environment needs the packages that the value is made of, in versions that read it.",
        ) from error


def arguments(folder: Path, job: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments, stored objects read from the files that hold them.

    Raises:
        SkyrailError: one cannot be loaded here; the message names it.
    """

    def get(name: str, reference: Reference) -> Any:
        del name
        with (folder / job["inputs"][f"{reference.sha256}.{reference.format}"]).open("rb") as file:
            return read_value(reference, file)

    args = [unpack(load(folder, place), place["name"], get) for place in job["args"]]
    kwargs = {name: unpack(load(folder, place), name, get) for name, place in job["kwargs"].items()}
    return args, kwargs


def call(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Call the function; run what it returns if that is a coroutine."""
    result = function(*args, **kwargs)
    if not inspect.iscoroutine(result):
        return result
    import asyncio  # 50 ms that few functions need

    return asyncio.run(_wait(result))


async def _wait(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return await coroutine
