"""Models in MLflow's registry: register a candidate, compare it with the champion, promote it; with their history.

These functions are called from steps and talk to the tracking server at once, unlike what a step records: a decision
needs an answer. When the server is away they fail, so give such a step `retries`. Each writes its result once: a retry
or a cleared task finds what was written under the same Airflow task and goes on from there.

The registry has no compare-and-set, so let one DAG run at a time decide about a model (`max_active_runs=1`).
"""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from skyrail.errors import TrackingError
from skyrail.metrics.registry import PROMOTIONS, VERDICTS, incr
from skyrail.settings import TrackingSettings, load
from skyrail.tracking import names
from skyrail.tracking.flavors import load_probabilities, save

DECISION = "skyrail.decision"
"""Tag with the hash of what a decision is about: the same decision is never written twice."""


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
    with _registry() as client, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        save(model, path, example)
        lineage = _lineage(model)
        content = lineage.get(names.MODEL_SHA256) or _folder_sha256(path)
        decision = _decision("register", name, content)
        if version := _version_of(client, name, decision):
            _make_candidate(client, name, version)
            return version
        experiment = _experiment(client, name)
        tags = {**lineage, names.MODEL_SHA256: content, names.BY: _by(), DECISION: decision}
        run = _run_of_attempt(client, lineage.get(names.ATTEMPT_ID, ""))
        logged = client.create_logged_model(experiment, name=name, source_run_id=run, tags=tags)
        client.log_model_artifacts(logged.model_id, str(path))
        client.finalize_logged_model(logged.model_id, "READY")
        if not _exists(client, name):
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
        _make_candidate(client, name, int(created.version))
        return int(created.version)


def champion(name: str) -> int | None:
    """Return the version that has the alias `champion`, or None.

    Raises:
        TrackingError: the server is away.
    """
    with _registry() as client:
        return _champion(client, name)


def predict(name: str, version: int, rows: Any) -> Any:
    """Return a registered classifier's probabilities of the positive class, shape (rows,).

    Raises:
        TrackingError: the version does not exist, cannot be loaded, or the server is away.
    """
    with _registry() as client:
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
    with _registry() as client:
        current = _champion(client, name)
        decision = _decision("compare", name, candidate, current, evaluated_on)
        if found := _history_run(client, name, f"tags.`{DECISION}` = '{decision}'"):
            return _read_comparison(found)
        if current == candidate:
            # Repeated after its promotion: what made it champion stands, and it cannot be judged by itself.
            passed = f"tags.`{names.CANDIDATE_VERSION}` = '{candidate}' and tags.`{names.VERDICT}` = 'PASS'"
            if found := _history_run(client, name, passed):
                return _read_comparison(found)
            raise TrackingError(
                f"Version {candidate} of {name!r} is the champion: there is nothing to compare it with.",
                fix="Register a new candidate.",
            )
        if current is None and baseline is None:
            raise TrackingError(
                f"Model {name!r} has no champion to compare version {candidate} with.",
                fix="Give `baseline`, the probability that someone without a model would name.",
            )
        outcome = _judge(
            client, name, candidate, current, rows, labels, units, evaluated_on, baseline, margin, confidence
        )
        metrics = {
            key: float(value)
            for key in ("difference", "low", "high", "margin", "champion_loss", "candidate_loss", "rows", "units")
            if (value := getattr(outcome, key)) is not None
        }
        from skyrail.canary.statistics.paired import METHOD

        run = _write_history(
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
                "rule": _rule(margin if current else 0.0),
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
    with _registry() as client:
        name, candidate = comparison.model, comparison.candidate_version
        decision = _decision("promote", name, candidate, comparison.champion_version, comparison.run)
        current = _champion(client, name)
        if _history_run(client, name, f"tags.`{DECISION}` = '{decision}'"):
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
        _write_history(
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


# --- the judgement ---


def _judge(
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
        "PASS": f"Not worse than {other} by more than {margin:.4f}: the whole interval is above that.",
        "FAIL": f"Worse than {other} by more than {margin:.4f}: the whole interval is below that.",
        "INCONCLUSIVE": f"Could be worse than {other} by more than {margin:.4f}: the interval reaches across that.",
    }[verdict]


def _rule(margin: float) -> str:
    if not margin:
        return "PASS when the interval's lower end is above 0"
    bound = f"-{margin:.0%} of the champion's loss"
    return f"PASS when the interval's lower end is above {bound}, FAIL when its upper end is below"


def _named(version: int | None) -> str:
    return f"version {version}" if version else "nothing"


# --- the registry ---


class _registry:  # noqa: N801 -- reads as the function it is used as
    """Give MLflow's client of the server, and turn its errors into sentences."""

    def __enter__(self) -> Any:
        from mlflow import MlflowClient

        self._server = load(TrackingSettings).server
        return MlflowClient(tracking_uri=self._server, registry_uri=self._server)

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        from mlflow.exceptions import MlflowException

        if isinstance(error, MlflowException):
            raise TrackingError(
                f"The tracking server {self._server} could not do it: {str(error).partition(chr(10))[0][:300]}",
                fix="If it is away, this task goes on where it was when it is retried.",
            ) from error


def _champion(client: Any, name: str) -> int | None:
    if not _exists(client, name):
        return None
    version = client.get_registered_model(name).aliases.get(names.CHAMPION_ALIAS)
    return int(version) if version else None


def _exists(client: Any, name: str) -> bool:
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def _version_of(client: Any, name: str, decision: str) -> int | None:
    quote = '"' if "'" in name else "'"
    found = client.search_model_versions(f"name = {quote}{name}{quote} and tags.`{DECISION}` = '{decision}'")
    return int(found[0].version) if found else None


def _make_candidate(client: Any, name: str, version: int) -> None:
    """Give a version the alias `candidate`, unless it is champion or a newer one has it."""
    aliases = client.get_registered_model(name).aliases
    if int(aliases.get(names.CANDIDATE_ALIAS, 0)) < version != int(aliases.get(names.CHAMPION_ALIAS, 0)):
        client.set_registered_model_alias(name, names.CANDIDATE_ALIAS, str(version))


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(names.model_experiment(name))
    return found.experiment_id if found else client.create_experiment(names.model_experiment(name))


def _history_run(client: Any, name: str, query: str) -> Any:
    """Return the newest entry that fits; an entry counts once it is complete."""
    found = client.search_runs(
        [_experiment(client, name)],
        f"{query} and attributes.status = 'FINISHED'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return found[0] if found else None


def _write_history(
    client: Any,
    name: str,
    run_name: str,
    tags: dict[str, str],
    params: dict[str, str] | None = None,
    metrics: dict[str, float] | None = None,
) -> str:
    """Write one entry. It counts once it is FINISHED, so one that was cut off is written anew."""
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    all_tags = {names.MODEL: name, names.BY: _by(), **tags}
    run = client.create_run(_experiment(client, name), start_time=now, run_name=run_name, tags=all_tags).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(key, value, now, 0) for key, value in (metrics or {}).items()],
        params=[Param(key, value) for key, value in (params or {}).items()],
    )
    client.update_run(run, status="FINISHED")
    return str(run)


def _read_comparison(run: Any) -> Comparison:
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


# --- who and from what ---


def _by() -> str:
    from skyrail.steps.capture import current

    capture = current()
    if capture is None:
        import getpass

        return f"{getpass.getuser()} by hand"
    return "/".join(capture.identity[part] for part in (names.DAG_ID, names.RUN_ID, names.TASK_ID))


def _decision(*about: Any) -> str:
    """Identify a decision by what it is about and, in a step, by the task that takes it (whatever the try)."""
    return hashlib.sha256(repr((_by(), *about)).encode()).hexdigest()


def _lineage(model: Any) -> dict[str, str]:
    from skyrail.steps.capture import current

    capture = current()
    if capture is None:
        return {}
    for value, reference in capture.inputs:
        if value is model:
            return {names.ATTEMPT_ID: reference.attempt, names.MODEL_SHA256: reference.sha256}
    return {names.ATTEMPT_ID: capture.identity[names.ATTEMPT_ID]}  # trained in the step that registers it


def _run_of_attempt(client: Any, attempt: str) -> str | None:
    """Return the MLflow run of an attempt, if the flusher has sent it by now."""
    if not attempt:
        return None
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    found = client.search_runs(experiments, f"tags.`{names.ATTEMPT_ID}` = '{attempt}'", max_results=1)
    return found[0].info.run_id if found else None


def _folder_sha256(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "MLmodel":  # which holds the time
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
