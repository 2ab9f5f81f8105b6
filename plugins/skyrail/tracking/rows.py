"""What the record says, as plain rows: an attempt, a comparison, a promotion, a version of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from skyrail.tracking import names


@dataclass(frozen=True)
class ModelRef:
    """One version of a registered model."""

    name: str
    version: str


@dataclass(frozen=True)
class AttemptRow:
    """One attempt of a step."""

    mlflow_run: str
    experiment: str
    started: datetime
    ended: str
    seconds: float | None
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    values: Mapping[str, str]
    notices: Mapping[str, str]
    commit: str
    dirty: bool
    error: str
    airflow_path: str
    attempt_id: str = ""
    models: tuple[ModelRef, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonRow:
    """One comparison of a candidate with the champion, or with a baseline when there was none."""

    mlflow_run: str
    experiment: str
    at: datetime
    dag_id: str
    candidate: str
    champion: str
    baseline: str
    verdict: str
    reason: str
    evaluated_on: str
    by: str
    metric: str
    method: str
    confidence: str
    rule: str
    numbers: Mapping[str, float]


@dataclass(frozen=True)
class PromotionRow:
    """One move of the alias `champion`."""

    mlflow_run: str
    experiment: str
    at: datetime
    dag_id: str
    to_version: str
    from_version: str
    by: str
    reason: str
    comparison_run: str


@dataclass(frozen=True)
class VersionRow:
    """One version of a model."""

    version: str
    created: datetime
    mlflow_run: str
    attempt_id: str
    sha256: str
    aliases: tuple[str, ...]


@dataclass(frozen=True)
class ModelRow:
    """One registered model."""

    name: str
    updated: datetime
    latest: str
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def champion(self) -> str:
        """Return the champion's version, or nothing."""
        return self.aliases.get(names.CHAMPION_ALIAS, "")


def attempt(run: dict[str, Any]) -> AttemptRow:
    """Read an attempt from MLflow's JSON of its run."""
    info, tags, params, metrics = _parts(run)
    started = moment(info.get("start_time"))
    return AttemptRow(
        mlflow_run=info["run_id"],
        experiment=info["experiment_id"],
        started=started,
        ended=tags.get(names.ENDED) or "running",
        seconds=number(tags.get(names.SECONDS)),
        dag_id=tags.get(names.DAG_ID, ""),
        run_id=tags.get(names.RUN_ID, ""),
        task_id=tags.get(names.TASK_ID, ""),
        map_index=_integer(tags.get(names.MAP_INDEX), -1),
        try_number=_integer(tags.get(names.TRY_NUMBER), 1),
        # A step's own arguments tell more than what was given to the whole DAG run.
        params=dict(sorted(params.items(), key=lambda item: (item[0].startswith("params."), item[0]))),
        metrics=metrics,
        values=_with_prefix(tags, names.VALUE_PREFIX),
        notices=_with_prefix(tags, names.NOTICE_PREFIX),
        commit=tags.get(names.COMMIT, ""),
        dirty=tags.get(names.DIRTY) == "true",
        error=tags.get(names.ERROR, ""),
        airflow_path=_airflow_path(tags),
        attempt_id=tags.get(names.ATTEMPT_ID, ""),
        tags=tags,
    )


def comparison(run: dict[str, Any]) -> ComparisonRow:
    """Read a comparison from MLflow's JSON of its run."""
    info, tags, params, metrics = _parts(run)
    return ComparisonRow(
        mlflow_run=info["run_id"],
        experiment=info["experiment_id"],
        at=moment(info.get("start_time")),
        dag_id=_decided_in(tags),
        candidate=tags.get(names.CANDIDATE_VERSION, ""),
        champion=tags.get(names.CHAMPION_VERSION, ""),
        baseline=tags.get(names.BASELINE, ""),
        verdict=tags.get(names.VERDICT) or "ERROR",
        reason=tags.get(names.REASON, ""),
        evaluated_on=tags.get(names.EVALUATED_ON, ""),
        by=tags.get(names.BY, ""),
        metric=params.get("metric", ""),
        method=params.get("method", ""),
        confidence=params.get("confidence", ""),
        rule=params.get("rule", ""),
        numbers=metrics,
    )


def promotion(run: dict[str, Any]) -> PromotionRow:
    """Read a promotion from MLflow's JSON of its run."""
    info, tags, _, _ = _parts(run)
    return PromotionRow(
        mlflow_run=info["run_id"],
        experiment=info["experiment_id"],
        at=moment(info.get("start_time")),
        dag_id=_decided_in(tags),
        to_version=tags.get(names.CANDIDATE_VERSION, ""),
        from_version=tags.get(names.CHAMPION_VERSION, ""),
        by=tags.get(names.BY, ""),
        reason=tags.get(names.REASON, ""),
        comparison_run=tags.get(names.COMPARISON_RUN, ""),
    )


def version(item: dict[str, Any], aliases: Mapping[str, str]) -> VersionRow:
    """Read a version of a model from MLflow's JSON, with the aliases of its model."""
    tags = _pairs(item.get("tags"))
    number = str(item["version"])
    return VersionRow(
        version=number,
        created=moment(item.get("creation_timestamp")),
        mlflow_run=item.get("run_id", ""),
        attempt_id=tags.get(names.ATTEMPT_ID, ""),
        sha256=tags.get(names.MODEL_SHA256, ""),
        aliases=tuple(sorted(alias for alias, of in aliases.items() if of == number)),
    )


def model(item: dict[str, Any]) -> ModelRow:
    """Read a registered model from MLflow's JSON."""
    latest = max((int(v["version"]) for v in item.get("latest_versions", [])), default=0)
    return ModelRow(
        name=item["name"],
        updated=moment(item.get("last_updated_timestamp") or item.get("creation_timestamp")),
        latest=str(latest or ""),
        aliases={a["alias"]: str(a["version"]) for a in item.get("aliases", [])},
    )


def moment(milliseconds: Any) -> datetime:
    """Return the time of a Unix time stamp in milliseconds, as MLflow writes it."""
    return datetime.fromtimestamp(_integer(milliseconds, 0) / 1000, tz=UTC)


def _parts(run: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str], dict[str, str], dict[str, float]]:
    data = run.get("data", {})
    # MLflow writes numbers that JSON lacks as words: "NaN", "Infinity".
    metrics = {item["key"]: float(item["value"]) for item in data.get("metrics", []) if "value" in item}
    return run["info"], _pairs(data.get("tags")), _pairs(data.get("params")), metrics


def _pairs(items: list[dict[str, Any]] | None) -> dict[str, str]:
    return {item["key"]: item.get("value", "") for item in items or []}


def _with_prefix(tags: Mapping[str, str], prefix: str) -> dict[str, str]:
    return {name.removeprefix(prefix): value for name, value in tags.items() if name.startswith(prefix)}


def _decided_in(tags: Mapping[str, str]) -> str:
    """Return the DAG that decided, or nothing when a person did; BY is "dag/run/task" then."""
    if names.DAG_ID in tags:
        return tags[names.DAG_ID]
    by = tags.get(names.BY, "")
    return by.split("/")[0] if by.count("/") >= 2 else ""


def _airflow_path(tags: dict[str, str]) -> str:
    needed = (names.DAG_ID, names.RUN_ID, names.TASK_ID, names.TRY_NUMBER)
    return names.airflow_path(tags) if all(tags.get(name) for name in needed) else ""


def number(text: Any) -> float | None:
    """Return the finite number that a tag says, or None."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _integer(text: Any, otherwise: int) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        return otherwise
