"""Curves: few points, and no peak lost."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking.curves import LIMIT, SAMPLE, Curve, Point, finite, read, thin
from skyrail.tracking.mlflow_api import MlflowApi

VALUE = st.floats() | st.floats(min_value=-1e6, max_value=1e6)


@st.composite
def histories(draw: st.DrawFn) -> list[Point]:
    """Return histories of any length, made long by repeating what is drawn, so that drawing stays fast."""
    values = draw(st.lists(VALUE, min_size=1, max_size=40))
    length = draw(st.integers(1, 3000))
    marks = draw(st.lists(st.tuples(st.integers(0, length - 1), VALUE), max_size=5))
    whole = [values[index % len(values)] for index in range(length)]
    for index, value in marks:
        whole[index] = value
    return [Point(index, index * 10, value) for index, value in enumerate(whole)]


@given(histories(), st.integers(20, 700))
def test_thinning_keeps_what_matters(points: list[Point], limit: int):
    """Never too many points; in order; ends, extremes and gaps of the whole are there."""
    kept = thin(points, limit)
    assert len(kept) <= limit
    assert [point.step for point in kept] == sorted({point.step for point in kept})
    assert {point.step for point in kept} <= {point.step for point in points}
    assert (kept[0].step, kept[-1].step) == (points[0].step, points[-1].step)
    drawn = [point.value for point in points if finite(point.value)]
    left = [point.value for point in kept if finite(point.value)]
    if drawn:
        assert (min(left), max(left)) == (min(drawn), max(drawn))
    assert len(drawn) == len(points) or len(left) < len(kept)


@given(histories())
def test_every_bucket_keeps_its_first_last_smallest_and_largest(points: list[Point]):
    """Equally full buckets, as many as the limit allows."""
    if len(points) <= LIMIT:
        assert thin(points) == points
        return
    whole = all(finite(point.value) for point in points)
    buckets = LIMIT // (4 if whole else 5)
    kept = {point.step for point in thin(points)}
    for bucket in range(buckets):
        inside = points[bucket * len(points) // buckets : (bucket + 1) * len(points) // buckets]
        assert {inside[0].step, inside[-1].step} <= kept
        drawn = [point.value for point in inside if finite(point.value)]
        left = [point.value for point in inside if point.step in kept and finite(point.value)]
        assert not drawn or (min(left), max(left)) == (min(drawn), max(drawn))


def test_what_is_no_number_is_a_gap():
    """JSON has no NaN, and MLflow keeps infinity as the largest number."""
    largest = 1.7976931348623157e308
    points = tuple(Point(step, step, value) for step, value in enumerate((1.0, math.nan, -largest, math.inf, 2.0)))
    said = Curve("loss", points, 5, sampled=False, gaps=3).to_json()
    assert said["value"] == [1.0, None, None, None, 2.0]


@pytest.fixture(scope="module")
def client(mlflow_server: str) -> Any:
    """Return MLflow's own client."""
    from mlflow import MlflowClient

    return MlflowClient(mlflow_server)


def curve(server: str, run: str, steps: tuple[int, int] | None = None) -> Curve:
    """Read one curve."""

    async def whole() -> Curve:
        api = MlflowApi(server, seconds=60)
        try:
            return await read(api, run, "loss", steps=steps)
        finally:
            await api.close()

    return asyncio.run(whole())


def written(client: Any, values: list[float], step: Any) -> str:
    """Write a history; return its MLflow run."""
    from mlflow.entities import Metric

    experiment = client.get_experiment_by_name("curves")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment("curves")
    run = str(client.create_run(experiment_id).info.run_id)
    points = [Metric("loss", value, 1_000_000 + index, step(index)) for index, value in enumerate(values)]
    for begin in range(0, len(points), 1000):
        client.log_batch(run, metrics=points[begin : begin + 1000], synchronous=True)
    return run


@pytest.mark.parametrize(
    ("count", "step", "counted", "sampled"),
    [
        pytest.param(0, lambda index: index, 0, False, id="00 nothing"),
        pytest.param(1, lambda index: index, 1, False, id="10 one point"),
        pytest.param(SAMPLE - 1, lambda index: index, SAMPLE - 1, False, id="20 as many as MLflow gives"),
        pytest.param(6000, lambda index: index, 6000, False, id="30 more, read in pieces"),
        pytest.param(6000, lambda _: 0, SAMPLE, True, id="40 more, all of one step"),
        pytest.param(3000, lambda index: index * 1000, SAMPLE, True, id="50 more, over very many steps"),
    ],
)
def test_a_history_is_read_from_mlflow(
    mlflow_server: str, client: Any, count: int, step: Any, counted: int, sampled: bool
):
    """All of it where that is possible, else a sample that says so; the last point is always there."""
    values = [math.nan if index == 7 else 9.0 if index == 1234 else 0.5 for index in range(count)]
    found = curve(mlflow_server, written(client, values, step))
    assert (found.count, found.sampled) == (counted, sampled)
    assert len(found.points) <= LIMIT
    if count:
        assert (found.points[0].at, found.points[-1].at) == (1_000_000, 1_000_000 + count - 1)
    if not sampled and count > 1234:
        assert max(point.value for point in found.points if finite(point.value)) == 9.0
        assert found.gaps == 1


def test_a_part_of_a_history_has_more_of_its_points(mlflow_server: str, client: Any):
    """What a sample left out appears on zooming in."""
    run = written(client, [9.0 if index == 1501 else 0.5 for index in range(4000)], lambda index: index * 1000)
    part = curve(mlflow_server, run, steps=(1_400_000, 1_600_000))
    assert (part.count, part.sampled) == (201, False)
    assert max(point.value for point in part.points) == 9.0
