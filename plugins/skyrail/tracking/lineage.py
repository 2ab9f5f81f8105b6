"""Lineage of an attempt, one level each way, and only what the reader may know of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from skyrail.tracking import names, rows
from skyrail.tracking.details import Detail, Made, made_of
from skyrail.tracking.filters import contains, exactly
from skyrail.tracking.mlflow_api import MlflowApi

MAX_ABOVE = 20
"""So many attempts, read without a stored input of theirs, are looked up."""
MAX_BELOW = 100
"""So many attempts that read a result are listed."""


@dataclass(frozen=True)
class Lineage:
    """Attempts whose results an attempt read, and attempts that read its results."""

    above: tuple[Made, ...]
    below: tuple[Made, ...]
    hidden_above: int
    """How many more there are which the reader may not read, or whose record is gone."""
    hidden_below: int
    more_below: bool


async def lineage(
    api: MlflowApi, detail: Detail, *, experiments: Mapping[str, str], readable: Collection[str]
) -> Lineage:
    """Return the lineage of an attempt. `experiments` are all of them, by name.

    Raises:
        TrackingError: MLflow does not answer.
    """
    # A stored input says itself who made it; who made a small value is looked up.
    known = {each.made.attempt_id: each.made for each in detail.inputs if each.made.dag_id}
    unknown = [each for each in detail.reads if each not in known]
    found, below = await asyncio.gather(
        asyncio.gather(*(_by_id(api, each, experiments) for each in unknown[:MAX_ABOVE])),
        _readers(api, detail.row.attempt_id, experiments),
    )
    above = [*known.values(), *(each for each in found if each is not None)]
    seen_above = [each for each in above if each.dag_id in readable]
    seen_below = [each for each in below[:MAX_BELOW] if each.dag_id in readable]
    return Lineage(
        above=tuple(seen_above),
        below=tuple(seen_below),
        hidden_above=len(known) + len(unknown) - len(seen_above),
        hidden_below=len(below[:MAX_BELOW]) - len(seen_below),
        more_below=len(below) > MAX_BELOW,
    )


async def _by_id(api: MlflowApi, attempt_id: str, experiments: Mapping[str, str]) -> Made | None:
    found = await _search(api, exactly(names.ATTEMPT_ID, attempt_id), experiments, 1)
    return found[0] if found else None


async def _readers(api: MlflowApi, attempt_id: str, experiments: Mapping[str, str]) -> list[Made]:
    if not attempt_id:
        return []
    return await _search(api, contains(names.READS, attempt_id), experiments, MAX_BELOW + 1)


async def _search(api: MlflowApi, clause: str, experiments: Mapping[str, str], size: int) -> list[Made]:
    answer = await api.post("runs/search", experiment_ids=list(experiments.values()), filter=clause, max_results=size)
    return [made_of(rows.attempt(run)) for run in answer.get("runs", [])]
