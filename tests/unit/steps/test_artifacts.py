"""Results are kept whole, or refused with a sentence."""

from __future__ import annotations

import ast
import datetime as dt
import io
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression

from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.blobs import BUILDING, CUT_OFF
from skyrail.steps.artifacts.formats import BY_NAME
from skyrail.steps.artifacts.store import MARK, Reference, Store
from skyrail.steps.values import pack, pack_elements, unpack


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


def put(store: Store, value: Any) -> Reference:
    return store.put(value, made_by="dag/run/task/-1/1", attempt="id")


FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2013-01-01", None])}, index=["r", "s"])


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param(FRAME, "parquet", id="00 a frame with its index and gaps"),
        pytest.param(pd.DataFrame({"a": []}), "parquet", id="01 a frame without rows"),
        pytest.param(pd.DataFrame({"a": pd.Categorical(["x", "y"])}), "parquet", id="02 categories"),
        pytest.param(pd.DataFrame([[1, 2]]), "pickle", id="03 a frame whose columns are no text"),
        pytest.param(pd.DataFrame({"a": [{1, 2}]}), "pickle", id="04 a frame of objects that Parquet refuses"),
        pytest.param(pd.Series([1.0, 2.0], name="s"), "pickle", id="05 a series"),
        pytest.param(np.arange(6).reshape(2, 3), "npy", id="10 an array"),
        pytest.param(np.array([{"a": 1}]), "pickle", id="11 an array of objects"),
        pytest.param([1] * 10, "json", id="20 plain values"),
        pytest.param({1: "a"}, "pickle", id="21 a dict whose keys are no text"),
    ],
)
def test_a_value_comes_back_as_it_was(store: Store, value: Any, form: str):
    """Each kind of value has its format, and nothing of it is lost."""
    reference = put(store, value)
    assert reference.format == form
    back = store.get(reference)
    assert type(back) is type(value)
    if isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(back, value)
    elif isinstance(value, pd.Series):
        pd.testing.assert_series_equal(back, value)
    elif isinstance(value, np.ndarray):
        np.testing.assert_array_equal(back, value)
    else:
        assert back == value


def test_a_model_comes_back(store: Store):
    """A fitted model predicts as before."""
    model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
    back = store.get(put(store, model))
    np.testing.assert_array_equal(back.predict_proba([[0.3]]), model.predict_proba([[0.3]]))


def test_equal_results_share_a_blob(store: Store):
    """What is made twice is kept once, under its SHA-256 and format."""
    one, two = put(store, FRAME), put(store, FRAME.copy())
    assert one == two
    assert one.uri == f"{store.url}/{one.sha256[:2]}/{one.sha256}.parquet"
    assert len([path for path in Path(store.url).rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        pytest.param((n for n in range(3)), "generator", id="00 a generator"),
        pytest.param(open(__file__), "TextIOWrapper", id="01 an open file"),  # noqa: SIM115, PTH123
        pytest.param(lambda: 1, "function", id="02 a lambda"),
    ],
)
def test_what_cannot_be_stored_is_said(store: Store, value: Any, kind: str):
    """The error names the type, the reason and what to return instead."""
    with pytest.raises(ArtifactError) as error:
        put(store, value)
    assert kind in error.value.message
    assert "Return plain data" in error.value.fix
    if hasattr(value, "close"):
        value.close()


def test_a_blob_that_is_gone_names_its_maker(store: Store):
    """Whoever reads it learns which attempt to repeat."""
    reference = put(store, FRAME)
    Path(reference.uri).unlink()
    with pytest.raises(ArtifactError, match=r"made by dag/run/task/-1/1, is gone") as error:
        store.get(reference)
    assert "Clear that task" in error.value.fix


def test_a_blob_that_was_changed_is_refused(store: Store):
    """A result is what was written, or an error."""
    reference = put(store, FRAME)
    Path(reference.uri).write_bytes(b"other")
    with pytest.raises(ArtifactError, match="is not what was written there"):
        store.get(reference)


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/proc/nowhere", id="00 a folder that cannot be made"),
        pytest.param("nosuch://bucket/x", id="10 an unknown protocol"),
    ],
)
def test_a_store_that_cannot_be_written_is_named(url: str):
    """The error says which store, and where to look."""
    with pytest.raises(ArtifactError) as error:
        put(Store(url), FRAME)
    assert url in error.value.message
    assert "[skyrail_tracking] store" in error.value.fix


def test_a_half_written_blob_is_never_seen(store: Store, tmp_path: Path):
    """Until it is complete, a blob has another name."""
    reference = put(store, FRAME)
    building = Path(reference.uri).with_name(f"{BUILDING}deadbeef")
    Path(reference.uri).rename(building)
    with pytest.raises(ArtifactError, match="is gone"):
        store.get(reference)
    assert put(store, FRAME) == reference
    assert store.get(reference).equals(FRAME)
    assert building.exists()


@pytest.mark.parametrize(
    ("age", "stays"),
    [
        pytest.param(CUT_OFF - 3600, True, id="00 written to within a day: somebody builds it"),
        pytest.param(CUT_OFF + 1, False, id="10 not for a day: who built it is gone"),
    ],
)
def test_what_a_killed_process_left_in_the_store(store: Store, age: int, stays: bool):
    """It is removed when a blob is written beside it; blobs are not, however old."""
    reference = put(store, FRAME)
    blob = Path(reference.uri)
    building, old = blob.with_name(f"{BUILDING}deadbeef"), blob.with_name("blob")
    blob.unlink()
    for path in (building, old):
        path.write_bytes(b"half")
        os.utime(path, times=(time.time() - age,) * 2)
    put(store, FRAME)
    assert building.exists() is stays
    assert old.exists()
    assert blob.exists()


# --- references that no step made ---


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.fixture
def trap(store: Store, tmp_path: Path) -> Reference:
    """A file that a step has stored, and whose content is a pickle that runs code."""
    content = pickle.dumps(Trap(tmp_path / "sprung"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(content)
    return store.keep(io.BytesIO(content), form="file", summary="x.bin", made_by="m", attempt="a")


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param({"format": "pickle"}, id="00 a file as a pickle"),
        pytest.param({"format": "mlflow"}, id="01 a file as a model"),
        pytest.param({"format": "pickle", "uri": "{store}/{two}/{sha256}.pickle.file"}, id="02 two formats"),
        pytest.param({"format": "nosuch", "uri": "{store}/{two}/{sha256}.nosuch"}, id="03 a format that there is not"),
        pytest.param({"format": "pickle", "uri": "{folder}/elsewhere"}, id="10 a file of this machine"),
        pytest.param({"format": "pickle", "uri": "{store}/../elsewhere"}, id="11 out of the store"),
        pytest.param({"format": "pickle", "uri": "http://127.0.0.1:1/x"}, id="12 another host"),
        pytest.param({"format": "pickle", "uri": "simplecache::file://{folder}/elsewhere"}, id="13 a chain of fsspec"),
        pytest.param({"uri": "{store}x/{two}/{sha256}.file"}, id="14 another store, with the right name"),
        pytest.param(
            {"sha256": "/../../elsewhere", "uri": "{store}//.//../../elsewhere.file"}, id="20 a hash that is a path"
        ),
        pytest.param({"sha256": "", "uri": "{store}//.file"}, id="21 no hash"),
    ],
)
def test_a_forged_reference_is_not_followed(store: Store, trap: Reference, tmp_path: Path, forge: dict[str, str]):
    """A dict that reaches a step through an API or a run's configuration loads nothing but what a step stored."""
    words = {"store": store.url, "folder": tmp_path, "sha256": trap.sha256, "two": trap.sha256[:2]}
    forged = replace(trap, **{key: text.format(**words) for key, text in forge.items()})  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="is not read: it is not where the artifact store") as error:
        unpack({"a": forged.to_xcom()}, "x", lambda _, reference: store.get(reference))
    assert "[skyrail_tracking] store was changed" in error.value.fix
    assert not (tmp_path / "sprung").exists()


def test_a_file_whose_format_is_forged_to_the_end_is_gone(store: Store, trap: Reference, tmp_path: Path):
    """Under the name of a pickle there is nothing, since no step stored one."""
    forged = replace(trap, format="pickle", uri=trap.uri.removesuffix("file") + "pickle")
    with pytest.raises(ArtifactError, match="is gone"):
        store.get(forged)
    assert not (tmp_path / "sprung").exists()


def test_equal_contents_of_two_formats_are_two_blobs(store: Store, tmp_path: Path):
    """Each is read in its own."""
    path = tmp_path / "plain.json"
    path.write_text("[1, 2]")
    one, two = put(store, [1, 2]), put(store, path)
    assert (one.sha256, one.format, two.format) == (two.sha256, "json", "file")
    assert store.get(one) == [1, 2]
    assert store.get(two).read_text() == "[1, 2]"


def test_a_store_that_was_moved_says_what_to_do(store: Store, tmp_path: Path):
    """Its old references are not followed to where it was."""
    reference = put(store, FRAME)
    with pytest.raises(ArtifactError, match="is not read") as error:
        Store(str(tmp_path / "new")).get(reference)
    assert "set it back, or clear that task" in error.value.fix
    assert Store(f"{store.url}/").get(reference).equals(FRAME)


def test_a_result_of_no_format_is_refused(store: Store):
    """A format is part of a blob's name: what another process says is not taken for one."""
    with pytest.raises(ArtifactError, match="unknown format"):
        store.keep(io.BytesIO(b"x"), form="../../x", summary="", made_by="m", attempt="a")
    assert not Path(store.url).exists()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"bytes": "9"}, id="00 a text for a number"),
        pytest.param({"format": ["pickle"]}, id="01 a list for a text"),
        pytest.param({"uri": None}, id="02 nothing for a text"),
        pytest.param({"more": "x"}, id="10 something more"),
    ],
)
def test_what_only_looks_like_a_reference_stays_a_dict(store: Store, change: dict[str, Any]):
    """It is somebody else's, and is handed on as it is."""
    given = put(store, FRAME).to_xcom()
    given[MARK].update(change)
    assert unpack(given, "x", lambda _, reference: store.get(reference)) == given


# --- what goes through the XCom ---

MARKED = {MARK: "stored"}


@dataclass
class Point:
    """A class of an author's."""

    x: int


class Stored:
    """Stands for a reference in the table below."""

    def to_xcom(self) -> Any:
        return MARKED


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(None, None, id="00 nothing"),
        pytest.param({"a": [1, "x", None, 2.5, True]}, {"a": [1, "x", None, 2.5, True]}, id="01 small plain values"),
        pytest.param("x" * 1000, MARKED, id="02 a text too large"),
        pytest.param(list(range(1000)), MARKED, id="03 a list too large"),
        pytest.param(FRAME, MARKED, id="10 a frame"),
        pytest.param(np.arange(3), MARKED, id="11 an array, however small"),
        pytest.param({"train": FRAME, "n": 3}, {"train": MARKED, "n": 3}, id="12 frames inside a dict"),
        pytest.param((FRAME, 1), [MARKED, 1], id="13 and inside a tuple"),
        pytest.param(dt.datetime(2013, 1, 1, tzinfo=dt.UTC), dt.datetime(2013, 1, 1, tzinfo=dt.UTC), id="20 a date"),
        pytest.param(np.int64(3), np.int64(3), id="21 a number of numpy"),
        pytest.param({1, 2}, {1, 2}, id="22 a small set"),
        pytest.param(float("nan"), MARKED, id="23 what is no JSON proper"),
        pytest.param(Point(1), MARKED, id="24 a class that Airflow writes and refuses to read"),
        pytest.param(LogisticRegression(), MARKED, id="30 a model"),
    ],
)
def test_what_goes_through_the_xcom(value: Any, expected: Any):
    """Small plain values as they are, everything else by reference."""
    assert pack(value, lambda _: Stored(), inline_bytes=300) == expected  # type: ignore[arg-type, return-value]


def test_a_list_that_is_expanded_over_stays_a_list():
    """A mapped task gets one instance an element, whatever the size of the list."""
    many = list(range(1000))
    assert pack_elements(many, lambda _: Stored(), inline_bytes=300) == many  # type: ignore[arg-type, return-value]
    arguments = [{"x": "y" * 1000, "n": 1}, FRAME]
    packed = pack_elements(arguments, lambda _: Stored(), inline_bytes=300)  # type: ignore[arg-type, return-value]
    assert packed == [{"x": MARKED, "n": 1}, MARKED]


def test_references_become_values_at_any_depth(store: Store):
    """A step gets what the step before returned, and the names say what was read."""
    packed = pack({"train": FRAME, "parts": [np.arange(3)], "n": 3}, lambda value: put(store, value), inline_bytes=300)
    json.dumps(packed)
    seen: list[str] = []

    def get(name: str, reference: Reference) -> Any:
        seen.append(name)
        return store.get(reference)

    back = unpack(packed, "data", get)
    assert back["train"].equals(FRAME)
    assert list(back["parts"][0]) == [0, 1, 2]
    assert back["n"] == 3
    assert seen == ["data.train", "data.parts.0"]


# --- models, frames of others, and what is large ---


def fitted() -> Any:
    return LogisticRegression().fit([[0.0], [1.0]], [0, 1])


def test_a_model_is_kept_in_mlflows_format(store: Store):
    """Equal models share a blob, whenever they were saved; what comes back is of its own class and predicts alike."""
    import mlflow.sklearn  # noqa: F401

    one, two = put(store, fitted()), put(store, fitted())
    assert one == two
    assert (one.format, one.summary) == ("mlflow", "LogisticRegression")
    back = store.get(one)
    assert type(back) is LogisticRegression
    np.testing.assert_array_equal(back.predict_proba([[0.3]]), fitted().predict_proba([[0.3]]))


@pytest.mark.parametrize(
    ("loaded", "form"),
    [
        pytest.param("import mlflow", "mlflow", id="00 where MLflow is loaded, by its flavor"),
        pytest.param("", "pickle", id="10 where it is not, by pickle: it would cost seconds"),
    ],
)
def test_how_a_model_is_kept(store: Store, loaded: str, form: str):
    """A small model's result costs no library that nobody asked for, and both ways are read anywhere."""
    program = f"""
{loaded}
from sklearn.linear_model import LogisticRegression
from skyrail.steps.artifacts.store import Store
model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
print(Store({store.url!r}).put(model, made_by="m", attempt="a").to_xcom())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    reference = Reference.from_xcom(ast.literal_eval(done.stdout))
    assert reference is not None
    assert reference.format == form
    np.testing.assert_array_equal(store.get(reference).predict([[0.3]]), [0])


def test_a_model_is_read_without_mlflow(store: Store, monkeypatch: pytest.MonkeyPatch):
    """In an environment of a step's own that has scikit-learn and no MLflow."""
    import mlflow.sklearn  # noqa: F401

    reference = put(store, fitted())
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert store.get(reference).predict([[0.3]]) == [0]


class Transformer(BaseEstimator):
    """An author's own, made of what scikit-learn has; it cannot be fitted and has no prediction."""

    def __init__(self, how: Any = None) -> None:
        self.how = how


def test_a_model_that_mlflow_refuses_is_pickled(store: Store, monkeypatch: pytest.MonkeyPatch):
    """What its flavor cannot save is kept all the same."""
    import mlflow.sklearn

    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no")

    monkeypatch.setattr(mlflow.sklearn, "save_model", refuse)
    reference = put(store, Transformer(3))
    assert reference.format == "pickle"
    assert store.get(reference).how == 3


def test_a_frame_of_polars_comes_back(store: Store):
    """As Parquet, and as a frame of polars."""
    frame = polars.DataFrame({"a": [1, None], "b": [["x"], []], "c": [dt.date(2013, 1, 1), None]})
    reference = put(store, frame)
    assert (reference.format, reference.summary) == ("polars", "2 rows, 3 columns")
    assert store.get(reference).equals(frame)


@pytest.mark.parametrize(
    ("make", "form"),
    [
        pytest.param("numpy.random.default_rng(0).random(SIZE // 8)", "npy", id="00 an array"),
        pytest.param(
            "pandas.DataFrame({str(n): numpy.random.default_rng(n).random(SIZE // 80) for n in range(10)})", "parquet",
            id="10 a frame",
        ),
        pytest.param("{1: numpy.random.default_rng(0).bytes(SIZE)}", "pickle", id="20 bytes inside something else"),
    ],
)  # fmt: skip
def test_a_large_result_is_never_in_memory_twice(tmp_path: Path, make: str, form: str):
    """300 MB are written, and fetched again, in a process that has room for them once."""
    program = f"""
import io, numpy, pandas, pyarrow.parquet, resource, fsspec.implementations.local
from skyrail.steps.artifacts.store import Store
SIZE = 300_000_000
store = Store({str(tmp_path / "store")!r})
store.put(pandas.DataFrame({{"a": [1.5]}}), made_by="m", attempt="a")  # whatever is loaded on first use

def held():
    status = dict(line.split(":", 1) for line in open("/proc/self/status") if ":" in line)
    return int(status["VmRSS"].split()[0]) * 1024, int(status["VmHWM"].split()[0]) * 1024

value = {make}
open("/proc/self/clear_refs", "w").write("5")
before, _ = held()
reference = store.put(value, made_by="m", attempt="a")
_, peak = held()
assert peak - before < SIZE // 2, (peak - before)
del value
open("/proc/self/clear_refs", "w").write("5")
before, _ = held()
with open({str(tmp_path / "back")!r}, "w+b") as file:
    store.fetch(reference, file)
_, peak = held()
assert peak - before < SIZE // 10, (peak - before)
print(reference.format, reference.bytes)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == form
    assert int(done.stdout.split()[1]) > 250_000_000


def test_no_room_for_a_temporary_file_is_said(store: Store):
    """On the way in and out: the sentence names the folder, and what else to use."""
    reference = put(store, np.arange(1000))
    program = f"""
import numpy, resource, signal
from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.store import Reference, Store
import fsspec.implementations.local
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))
store = Store({store.url!r})
for act in (lambda: store.put(numpy.arange(5000), made_by="m", attempt="a"),
            lambda: store.get(Reference(**{vars(reference)!r}))):
    try:
        act()
    except ArtifactError as error:
        assert "temporary folder" in error.message, error.message
        assert "TMPDIR" in error.fix, error.fix
    else:
        raise SystemExit("nothing was raised")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("form", "summary"),
    [
        pytest.param("file", "x.bin", id="00 a file"),
        pytest.param("folder", "x", id="10 a folder"),
        pytest.param("mlflow", "Model", id="20 a model"),
    ],
)
def test_no_room_for_a_local_copy_is_said(tmp_path: Path, form: str, summary: str):
    """The packages are not to blame, and nobody is told that they are."""
    content = tmp_path / "blob"
    if form == "file":
        content.write_bytes(b"x" * 5000)
    else:
        (tmp_path / "x").mkdir()
        (tmp_path / "x" / "data").write_bytes(b"x" * 5000)
        with content.open("wb") as file:
            BY_NAME["folder"].write(tmp_path / "x", file)
    program = f"""
import resource, signal
from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.store import Reference, read_value
import skyrail.tracking.flavors
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
with open({str(content)!r}, "rb") as file:
    try:
        read_value(Reference("uri", "", 0, {form!r}, {summary!r}, "m", "a"), file)
    except ArtifactError as error:
        assert "made by m, cannot be loaded here: A copy of it cannot be written" in error.message, error.message
        assert "TMPDIR" in error.fix, error.fix
    else:
        raise SystemExit("nothing was raised")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_copies_of_a_killed_process_are_removed_by_the_next(tmp_path: Path):
    """Those of a process that lives stay, also when it only sleeps."""
    program = """
import sys
from skyrail.steps.artifacts.copies import place
path = place("x")
path.write_text("copy")
path.parent.chmod(0o500)
print(path, flush=True)
sys.stdin.read()
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}

    def start(process: Any) -> Path:
        return Path(process.stdout.readline().strip())

    with (
        subprocess.Popen([sys.executable, "-c", program], **pipes) as killed,
        subprocess.Popen([sys.executable, "-c", program], **pipes) as living,
    ):
        left, used = start(killed), start(living)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        assert left.exists()
        with subprocess.Popen([sys.executable, "-c", program], **pipes) as following:
            mine = start(following)
            assert [path.exists() for path in (left, used, mine)] == [False, True, True]
    assert list(tmp_path.iterdir()) == []


def test_a_path_to_nothing_is_no_result(tmp_path: Path):
    """A step that forgot to write its file is told so, and not the one that comes after it."""
    with pytest.raises(ArtifactError, match="and there is nothing"):
        Store(str(tmp_path)).put(tmp_path / "model.bin", made_by="d/r/t/-1/1", attempt="a")
