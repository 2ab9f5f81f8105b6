"""Arguments and results cross whole, or as files; nothing is loaded that is not plain."""

from __future__ import annotations

import datetime
import decimal
import io
import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.steps.child.calls import BARE, dag_file, make_call, run_by

from skyrail.errors import ArtifactError, StepError
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.child import crossing, library, pickles
from skyrail.steps.child.job import prepare

UTC = datetime.UTC
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.datetimes()
    | st.decimals(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)
OURS = Path(sys.executable)
"""An interpreter with pandas and pyarrow."""


@given(PLAIN)
def test_plain_results_cross_whole(tmp_path_factory: pytest.TempPathFactory, value: Any):
    """What is plain comes back equal."""
    file = tmp_path_factory.mktemp("crossing") / "result"
    crossing.dump(value, file)
    assert crossing.load(file) == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(os.system, id="00 a function"),
        pytest.param(np.float64(1), id="10 a number of numpy"),
        pytest.param(Path("/"), id="20 a class of the standard library"),
    ],
)
def test_nothing_else_is_loaded(tmp_path: Path, value: Any):
    """A result's own pickle cannot make the task's process import or run anything."""
    (tmp_path / "result").write_bytes(pickle.dumps(value))
    with pytest.raises(pickle.UnpicklingError, match="is not plain data"):
        crossing.load(tmp_path / "result")


@pytest.mark.parametrize(
    ("value", "limit", "stays"),
    [
        pytest.param(datetime.datetime(2013, 1, 1, tzinfo=UTC), 1000, True, id="00 a time"),
        pytest.param(datetime.datetime(2013, 1, 1, tzinfo=ZoneInfo("Europe/Berlin")), 1000, False, id="01 of a zone"),
        pytest.param(decimal.Decimal("1.5"), 1000, True, id="02 a decimal"),
        pytest.param({1, "a", datetime.date(2013, 1, 1)}, 1000, True, id="10 a set"),
        pytest.param({(1, 2)}, 1000, False, id="11 a set of tuples"),
        pytest.param(set(range(1000)), 1000, False, id="12 a large set"),
        pytest.param(object(), 1000, False, id="20 anything else"),
    ],
)
def test_what_stays_itself(value: Any, limit: int, stays: bool):
    """Small values of the standard library go into the result, all others become files."""
    assert crossing.crosses(value, limit) is stays


def test_numbers_of_numpy_become_pythons():
    """A number made by one numpy is readable without it; arrays and dates stay."""
    plain = crossing.plain_numbers({"a": [np.float64(1.5), np.int32(2)], "b": (np.bool_(True),), "c": np.array([1])})
    assert json.dumps(plain["a"]) == "[1.5, 2]"
    assert plain["b"] == (True,)
    assert isinstance(plain["c"], np.ndarray)


@pytest.mark.parametrize(
    ("given", "there"),
    [
        pytest.param(pendulum.datetime(2013, 1, 1), datetime.datetime(2013, 1, 1, tzinfo=UTC), id="00 UTC"),
        pytest.param(pendulum.datetime(2013, 7, 1, tz="Europe/Berlin"),
                     datetime.datetime(2013, 7, 1, tzinfo=ZoneInfo("Europe/Berlin")), id="01 a zone"),
        pytest.param([pendulum.date(2013, 1, 1)], [datetime.date(2013, 1, 1)], id="10 a date, in a list"),
        pytest.param(pendulum.duration(days=1, hours=2), datetime.timedelta(days=1, hours=2), id="11 a duration"),
    ],
)  # fmt: skip
def test_airflows_times_become_pythons(tmp_path: Path, given: Any, there: Any):
    """What tasks get from Airflow is readable where there is neither Airflow nor pendulum."""
    place = pickles.Pickles("d.t", tmp_path).add("when", given, "dag")
    assert "pendulum" not in (tmp_path / place["pickle"]).read_bytes().decode("latin-1")
    assert pickles.load(tmp_path, place) == there


def test_large_buffers_are_files_of_their_own(tmp_path: Path):
    """An array is mapped from its file, not copied into a pickle, and can be written to there."""
    place = pickles.Pickles("d.t", tmp_path).add("x", np.arange(100_000.0), "dag")
    assert (tmp_path / place["pickle"]).stat().st_size < 1000
    assert [(tmp_path / name).stat().st_size for name in place["buffers"]] == [800_000]
    there = pickles.load(tmp_path, place)
    there[0] = 7
    assert there[:2].tolist() == [7, 1]
    assert pickles.load(tmp_path, place)[0] == 0


@pytest.mark.parametrize(
    ("body", "result"),
    [
        pytest.param("return None", None, id="00 nothing"),
        pytest.param("import datetime; return {'a': (1, datetime.date(2013, 1, 1))}",
                     {"a": [1, datetime.date(2013, 1, 1)]}, id="01 plain things"),
        pytest.param("return ['x' * 20000, 1]", ["json"], id="10 a large list is one object"),
        pytest.param("return {'a': object, 'b': 1}", {"a": "pickle", "b": 1}, id="11 a part of a dict"),
        pytest.param("from pathlib import Path; return [{'a': 'y' * 20000, 'b': Path(__file__)}]",
                     [{"a": "json", "b": "file"}], id="12 elements stay elements"),
    ],
)  # fmt: skip
def test_results(answer, body: str, result: Any):
    """Small plain things come back as they are, others as references to what was stored."""
    got = answer(f"def step():\n    {body}")
    if result == ["json"]:
        got = [got]
    assert _formats(got) == result


def _formats(value: Any) -> Any:
    if isinstance(value, Reference):
        return value.format
    if isinstance(value, dict):
        return {key: _formats(item) for key, item in value.items()}
    return [_formats(item) for item in value] if isinstance(value, list | tuple) else value


def test_stored_objects_are_read_from_their_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A reference among the arguments is its object there, each fetched once; a result is stored once."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    module = dag_file(tmp_path / "dags", "def step(frames, again): return frames['a'].x.sum().item(), again * 2\n")
    first = make_call(module.step, tmp_path)
    frame = first.capture.put("return_value", pd.DataFrame({"x": [1.0, 2.0]}))
    call = make_call(module.step, tmp_path, {"a": frame}, again=frame)
    total, doubled = run_by(OURS, call)
    assert total == 3.0
    assert len(list(call.folder.glob("input-*"))) == 1
    assert first.capture.store.get(doubled).x.tolist() == [2.0, 4.0]
    assert not list(call.folder.glob("output-*"))


def test_a_stored_object_that_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A blob is verified before the child reads it."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    module = dag_file(tmp_path / "dags", "def step(frame): return 1\n")
    reference = make_call(module.step, tmp_path).capture.put("return_value", list(range(9)))
    Path(reference.uri).write_bytes(b"[]")
    with pytest.raises(ArtifactError, match="is not what was written there"):
        prepare(make_call(module.step, tmp_path, reference), library=tmp_path)


def test_an_argument_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A frame for an interpreter without pandas: the error names the argument and what is missing."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    module = dag_file(tmp_path / "dags", "def step(rows): return 1\n")
    with pytest.raises(StepError, match=r"'rows' cannot be loaded .*No module named 'pandas'"):
        run_by(BARE, make_call(module.step, tmp_path, pd.DataFrame({"x": [1]})))
    stored = make_call(module.step, tmp_path).capture.put("return_value", pd.DataFrame({"x": [1]}))
    with pytest.raises(ArtifactError, match="No module named 'pandas'"):
        run_by(BARE, make_call(module.step, tmp_path, stored))


def test_context_that_is_plain_is_an_argument(tmp_path: Path):
    """Params and dates go along; what lives in the task's process is refused by name, or left out of `**context`."""
    from airflow.sdk.definitions.param import ParamsDict

    module = dag_file(
        tmp_path / "dags",
        "def step(ds, params, logical_date): return [ds, params, logical_date.year]\n"
        "def needy(ti): return 1\n"
        "def open_handed(**context): return sorted(context)\n",
    )
    context = {"ds": "2013-01-01", "params": ParamsDict({"n": 1}), "logical_date": pendulum.datetime(2013, 1, 1)}
    assert run_by(BARE, make_call(module.step, tmp_path, **context)) == ["2013-01-01", {"n": 1}, 2013]
    live = {"ti": ParamsDict.__mro__[0].__new__(type("TaskInstance", (), {"__module__": "airflow.sdk"}))}
    with pytest.raises(StepError, match="takes 'ti' from Airflow's context") as error:
        run_by(BARE, make_call(module.needy, tmp_path, **live))
    assert "logical_date" in error.value.fix
    assert run_by(BARE, make_call(module.open_handed, tmp_path, **context, **live)) == sorted(context)


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        pytest.param("raise KeyError('x')", KeyError, "'x'", id="00 a builtin"),
        pytest.param("raise Mine('x', 2)", "Mine", "('x', 2)", id="01 of the DAG file"),
        pytest.param("import sys; sys.exit(3)", SystemExit, "3", id="02 sys.exit"),
        pytest.param("import odd; raise odd.Odd('x')", StepError, "odd.Odd: x", id="10 unknown here"),
        pytest.param("raise Two('x', object())", StepError, "Two: ('x'", id="11 that cannot be made again"),
        pytest.param("return lambda: 1", ArtifactError, "cannot be stored", id="20 a result that cannot be stored"),
        pytest.param("import os; os._exit(0)", StepError, "without a result", id="30 gone without a word"),
    ],
)
def test_what_a_function_raises_is_raised(answer, tmp_path: Path, body: str, kind: Any, says: str):
    """The same exception where its class is known, and an error that says it all where not; the traceback with it."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "odd.py").write_text("class Odd(Exception): pass\n")
    with pytest.raises(BaseException) as error:
        answer(f"class Mine(Exception): pass\nclass Two(Exception): pass\ndef step():\n    {body}\n")
    assert type(error.value).__name__ == kind if isinstance(kind, str) else type(error.value) is kind
    assert says in str(error.value)
    if says in ("'x'", "odd.Odd: x"):
        assert "line 4, in step" in "".join(error.value.__notes__)


def test_a_large_result_is_never_whole_in_the_tasks_memory(tmp_path: Path):
    """A result of 400 MB goes through a process that may have 200 MB more than it has."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "dag.py").write_text("def step(n): return bytearray(n)\n")
    code = f"""
import os, resource, subprocess, sys, uuid
os.environ["AIRFLOW__SKYRAIL_TRACKING__STORE"] = {str(tmp_path / "store")!r}
sys.path.insert(0, {str(tmp_path / "dags")!r})
import dag
from pathlib import Path
from tests.unit.steps.child.calls import BARE, make_call
from skyrail.steps.child import library
from skyrail.steps.child.job import collect, prepare
call = make_call(dag.step, Path({str(tmp_path)!r}), 400_000_000)
import fsspec.implementations.local
child = [str(BARE), *prepare(call, library=library.make(call.folder / "library"))]
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
subprocess.run(child, check=True)
resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000,) * 2)
print(collect(call).bytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 400_000_000


def test_the_library_holds_skyrail_alone(tmp_path: Path):
    """A child finds Skyrail and MLflow's way to the spool, and no other plugin or package."""
    made = library.make(tmp_path / "library", copy=True)
    code = (
        "import sys; from importlib import metadata; sys.path.append(sys.argv[1])\n"
        "import skyrail; print(skyrail.__file__)\n"
        "print([(e.group, e.name) for e in metadata.distribution('skyrail').entry_points])"
    )
    done = subprocess.run([BARE, "-c", code, str(made)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        str(made / "skyrail" / "__init__.py"),
        "[('mlflow.tracking_store', 'skyrail-spool')]",
    ]
    assert {path.name for path in made.iterdir()} == {"skyrail", "skyrail-0.1.0.dist-info"}


def test_a_file_is_not_read_as_a_pickle_beside_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Each format of one content is fetched and checked: a forged reference borrows no other's file."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    module = dag_file(tmp_path / "dags", "def step(a, b): return 1\n")
    stored = make_call(module.step, tmp_path).capture.keep("x", io.BytesIO(b"x"), form="file", summary="x")
    with pytest.raises(ArtifactError, match="is not read"):
        prepare(make_call(module.step, tmp_path, stored, replace(stored, format="pickle")), library=tmp_path)
