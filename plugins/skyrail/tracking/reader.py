"""Read the record for the pages: attempts of steps, and the history of models. Nothing here writes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from skyrail.tracking import names, rows
from skyrail.tracking.mlflow_api import MlflowApi, NotRecordedError, quoted
from skyrail.tracking.rows import AttemptRow, ComparisonRow, ModelRef, ModelRow, PromotionRow, VersionRow

MAX_EXPERIMENTS = 5000
MAX_MODELS = 200
MAX_VERSIONS = 200
MAX_HISTORY = 200
"""So much of a list is shown at most; MLflow's own pages show the rest."""


@dataclass(frozen=True)
class Attempts:
    """One page of attempts, newest first, and the token of the next."""

    rows: tuple[AttemptRow, ...]
    older: str
    dag_ids: tuple[str, ...]
    """Every DAG with a record, for the filter."""


@dataclass(frozen=True)
class ModelHistory:
    """Everything recorded about one model, newest first."""

    model: ModelRow
    versions: tuple[VersionRow, ...]
    events: tuple[ComparisonRow | PromotionRow, ...]


class TrackingReader:
    """Answer the pages' questions, for DAGs that the reader may see. Raises `TrackingError` when MLflow is away."""

    def __init__(self, server: str, *, seconds: float = 10.0) -> None:
        self._api = MlflowApi(server, seconds=seconds)

    async def close(self) -> None:
        """Close the connections to MLflow."""
        await self._api.close()

    async def attempts(
        self, readable: Collection[str], *, dag_id: str = "", page: str = "", size: int = 50
    ) -> Attempts:
        """Return a page of attempts of readable DAGs, or of one of them.

        Raises:
            TrackingError: MLflow does not answer.
        """
        found = await self._api.pages("experiments/search", "experiments", limit=MAX_EXPERIMENTS, max_results=1000)
        experiments = {item["name"]: item["experiment_id"] for item in found if item["name"] in readable}
        wanted = [experiments[name] for name in experiments if not dag_id or name == dag_id]
        dag_ids = tuple(sorted(experiments))
        if not wanted:
            return Attempts((), "", dag_ids)
        answer = await self._api.post(
            "runs/search",
            experiment_ids=wanted,
            filter=f"tags.`{names.KIND}` = '{names.ATTEMPT}'",
            order_by=["attributes.start_time DESC"],
            max_results=size,
            page_token=page,
        )
        # The experiment's name is a promise, the tag is the record: both must be of a readable DAG.
        found_rows = [row for row in map(rows.attempt, answer.get("runs", [])) if row.dag_id in readable]
        return Attempts(await self._with_models(found_rows), answer.get("next_page_token", ""), dag_ids)

    async def models(self) -> tuple[ModelRow, ...]:
        """Return the registered models, the one that changed last first.

        Raises:
            TrackingError: MLflow does not answer.
        """
        found = await self._api.pages(
            "registered-models/search", "registered_models", limit=MAX_MODELS, max_results=100
        )
        return tuple(sorted(map(rows.model, found), key=lambda row: row.updated, reverse=True))

    async def model(self, name: str, readable: Collection[str]) -> ModelHistory | None:
        """Return a model with its versions and history, or None when there is no such model.

        Raises:
            TrackingError: MLflow does not answer.
        """
        if set(name) & {"/", ":"}:  # MLflow has no such names, and says so with another error
            return None
        try:
            named = f"name = {quoted(name)}"
            item, versions, events = await asyncio.gather(
                self._api.get("registered-models/get", name=name),
                self._api.pages(
                    "model-versions/search",
                    "model_versions",
                    limit=MAX_VERSIONS,
                    filter=named,
                    order_by="version_number DESC",
                    max_results=100,
                ),
                self._events(name),
            )
        except NotRecordedError:
            return None
        model = rows.model(item["registered_model"])
        found = tuple(rows.version(each, model.aliases) for each in versions)
        # A person's decision belongs to no DAG; the page itself is refused to those who may not see the record.
        return ModelHistory(model, found, tuple(e for e in events if not e.dag_id or e.dag_id in readable))

    async def _events(self, model: str) -> list[ComparisonRow | PromotionRow]:
        try:
            experiment = await self._api.get("experiments/get-by-name", experiment_name=names.model_experiment(model))
        except NotRecordedError:
            return []
        answer = await self._api.post(
            "runs/search",
            experiment_ids=[experiment["experiment"]["experiment_id"]],
            order_by=["attributes.start_time DESC"],
            max_results=MAX_HISTORY,
        )
        return [event for run in answer.get("runs", []) if (event := _event(run)) is not None]

    async def _with_models(self, attempts: list[AttemptRow]) -> tuple[AttemptRow, ...]:
        if not attempts:
            return ()
        by_run = ", ".join(quoted(row.mlflow_run) for row in attempts)
        # A version knows the attempt that trained it by tag, and MLflow's run where it was logged by autologging.
        linked, newest = await asyncio.gather(
            self._api.get("model-versions/search", filter=f"run_id IN ({by_run})", max_results=1000),
            self._api.get("model-versions/search", order_by="creation_timestamp DESC", max_results=1000),
        )
        made: dict[str, set[ModelRef]] = {}
        for item in [*linked.get("model_versions", []), *newest.get("model_versions", [])]:
            ref = ModelRef(item["name"], str(item["version"]))
            row = rows.version(item, {})
            for key in (row.mlflow_run, row.attempt_id):
                if key:
                    made.setdefault(key, set()).add(ref)
        return tuple(
            dataclasses.replace(row, models=tuple(sorted(_of(made, row), key=lambda ref: (ref.name, int(ref.version)))))
            for row in attempts
        )


def _of(made: dict[str, set[ModelRef]], row: AttemptRow) -> set[ModelRef]:
    return made.get(row.mlflow_run, set()) | made.get(row.attempt_id, set())


def _event(run: dict[str, Any]) -> ComparisonRow | PromotionRow | None:
    kinds = {tag["value"] for tag in run["data"].get("tags", []) if tag["key"] == names.KIND}
    if names.PROMOTION in kinds:
        return rows.promotion(run)
    return rows.comparison(run) if names.COMPARISON in kinds else None
