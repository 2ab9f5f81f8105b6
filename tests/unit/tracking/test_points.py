"""What a metric line means."""

from __future__ import annotations

import math
import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skyrail.tracking.points import Line, metric_name, shown, understand


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param({"loss": 0.5}, Line(0, {"loss": 0.5}), id="00 a number is a point"),
        pytest.param({"ok": True, "bad": False}, Line(0, {"ok": 1.0, "bad": 0.0}), id="01 true is 1, false 0"),
        pytest.param({"loss": 0.5, "step": 7}, Line(7, {"loss": 0.5}), id="10 step is the x-axis"),
        pytest.param({"loss": 0.5, "epoch": 7}, Line(7, {"loss": 0.5}), id="11 so is epoch"),
        pytest.param({"loss": 1, "epoch": 2, "step": 7}, Line(7, {"loss": 1.0, "epoch": 2.0}), id="12 step goes first"),
        pytest.param({"loss": 1, "step": "a"}, Line(0, {"loss": 1.0}, {"step": "a"}), id="13 a step that is none"),
        pytest.param({"loss": 1, "step": 1.5}, Line(0, {"loss": 1.0, "step": 1.5}), id="14 nor is a half step"),
        pytest.param({"loss": 1, "step": 2**70}, Line(0, {"loss": 1.0, "step": 2.0**70}), id="15 nor one too large"),
        pytest.param({"val": {"auc": 0.9, "n": {"x": 1}}}, Line(0, {"val.auc": 0.9, "val.n.x": 1.0}), id="20 nested"),
        pytest.param(
            {"name": "a", "m": [[1, 2]]}, Line(0, {}, {"name": "a", "m": [[1, 2]]}), id="21 others are values"
        ),
        pytest.param({"none": None}, Line(0, {}, {"none": None}), id="22 null is a value"),
        pytest.param({"big": 10**400}, Line(0, {}, {"big": 10**400}), id="23 beyond a float is a value"),
        pytest.param({}, Line(), id="30 nothing says nothing"),
        pytest.param({"loss": 1, "_step": 7, "step": 2}, Line(7, {"loss": 1.0, "step": 2.0}), id="40 _step goes first"),
        pytest.param({"loss": 1, "_time": "2013-01-01T00:00:00"}, Line(0, {"loss": 1.0}), id="41 _time is nothing"),
        pytest.param({"loss": 1, "_time": 1.5}, Line(0, {"loss": 1.0}), id="42 nor as a number"),
        pytest.param({"vh_metadata": {"auc": 0.9, "step": 3}}, Line(3, {"auc": 0.9}), id="50 Valohai's wrapper"),
        pytest.param({"skyrail": {"auc": 0.9}, "level": "info", "n": 1},
                     Line(0, {"auc": 0.9, "n": 1.0}, {"level": "info"}), id="51 Skyrail's, beside other things"),
        pytest.param({"skyrail": 1}, Line(0, {"skyrail": 1.0}), id="52 a number of that name is one"),
        pytest.param({"skyrail": {}}, Line(), id="53 an empty one"),
        pytest.param({"a": {"skyrail": {"b": 1}}}, Line(0, {"a.skyrail.b": 1.0}), id="54 only on the line itself"),
    ],
)  # fmt: skip
def test_a_line_is_taken_apart(line: dict[str, Any], expected: Line):
    """Numbers become points, the axis their step, everything else values."""
    assert understand(line) == expected


def test_nan_and_infinity_are_kept():
    """A loss that exploded is on record."""
    numbers = understand({"a": math.nan, "b": math.inf, "c": -math.inf}).numbers
    assert math.isnan(numbers["a"])
    assert (numbers["b"], numbers["c"]) == (math.inf, -math.inf)


@pytest.mark.parametrize(
    ("kept", "logged"),
    [
        pytest.param(1.5, 1.5, id="00 a number"),
        pytest.param(1.7976931348623157e308, math.inf, id="10 infinity, as MLflow's databases keep it"),
        pytest.param(-1.7976931348623157e308, -math.inf, id="11 likewise below"),
    ],
)
def test_what_mlflow_gives_back_is_what_was_logged(kept: float, logged: float):
    """Its databases have no infinity; who reads it there gets it back."""
    assert shown(kept) == logged


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("val/loss-1.a b", "val/loss-1.a b", id="00 what MLflow takes stays"),
        pytest.param("acc@5 (%)", "acc_5 ___", id="10 other characters become _"),
        pytest.param("/abs//../x", "abs/x", id="11 names are paths that do not climb"),
        pytest.param("x" * 300, "x" * 250, id="12 long names are cut"),
        pytest.param("", "unnamed", id="13 an empty name gets one"),
    ],
)
def test_names_fit_mlflow(name: str, expected: str):
    """Any name becomes the nearest one that MLflow takes."""
    assert metric_name(name) == expected


@settings(suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault of the reader's
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
).filter(lambda value: isinstance(value, dict)))  # fmt: skip
def test_no_line_breaks_the_reader(line: dict[str, Any]):
    """Whatever JSON a step prints is understood somehow, with names that MLflow takes."""
    understood = understand(line)
    for name in understood.numbers | understood.values:
        assert 0 < len(name) <= 250
        assert not name.startswith("/")
        assert set(name) & set(string.punctuation) <= set("_.-:/")
