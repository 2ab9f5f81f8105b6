"""A function runs elsewhere with what it needs of its file, and says clearly what cannot go with it."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from skyrail.errors import StepError

HEAD = """
from __future__ import annotations
import json, os.path, re as regex
import xml.etree.ElementTree
import xml.dom.minidom
from collections import OrderedDict as Ordered, namedtuple
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING
import functools, logging, threading
import pandas as pd
from airflow.sdk import Asset, get_current_context, task
import beside
from beside import Friend
if TYPE_CHECKING:
    import nowhere
try:
    import nowhere_fast as fast
except ImportError:
    import json as fast

LIMIT = 3
TABLE = {"a": [1, 2]}
LOG = logging.getLogger("here")
LOCK = threading.Lock()
ASSET = Asset("x")
Pair = namedtuple("Pair", "left right")
double = lambda value: 2 * value

class Color(Enum):
    RED = 1

@dataclass
class Point:
    x: int
    y: nowhere.Type = LIMIT
    def total(self): return self.x + self.y + helper()

class Place(Point):
    def total(self): return super().total() + 100

ORIGIN = Point(1, 1)

def helper(depth=0): return LIMIT if depth else helper(1)
def decorated(function):
    @functools.wraps(function)
    def around(*args, **kwargs): return ("around", function(*args, **kwargs))
    return around
@functools.lru_cache
def cached(): return helper()
def maker(k):
    def inner(v): return v + k
    return inner
@task
def a_task(): ...
"""


def _dag(body: str, inside: str = "pass") -> str:
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    step = f"    def step(n=LIMIT, *, m: nowhere.M = [7]):\n{lines}\n"
    return f"{HEAD}\ndef dag():\n    {inside}\n{step}    return step\n"


@pytest.fixture(autouse=True)
def beside(tmp_path: Path) -> None:
    """A module beside the DAG file."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "beside.py").write_text("class Friend:\n    name = 'friend'\nVALUE = 4\n")


@pytest.mark.parametrize(
    ("body", "inside", "result"),
    [
        pytest.param("return 1", "pass", 1, id="00 nothing"),
        pytest.param("return [n, m]", "pass", [3, [7]], id="01 defaults"),
        pytest.param("x: nowhere.T = 1\nreturn x", "pass", 1, id="02 annotations"),
        pytest.param("import math\nreturn math.floor(1.5)", "pass", 1, id="10 its own import"),
        pytest.param("return json.dumps(1) + regex.sub('a', 'b', 'a')", "pass", "1b", id="11 imports of the file"),
        pytest.param("return os.path.join('a', 'b')", "pass", "a/b", id="12 a dotted import"),
        pytest.param("return xml.etree.ElementTree.__name__ + xml.dom.minidom.__name__", "",
                     "xml.etree.ElementTreexml.dom.minidom", id="13 two of one package"),
        pytest.param("return list(Ordered(a=1))", "pass", ["a"], id="14 from, renamed"),
        pytest.param("return beside.VALUE", "pass", 4, id="15 a module beside the DAG file"),
        pytest.param("return Friend.name", "pass", "friend", id="16 something of it"),
        pytest.param("return LIMIT", "pass", 3, id="20 a value of the file"),
        pytest.param("LOG.info('x'); return TABLE", "pass", {"a": [1, 2]}, id="21 a table, a logger"),
        pytest.param("return helper()", "pass", 3, id="22 a function of the file, recursive"),
        pytest.param("return double(4)", "pass", 8, id="23 a lambda of the file"),
        pytest.param("return cached()", "pass", 3, id="24 a decorated one"),
        pytest.param("return Color.RED.name", "pass", "RED", id="25 an enumeration"),
        pytest.param("return list(Pair(1, 2))", "pass", [1, 2], id="26 a named tuple"),
        pytest.param("return Point(1).total()", "pass", 7, id="30 a class, its default and method"),
        pytest.param("return Place(1).total()", "pass", 107, id="31 a subclass with super()"),
        pytest.param("return ORIGIN.total()", "pass", 5, id="32 an instance"),
        pytest.param("return [k, len(friends)]", "k = 5; friends = [Friend()]", [5, 1], id="40 variables around it"),
        pytest.param("return inner(1)", "k = 5; inner = maker(k)", 6, id="41 a function made by a function"),
        pytest.param("return other(2)", "\n    def other(v): return 2 * v\n", 4, id="42 a function around"),
        pytest.param("return c.json.dumps(1)", "import beside as c; c.json = json", "1", id="43 a module around"),
        pytest.param("return step(0) if n else 9", "pass", 9, id="44 itself"),
        pytest.param("return [LIMIT for _ in TABLE]", "pass", [3], id="50 a comprehension"),
        pytest.param("return [__name__[-4:], __file__[-6:]]", "pass", ["_dag", "dag.py"], id="51 its names"),
        pytest.param("global LIMIT\nLIMIT = LIMIT + 1\nreturn helper()", "pass", 4, id="52 a global that it sets"),
    ],
)  # fmt: skip
def test_what_a_function_uses_goes_with_it(answer, tmp_path: Path, body: str, inside: str, result):
    """Imports, functions, classes, values and variables around it are there, in an interpreter without packages."""
    if "c.json" in inside:
        (tmp_path / "dags" / "beside.py").write_text("import json\nclass Friend: pass\n")
    assert answer(_dag(body, inside)) == result


def test_functions_that_know_each_other(answer):
    """Two functions around the step may call each other."""
    text = """
    def dag():
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def step(): return [even(4), odd(4)]
        return step
    """
    assert answer(text) == [True, False]


def test_a_decorator_below_the_step_is_applied(answer):
    """What is written between `@task.step` and the function stays; what is above belongs to Airflow."""
    text = f"""{HEAD}
from airflow.sdk import dag as airflow_dag
@task
@decorated
def marked(): return helper()
step = marked.function
"""
    assert answer(text) == ["around", 3]


def test_an_async_function_is_run(answer):
    """A coroutine function's result is what it returns."""
    assert answer("import asyncio\nasync def step():\n    await asyncio.sleep(0)\n    return 1") == 1


@pytest.mark.parametrize(
    ("text", "says", "fix"),
    [
        pytest.param("step = lambda: 1", "is a lambda", "with def", id="00 a lambda"),
        pytest.param("def step(): yield 1", "is a generator", "Return a list", id="01 a generator"),
        pytest.param("import functools\nstep = functools.partial(print)", "is a lambda or callable object", "with def",
                     id="02 a callable object"),
        pytest.param(_dag("LOCK.acquire()"), "'LOCK' (_thread.lock)", "made inside the step", id="10 a lock"),
        pytest.param(_dag("return lines", "lines = (line for line in [])"), "'lines' (generator)",
                     "made inside the step", id="11 a generator"),
        pytest.param(_dag("return ASSET.name"), "'ASSET' (airflow.sdk.", "as an argument", id="12 an asset"),
        pytest.param(_dag("a_task()"), "calls 'a_task', which is a task", "in the DAG", id="13 a task"),
        pytest.param(_dag("return small(1)", "small = lambda v: v"), "'small', which is a lambda", "with def",
                     id="14 a lambda around it"),
        pytest.param(_dag("return Own", "\n    class Own: pass\n"), "the class 'Own' of a function around", "top level",
                     id="15 a class around it"),
        pytest.param(_dag("return pd.DataFrame()"), "uses 'pd' (import pandas, line 11 of", "packages=",
                     id="20 a package that is not there"),
        pytest.param(_dag("get_current_context()"), "'get_current_context' (from airflow.sdk", "run_id",
                     id="21 Airflow's context"),
    ],
)  # fmt: skip
def test_what_cannot_go_is_named(answer, text: str, says: str, fix: str):
    """The error names the variable and what to do."""
    with pytest.raises(StepError) as error:
        answer(text)
    assert says in error.value.message
    assert fix in error.value.fix


def test_a_traceback_has_the_files_lines(answer, tmp_path: Path):
    """File, line and text of the author's own lines are in what is raised, and nothing of how it was run."""
    text = """\
    def helper(n):
        return n / 0  # here

    def dag():
        def step():
            return helper(1)
        return step
    """
    with pytest.raises(ZeroDivisionError, match="division by zero") as error:
        answer(text)
    shown = "".join(traceback.format_exception(error.value)).partition("In the environment of step 'd.t':\n")[2]
    assert f'File "{tmp_path}/dags/dag.py", line 6, in step\n    return helper(1)' in shown
    assert f'File "{tmp_path}/dags/dag.py", line 2, in helper\n    return n / 0  # here' in shown
    assert "skyrail" not in shown


def test_context_inside_the_function_gets_a_hint(answer):
    """Asking Airflow for its context ends in the sentence that says what to do."""
    with pytest.raises(ModuleNotFoundError) as error:
        answer("def step():\n    from airflow.sdk import get_current_context\n    return get_current_context()")
    assert "logical_date, params" in "".join(error.value.__notes__)
