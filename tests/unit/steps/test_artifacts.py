"""Results are kept whole, or refused with a sentence."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from skyrail.errors import ArtifactError
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
    """What is made twice is kept once, under its SHA-256."""
    one, two = put(store, FRAME), put(store, FRAME.copy())
    assert one == two
    assert one.uri.endswith(one.sha256)
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
    Path(reference.uri).rename(f"{reference.uri}.deadbeef")
    assert put(store, FRAME) == reference
    assert store.get(reference).equals(FRAME)


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
