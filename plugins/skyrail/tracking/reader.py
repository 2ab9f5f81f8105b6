"""Read the record for the pages: attempts of steps, and the history of models. Nothing here writes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from skyrail.tracking import curves, details, names, rows
from skyrail.tracking.curves import Curve
from skyrail.tracking.details import Detail
from skyrail.tracking.filters import exactly
from skyrail.tracking.lineage import Lineage, lineage
from skyrail.tracking.mlflow_api import Json, MlflowApi, NotRecordedError, quoted
from skyrail.tracking.paging import FIRST, NEWEST_FIRST, Order, Page, address
from skyrail.tracking.rows import AttemptRow, ComparisonRow, ModelRef, ModelRow, PromotionRow, VersionRow

MAX_EXPERIMENTS = 5000
MAX_MODELS = 200
MAX_VERSIONS = 200
MAX_HISTORY = 200
"""So much of a list is shown at most; MLflow's own pages show the rest."""

ENVIRONMENT = f"{names.FILES}/{names.ENVIRONMENT_FILE}"

SHOWN_BYTES = 64 * 1024
"""A text up to this size is shown on the page; a larger one is a link."""


@dataclass(frozen=True)
class File:
    """A file of the record, with its text when that is small."""

    path: str
    bytes: int
    text: str


@dataclass(frozen=True)
class Query:
    """Which attempts are asked for, besides those that may be read. Empty means any."""

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int | None = None
    clauses: tuple[str, ...] = ()
    """In MLflow's filter language, all to hold; see `skyrail.tracking.filters`."""
    order: Order = NEWEST_FIRST
    page: Page = FIRST
    models: bool = True
    """Whether to look up the versions of models that each attempt made: two more questions to MLflow."""

    def asks_for(self, row: AttemptRow) -> bool:
        """Return whether a run that MLflow found is meant: a character in a name may have stood for any other."""
        return (
            self.run_id in ("", row.run_id)
            and self.task_id in ("", row.task_id)
            and self.map_index in (None, row.map_index)
        )

    @property
    def filter(self) -> str:
        """Return the whole in MLflow's filter language."""
        named = {names.RUN_ID: self.run_id, names.TASK_ID: self.task_id}
        if self.map_index is not None:
            named[names.MAP_INDEX] = str(self.map_index)
        exact = [exactly(tag, word) for tag, word in named.items() if word]
        kind = exactly(names.KIND, names.ATTEMPT)
        return " AND ".join([kind, *exact, *self.clauses, *self.page.clauses(self.order)])


@dataclass(frozen=True)
class Attempts:
    """One page of attempts in the order that was asked for, and the addresses of the pages around it."""

    rows: tuple[AttemptRow, ...] = ()
    before: str = ""
    after: str = ""
    dag_ids: tuple[str, ...] = ()
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

    async def attempts(self, readable: Collection[str], query: Query, *, size: int = 50) -> Attempts:
        """Return a page of attempts of readable DAGs.

        Raises:
            TrackingError: MLflow does not answer.
        """
        experiments = {dag: id_ for dag, id_ in (await self._experiments()).items() if dag in readable}
        dag_ids = tuple(sorted(experiments))
        wanted = [experiments[dag] for dag in dag_ids if query.dag_id in ("", dag)]
        if not wanted:
            return Attempts(dag_ids=dag_ids)
        found = await self._page(wanted, query, size)
        more, page = len(found) > size, found[:size]
        elsewhere = query.page.started is not None
        before, after = (more, elsewhere) if query.page.backwards else (elsewhere, more)
        if query.page.backwards:
            page.reverse()
        # The experiment's name is a promise, the tag is the record: both must be of a readable DAG.
        shown = [row for row in page if row.dag_id in readable and query.asks_for(row)]
        return Attempts(
            rows=await self._with_models(shown) if query.models else tuple(shown),
            before=address("before", page[0], query.order) if before and page else "",
            after=address("after", page[-1], query.order) if after and page else "",
            dag_ids=dag_ids,
        )

    async def dag_ids(self, readable: Collection[str]) -> tuple[str, ...]:
        """Return every readable DAG with a record.

        Raises:
            TrackingError: MLflow does not answer.
        """
        return tuple(sorted(dag for dag in await self._experiments() if dag in readable))

    async def attempt(self, readable: Collection[str], attempt_id: str) -> Detail | None:
        """Return an attempt in full, or None when no readable DAG has it on record.

        Raises:
            TrackingError: MLflow does not answer.
        """
        run = await self._run(readable, attempt_id)
        if run is None:
            return None
        found = details.detail(run)
        [row] = await self._with_models([found.row])
        return dataclasses.replace(found, row=row)

    async def lineage(self, readable: Collection[str], detail: Detail) -> Lineage:
        """Return what an attempt read from others, and who read from it.

        Raises:
            TrackingError: MLflow does not answer.
        """
        return await lineage(self._api, detail, experiments=await self._experiments(), readable=readable)

    async def files(self, detail: Detail, *, code: bool) -> tuple[File, ...]:
        """Return what the record keeps of an attempt's code and environment, small texts with their content.

        Without `code` it is the environment alone; no other file is read or named.

        Raises:
            TrackingError: MLflow does not answer.
        """
        run = detail.row.mlflow_run
        answer = await self._api.get("artifacts/list", run_id=run, path=names.FILES)
        listed = [
            item for item in answer.get("files", []) if not item.get("is_dir") and (code or item["path"] == ENVIRONMENT)
        ]
        small = [item["path"] for item in listed if int(item.get("file_size") or 0) <= SHOWN_BYTES]
        texts = dict(zip(small, await asyncio.gather(*(self._api.artifact(run, path) for path in small)), strict=True))
        return tuple(
            File(item["path"], int(item.get("file_size") or 0), texts.get(item["path"], "")) for item in listed
        )

    async def curve(
        self, readable: Collection[str], attempt_id: str, metric: str, *, steps: tuple[int, int] | None = None
    ) -> tuple[Curve, bool] | None:
        """Return a metric's curve and whether the attempt is over, or None when no readable DAG has the attempt.

        Raises:
            TrackingError: MLflow does not answer.
        """
        run = await self._run(readable, attempt_id)
        if run is None:
            return None
        row = rows.attempt(run)
        return await curves.read(self._api, row.mlflow_run, metric, steps=steps), row.ended != "running"

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

    async def _experiments(self) -> dict[str, str]:
        """Return the ids of all experiments by name; that of an attempt is named after its DAG."""
        found = await self._api.pages("experiments/search", "experiments", limit=MAX_EXPERIMENTS, max_results=1000)
        return {item["name"]: item["experiment_id"] for item in found}

    async def _run(self, readable: Collection[str], attempt_id: str) -> Json | None:
        """Return MLflow's run of an attempt of a readable DAG."""
        wanted = [id_ for dag, id_ in (await self._experiments()).items() if dag in readable]
        if not attempt_id or not wanted:
            return None
        clauses = [exactly(names.KIND, names.ATTEMPT), exactly(names.ATTEMPT_ID, attempt_id)]
        answer = await self._api.post("runs/search", experiment_ids=wanted, filter=" AND ".join(clauses), max_results=1)
        for run in answer.get("runs", []):
            row = rows.attempt(run)
            if row.attempt_id == attempt_id and row.dag_id in readable:
                return run
        return None

    async def _page(self, experiments: list[str], query: Query, size: int) -> list[AttemptRow]:
        """Return the runs of a page and one more if there is one, from the page's own end on."""
        found: list[AttemptRow] = []
        token, batch = "", size + 1
        while len(found) <= size:
            answer = await self._api.post(
                "runs/search",
                experiment_ids=experiments,
                filter=query.filter,
                order_by=query.order.clauses(backwards=query.page.backwards),
                max_results=batch,
                page_token=token,
            )
            found += query.page.beyond(map(rows.attempt, answer.get("runs", [])), query.order)
            token = answer.get("next_page_token", "")
            if not token:
                break
            batch = 1000  # many runs with the very value of the page's first one
        return found

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
