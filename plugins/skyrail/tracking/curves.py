"""Curves of metrics: few enough points to draw, chosen so that no peak is lost.

MLflow samples long histories in its database, 2,500 points at a time. What it gives is thinned here to `LIMIT` points,
with the minimum and maximum of every bucket kept (M4: Jugel et al., VLDB 2014).
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.tracking.mlflow_api import MlflowApi

LIMIT = 500
"""So many points a series are sent to a browser at most."""
SAMPLE = 2500
"""So many points MLflow gives of one history at most; it takes one from each of so many equally full buckets."""
EXACT_STEPS = 20_000
"""Histories over so many steps are read in pieces, so that no point is left out."""
SECONDS = 60.0
"""How long MLflow may take: it sorts a whole history for a sample, seconds for a million points."""


@dataclass(frozen=True)
class Point:
    """One value of a metric. `at` is Unix milliseconds."""

    step: int
    at: int
    value: float


@dataclass(frozen=True)
class Curve:
    """A metric's history, thinned."""

    metric: str
    points: tuple[Point, ...]
    count: int
    """How many points there are, or were looked at when `sampled`."""
    sampled: bool
    """Whether MLflow gave a sample: a peak between two points of it is missing."""
    gaps: int
    """How many of the points looked at are not a number or infinite."""

    def to_json(self) -> dict[str, Any]:
        """Return it as columns, with None for what is not a finite number."""
        return {
            "metric": self.metric,
            "step": [point.step for point in self.points],
            "at": [point.at for point in self.points],
            "value": [point.value if finite(point.value) else None for point in self.points],
            "count": self.count,
            "sampled": self.sampled,
            "gaps": self.gaps,
        }


def finite(value: float) -> bool:
    """Return whether a value can be drawn. MLflow keeps infinity as the largest number."""
    return math.isfinite(value) and abs(value) < sys.float_info.max


def thin(points: Sequence[Point], limit: int = LIMIT) -> list[Point]:
    """Return at most `limit` points, in their order: of every bucket the first, the last, the smallest, the largest.

    Buckets hold equally many points. A bucket with values that are no finite numbers keeps the first of these too, so
    that the gap shows.
    """
    if len(points) <= limit:
        return list(points)
    whole = all(finite(point.value) for point in points)
    buckets = limit // (4 if whole else 5)
    kept: list[Point] = []
    for bucket in range(buckets):
        begin, end = bucket * len(points) // buckets, (bucket + 1) * len(points) // buckets
        drawn = [index for index in range(begin, end) if finite(points[index].value)]
        chosen = {begin, end - 1}
        if drawn:
            chosen |= {min(drawn, key=lambda i: points[i].value), max(drawn, key=lambda i: points[i].value)}
        if len(drawn) < end - begin:
            chosen.add(next(index for index in range(begin, end) if not finite(points[index].value)))
        kept += [points[index] for index in sorted(chosen)]
    return kept


async def read(api: MlflowApi, run: str, metric: str, *, steps: tuple[int, int] | None = None) -> Curve:
    """Return the curve of a metric of an MLflow run, or the part of it between two steps, both included.

    Raises:
        TrackingError: MLflow does not answer.
    """
    points = await _history(api, run, metric, steps)
    sampled = len(points) >= SAMPLE
    if sampled and (span := points[-1].step - points[0].step + 1) <= EXACT_STEPS and span > 1:
        # In pieces of so many steps MLflow has nothing to leave out, when each step has one point.
        pieces = [(begin, begin + SAMPLE - 2) for begin in range(points[0].step, points[-1].step + 1, SAMPLE - 1)]
        found = await asyncio.gather(*(_history(api, run, metric, piece) for piece in pieces))
        if all(len(piece) < SAMPLE for piece in found):
            points, sampled = [point for piece in found for point in piece], False
    return Curve(
        metric=metric,
        points=tuple(thin(points)),
        count=len(points),
        sampled=sampled,
        gaps=sum(not finite(point.value) for point in points),
    )


async def _history(api: MlflowApi, run: str, metric: str, steps: tuple[int, int] | None) -> list[Point]:
    between = {} if steps is None else {"start_step": str(steps[0]), "end_step": str(steps[1])}
    answer = await api.get(
        "metrics/get-history-bulk-interval",
        seconds=SECONDS,
        run_ids=run,
        metric_key=metric,
        max_results=SAMPLE,
        **between,
    )
    return [
        Point(int(item.get("step", 0)), int(item.get("timestamp", 0)), float(item.get("value", 0)))
        for item in answer.get("metrics", [])
    ]
