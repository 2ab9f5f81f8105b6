"""What a comparison of two models found, and how it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from skyrail.tracking import names
from skyrail.tracking.flavors import load_probabilities


@dataclass(frozen=True)
class Comparison:
    """What a comparison found. Losses are means over rows; `difference` is champion minus candidate, more is better."""

    model: str
    candidate_version: int
    champion_version: int | None
    """None: the candidate was compared with `baseline`, since there was no champion."""
    verdict: names.Verdict
    reason: str
    evaluated_on: str
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    margin: float | None = None
    champion_loss: float | None = None
    candidate_loss: float | None = None
    rows: int = 0
    units: int = 0
    run: str = ""
    """MLflow run that holds it."""


def judge(
    client: Any,
    name: str,
    candidate: int,
    current: int | None,
    rows: Any,
    labels: Any,
    units: Sequence[Any],
    evaluated_on: str,
    baseline: float | None,
    margin: float,
    confidence: float,
) -> Comparison:
    """Compare a candidate with the champion, or with a baseline, on the same rows. Writes nothing."""
    import numpy as np

    from skyrail.canary.statistics.paired import NotEnoughUnitsError, log_loss, paired_bootstrap, verdict

    truth = np.asarray(labels, dtype=float)
    if truth.size == 0:
        return Comparison(name, candidate, current, "ERROR", f"There are no rows of {evaluated_on}.", evaluated_on)
    old = load_probabilities(client, name, current)(rows) if current else np.full(truth.size, float(baseline or 0))
    old_loss, new_loss = log_loss(truth, old), log_loss(truth, load_probabilities(client, name, candidate)(rows))
    allowed = float(margin * old_loss.mean()) if current else 0.0
    try:
        interval = paired_bootstrap(old_loss - new_loss, np.asarray(units), confidence=confidence)
    except NotEnoughUnitsError as error:
        reason = f"Too little to judge by in {evaluated_on}: {error}."
        return Comparison(name, candidate, current, "ERROR", reason, evaluated_on, rows=truth.size)
    decided = verdict(interval, allowed)
    return Comparison(
        model=name,
        candidate_version=candidate,
        champion_version=current,
        verdict=decided,
        reason=_reason(decided, current, allowed),
        evaluated_on=evaluated_on,
        difference=interval.estimate,
        low=interval.low,
        high=interval.high,
        margin=allowed,
        champion_loss=float(old_loss.mean()),
        candidate_loss=float(new_loss.mean()),
        rows=interval.rows,
        units=interval.units,
    )


def _reason(verdict: str, current: int | None, margin: float) -> str:
    other = f"champion v{current}" if current else "baseline"
    if not current:
        return {
            "PASS": f"Better than the {other}: the whole interval is above zero.",
            "FAIL": f"Worse than the {other}: the whole interval is below zero.",
            "INCONCLUSIVE": f"Not shown to be better than the {other}: the interval includes zero.",
        }[verdict]
    return {
        "PASS": f"Not worse than {other} by more than {margin:.4f}: the whole interval is above -{margin:.4f}.",
        "FAIL": f"Worse than {other} by more than {margin:.4f}: the whole interval is below -{margin:.4f}.",
        "INCONCLUSIVE": f"Could be worse than {other} by more than {margin:.4f}: the interval reaches across that.",
    }[verdict]


def rule(margin: float) -> str:
    """Say the rule of a comparison with this margin, a share of the champion's loss."""
    if not margin:
        return "PASS when the interval's lower end is above 0"
    bound = f"-{margin:.0%} of the champion's loss"
    return f"PASS when the interval's lower end is above {bound}, FAIL when its upper end is below"


def read_comparison(run: Any) -> Comparison:
    """Return what a run of the history says."""
    tags, metrics = run.data.tags, run.data.metrics
    return Comparison(
        model=tags[names.MODEL],
        candidate_version=int(tags[names.CANDIDATE_VERSION]),
        champion_version=int(tags[names.CHAMPION_VERSION]) if tags.get(names.CHAMPION_VERSION) else None,
        verdict=tags[names.VERDICT],
        reason=tags[names.REASON],
        evaluated_on=tags[names.EVALUATED_ON],
        difference=metrics.get("difference"),
        low=metrics.get("low"),
        high=metrics.get("high"),
        margin=metrics.get("margin"),
        champion_loss=metrics.get("champion_loss"),
        candidate_loss=metrics.get("candidate_loss"),
        rows=int(metrics.get("rows", 0)),
        units=int(metrics.get("units", 0)),
        run=run.info.run_id,
    )
