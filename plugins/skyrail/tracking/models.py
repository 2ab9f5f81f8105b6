"""Models in MLflow's registry: register a candidate, compare it with the champion, promote it; with their history.

These functions are called from steps and talk to the tracking server at once, unlike what a step records: a decision
needs an answer. When the server is away they fail, so give such a step `retries`. Each writes its result once: a retry
or a cleared task finds what was written under the same Airflow task and goes on from there.

The registry has no compare-and-set, so let one DAG run at a time decide about a model (`max_active_runs=1`).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from skyrail.errors import TrackingError
from skyrail.metrics.registry import PROMOTIONS, VERDICTS, incr
from skyrail.tracking import names
from skyrail.tracking.flavors import load_probabilities, save
from skyrail.tracking.judgement import Comparison, judge, read_comparison, rule
from skyrail.tracking.registry import (
    DECISION,
    Registry,
    champion_of,
    decided_by,
    decision_id,
    exists,
    experiment_of,
    folder_sha256,
    history_run,
    lineage_of,
    make_candidate,
    run_of_attempt,
    version_of,
    write_history,
)

__all__ = ["Comparison", "champion", "compare", "predict", "promote", "register"]


def register(name: str, model: Any, *, example: Any = None, description: str = "") -> int:
    """Add a fitted model to the registry as its newest version and give it the alias `candidate`.

    Args:
        name: of the registered model; made when it is new.
        model: a fitted model of a library that MLflow has a flavor for.
        example: a few rows of input; when given, the model's signature is kept and later inputs are checked against it.
        description: of this version.

    Returns:
        The version's number.

    Raises:
        TrackingError: the model cannot be saved, or the server is away or refuses.
    """
    with Registry() as client, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save(model, path, example)
        lineage = lineage_of(model)
        content = lineage.get(names.MODEL_SHA256) or folder_sha256(path)
        decision = decision_id("register", name, content)
        if version := version_of(client, name, decision):
            make_candidate(client, name, version)
            return version
        experiment = experiment_of(client, name)
        tags = {**lineage, names.MODEL_SHA256: content, names.BY: decided_by(), DECISION: decision}
        run = run_of_attempt(client, lineage.get(names.ATTEMPT_ID, ""))
        logged = client.create_logged_model(experiment, name=name, source_run_id=run, tags=tags)
        client.log_model_artifacts(logged.model_id, str(path))
        client.finalize_logged_model(logged.model_id, "READY")
        if not exists(client, name):
            client.create_registered_model(name)
        created = client.create_model_version(
            name,
            source=f"models:/{logged.model_id}",
            run_id=run,
            tags=tags,
            description=description,
            model_id=logged.model_id,
            await_creation_for=0,  # our server has it at once; waiting only adds a line to the log
        )
        make_candidate(client, name, int(created.version))
        return int(created.version)


def champion(name: str) -> int | None:
    """Return the version that has the alias `champion`, or None.

    Raises:
        TrackingError: the server is away.
    """
    with Registry() as client:
        return champion_of(client, name)


def predict(name: str, version: int, rows: Any) -> Any:
    """Return a registered classifier's probabilities of the positive class, shape (rows,).

    Raises:
        TrackingError: the version does not exist, cannot be loaded, or the server is away.
    """
    with Registry() as client:
        return load_probabilities(client, name, version)(rows)


def compare(
    name: str,
    candidate: int,
    *,
    rows: Any,
    labels: Any,
    units: Sequence[Any],
    evaluated_on: str,
    baseline: float | None = None,
    margin: float = 0.01,
    confidence: float = 0.95,
) -> Comparison:
    """Compare a candidate with the champion on the same rows, and write the verdict into the model's history.

    Both models' logarithmic loss is taken row by row; the interval of the mean difference comes from a paired
    bootstrap over units. PASS when a loss increase of more than the margin is excluded, FAIL when the increase is
    surely larger than that, else INCONCLUSIVE. ERROR when there is too little to compare: never a FAIL.

    Args:
        name: of the registered model.
        candidate: version to judge.
        rows: input of both models, as a frame.
        labels: 0 or 1 for each row.
        units: what each row belongs to and is correlated within, such as its day.
        evaluated_on: the rows' name in the history, such as `2013-02`.
        baseline: probability that stands in for a champion when there is none; the candidate must then be better,
            by whatever amount, so the margin is 0.
        margin: share of the champion's loss that an increase may be.
        confidence: of the interval.

    Raises:
        TrackingError: the server is away, or a version cannot be loaded.
    """
    with Registry() as client:
        current = champion_of(client, name)
        decision = decision_id("compare", name, candidate, current, evaluated_on)
        if found := history_run(client, name, f"tags.`{DECISION}` = '{decision}'"):
            return read_comparison(found)
        if current == candidate:
            # Repeated after its promotion: what made it champion stands, and it cannot be judged by itself.
            passed = f"tags.`{names.CANDIDATE_VERSION}` = '{candidate}' and tags.`{names.VERDICT}` = 'PASS'"
            if found := history_run(client, name, passed):
                return read_comparison(found)
            raise TrackingError(
                f"Version {candidate} of {name!r} is the champion: there is nothing to compare it with.",
                fix="Register a new candidate.",
            )
        if current is None and baseline is None:
            raise TrackingError(
                f"Model {name!r} has no champion to compare version {candidate} with.",
                fix="Give `baseline`, the probability that someone without a model would name.",
            )
        outcome = judge(
            client, name, candidate, current, rows, labels, units, evaluated_on, baseline, margin, confidence
        )
        metrics = {
            key: float(value)
            for key in ("difference", "low", "high", "margin", "champion_loss", "candidate_loss", "rows", "units")
            if (value := getattr(outcome, key)) is not None
        }
        from skyrail.canary.statistics.paired import METHOD

        run = write_history(
            client,
            name,
            f"compare v{candidate} with {f'v{current}' if current else 'the baseline'} on {evaluated_on}",
            tags={
                names.KIND: names.COMPARISON,
                names.CANDIDATE_VERSION: str(candidate),
                names.CHAMPION_VERSION: str(current or ""),
                names.BASELINE: "" if current else f"always {baseline:.3f}",
                names.VERDICT: outcome.verdict,
                names.REASON: outcome.reason,
                names.EVALUATED_ON: evaluated_on,
                DECISION: decision,
            },
            params={
                "metric": "log loss (nats)",
                "method": METHOD,
                "confidence": str(confidence),
                "rule": rule(margin if current else 0.0),
            },
            metrics=metrics,
        )
        incr(VERDICTS, model=name, verdict=outcome.verdict)
        return Comparison(**{**asdict(outcome), "run": run})


def promote(comparison: Comparison) -> bool:
    """Move the alias `champion` to the candidate that passed, and write it into the history.

    Returns:
        True when the champion changed, False when this very promotion was done before.

    Raises:
        TrackingError: the verdict is not PASS, the champion is another than the one compared with, or the server is
            away.
    """
    if comparison.verdict != "PASS":
        raise TrackingError(
            f"Version {comparison.candidate_version} of {comparison.model!r} is not promoted: its comparison says "
            f"{comparison.verdict}. {comparison.reason}",
            fix="Promote after a comparison that says PASS.",
        )
    with Registry() as client:
        name, candidate = comparison.model, comparison.candidate_version
        decision = decision_id("promote", name, candidate, comparison.champion_version, comparison.run)
        current = champion_of(client, name)
        if history_run(client, name, f"tags.`{DECISION}` = '{decision}'"):
            return False
        if current not in (comparison.champion_version, candidate):
            raise TrackingError(
                f"Version {candidate} of {name!r} was compared with {_named(comparison.champion_version)}, but the "
                f"champion is now {_named(current)}.",
                fix="Clear the comparison so that it is made with today's champion.",
            )
        client.set_registered_model_alias(name, names.CHAMPION_ALIAS, str(candidate))
        aliases = client.get_registered_model(name).aliases
        if str(aliases.get(names.CANDIDATE_ALIAS, "")) == str(candidate):
            client.delete_registered_model_alias(name, names.CANDIDATE_ALIAS)
        write_history(
            client,
            name,
            f"promote v{candidate}",
            tags={
                names.KIND: names.PROMOTION,
                names.CANDIDATE_VERSION: str(candidate),
                names.CHAMPION_VERSION: str(comparison.champion_version or ""),
                names.COMPARISON_RUN: comparison.run,
                names.EVALUATED_ON: comparison.evaluated_on,
                names.REASON: comparison.reason,
                DECISION: decision,
            },
        )
        incr(PROMOTIONS, model=name)
        return True


def _named(version: int | None) -> str:
    return f"version {version}" if version else "nothing"
