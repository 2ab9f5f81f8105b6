"""What MLflow's client meets inside a step: a tracking store that appends to the attempt's spool.

MLflow finds it by the scheme `skyrail-spool:` (entry point `mlflow.tracking_store`). Writing to the attempt's run, to
runs opened below it and to models logged in it touches local disk alone, so it works and costs the same whether the
tracking server is there or not. Ids made here are local; the flusher maps them to the server's.

- `runs:/<local id>/…` and `models:/<local id>` work in the step that made them, from local files. In a later step the
  server is asked for the run or model that carries the local id, so they work once the flusher has sent it.
- Whatever else is read (other runs, searches, the registry) is asked of the tracking server, and fails as MLflow
  fails when it is away.
- `mlflow.set_experiment` changes nothing: an attempt's run belongs to the experiment of its DAG.
- `mlflow.start_run()` resumes the attempt's run the first time; later ones make runs below it. Ending the attempt's
  run is the step's business, so `mlflow.end_run()` does not mark it as over.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from mlflow.entities import (
    DatasetInput,
    Experiment,
    LifecycleStage,
    LoggedModel,
    LoggedModelInput,
    LoggedModelOutput,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
    Param,
    Run,
    RunData,
    RunInfo,
    RunInputs,
    RunOutputs,
    RunStatus,
    RunTag,
)
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID
from mlflow.utils.validation import _validate_logged_model_name

from skyrail.tracking import names, spool
from skyrail.tracking.masking import redact_known
from skyrail.tracking.spool_state import RunState, SpoolState

log = logging.getLogger(__name__)

EXPERIMENT = "skyrail-attempt"
"""Local id of the only experiment that a step writes to."""


class SpoolStore(AbstractStore):
    """Append what MLflow's client writes to the spool of one attempt, and answer from there."""

    def __init__(self, store_uri: str, artifact_uri: str | None = None) -> None:
        super().__init__()
        del artifact_uri  # a step's files go to its spool
        self.folder = Path(unquote(urlsplit(store_uri).path))
        self._state = SpoolState(self.folder)
        self._server: Any = None
        self._lost = False

    # --- what the spool can answer ---

    def get_experiment(self, experiment_id: str) -> Any:
        if experiment_id != EXPERIMENT:
            return self._ask("get_experiment", experiment_id)
        return self._experiment()

    def get_experiment_by_name(self, experiment_name: str) -> Any:
        del experiment_name
        return self._experiment()

    def create_experiment(self, name: str, artifact_location: str | None = None, tags: Any = None) -> str:
        del name, artifact_location, tags
        return EXPERIMENT

    def create_run(
        self, experiment_id: str, user_id: str, start_time: int, tags: list[RunTag], run_name: str | None
    ) -> Run:
        del experiment_id, user_id
        run = uuid.uuid4().hex
        given = {tag.key: tag.value for tag in tags or []}
        given.setdefault(MLFLOW_PARENT_RUN_ID, self._known().run)
        name = run_name or given.get("mlflow.runName") or f"run {run[:6]}"
        event = {"e": "run", "run": run, "name": name, "at": start_time or spool.now_ms(), "tags": given}
        self._event(event)
        return self.get_run(run)

    def get_run(self, run_id: str) -> Run:
        state = self._known().runs.get(run_id)
        return self._run(run_id, state) if state else self._find_run(run_id)

    def update_run_info(self, run_id: str, run_status: Any, end_time: int | None, run_name: str | None) -> RunInfo:
        known = self._known()
        if run_id not in known.runs:
            return self._ask("update_run_info", run_id, run_status, end_time, run_name)
        if run_name:
            self._event({"e": "tags", "run": run_id, "t": {"mlflow.runName": run_name}})
        if run_id != known.run and run_status is not None and RunStatus.is_terminated(run_status):
            at = end_time or spool.now_ms()
            self._event({"e": "run_end", "run": run_id, "status": RunStatus.to_string(run_status), "at": at})
        return self.get_run(run_id).info

    def log_batch(self, run_id: str, metrics: list[Metric], params: list[Param], tags: list[RunTag]) -> None:
        if run_id not in self._known().runs:
            self._ask("log_batch", run_id, metrics, params, tags)
            return
        if metrics:
            points = [[redact_known(m.key), m.value, m.timestamp, m.step, m.model_id] for m in metrics]
            self._event({"e": "metrics", "run": run_id, "m": points})
        if params:
            shown = {redact_known(p.key): redact_known(str(p.value)) for p in params}
            self._refuse_changed_params(run_id, shown)
            self._event({"e": "params", "run": run_id, "p": shown})
        if tags:
            _refuse_own_tags(tag.key for tag in tags)
            shown = {redact_known(t.key): redact_known(str(t.value)) for t in tags}
            self._event({"e": "tags", "run": run_id, "t": shown})

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Do nothing: this belongs to models of MLflow 2, which `create_logged_model` replaced."""

    def delete_tag(self, run_id: str, key: str) -> None:
        if run_id not in self._known().runs:
            self._ask("delete_tag", run_id, key)
            return
        _refuse_own_tags([key])
        self._event({"e": "untag", "run": run_id, "k": key})

    def log_inputs(
        self, run_id: str, datasets: list[DatasetInput] | None = None, models: list[LoggedModelInput] | None = None
    ) -> None:
        if run_id not in self._known().runs:
            self._ask("log_inputs", run_id, datasets, models)
            return
        self._event({
            "e": "inputs",
            "run": run_id,
            "datasets": [dataset.to_dictionary() for dataset in datasets or []],
            "models": [model.model_id for model in models or []],
        })  # fmt: skip

    def log_outputs(self, run_id: str, models: list[LoggedModelOutput]) -> None:
        if run_id not in self._known().runs:
            self._ask("log_outputs", run_id, models)
            return
        self._event({"e": "outputs", "run": run_id, "models": [[model.model_id, model.step] for model in models]})

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList:
        run = self._known().runs.get(run_id)
        if run is None:
            return self._ask("get_metric_history", run_id, metric_key, max_results, page_token)
        return PagedList([_metric(metric_key, point) for point in run.metrics.get(metric_key, [])], None)

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: list[LoggedModelTag] | None = None,
        params: list[LoggedModelParameter] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        del experiment_id
        _validate_logged_model_name(name)  # as the server would, but here, where the author sees it
        model = f"m-{uuid.uuid4().hex}"
        self._event({
            "e": "model",
            "model": model,
            "name": name or "model",
            "type": model_type,
            "run": source_run_id or self._known().run,
            "at": spool.now_ms(),
            "tags": {tag.key: tag.value for tag in tags or []},
            "params": {param.key: param.value for param in params or []},
        })  # fmt: skip
        if source_run_id is None:  # no run was active in MLflow's eyes, but there is always the attempt's
            self._event({"e": "outputs", "run": self._known().run, "models": [[model, 0]]})
        return self.get_logged_model(model)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        state = self._known().models.get(model_id)
        if state is None:
            return self._find_model(model_id, allow_deleted)
        return LoggedModel(
            experiment_id=EXPERIMENT,
            model_id=model_id,
            name=state["name"],
            artifact_location=str(self.folder / spool.MODELS / model_id),
            creation_timestamp=state["at"],
            last_updated_timestamp=state["at"],
            model_type=state["type"],
            source_run_id=state["run"],
            status=LoggedModelStatus(state.get("status", LoggedModelStatus.PENDING.value)),
            tags=dict(state["tags"]),
            params=dict(state["params"]),
        )

    def set_logged_model_tags(self, model_id: str, tags: list[LoggedModelTag]) -> None:
        if model_id not in self._known().models:
            self._ask("set_logged_model_tags", model_id, tags)
            return
        self._event({"e": "model_tags", "model": model_id, "t": {tag.key: tag.value for tag in tags}})

    def log_logged_model_params(self, model_id: str, params: list[LoggedModelParameter]) -> None:
        if model_id not in self._known().models:
            self._ask("log_logged_model_params", model_id, params)
            return
        self._event({"e": "model_params", "model": model_id, "p": {param.key: param.value for param in params}})

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        if model_id not in self._known().models:
            return self._ask("finalize_logged_model", model_id, status)
        self._event({"e": "model_final", "model": model_id, "status": LoggedModelStatus(status).value})
        return self.get_logged_model(model_id)

    # --- what only the server can answer ---

    def search_experiments(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("search_experiments", *args, **kwargs)

    def delete_experiment(self, experiment_id: str) -> None:
        self._ask("delete_experiment", experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        self._ask("restore_experiment", experiment_id)

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        self._ask("rename_experiment", experiment_id, new_name)

    def delete_run(self, run_id: str) -> None:
        self._ask("delete_run", run_id)

    def restore_run(self, run_id: str) -> None:
        self._ask("restore_run", run_id)

    def _search_runs(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("_search_runs", *args, **kwargs)

    def search_logged_models(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("search_logged_models", *args, **kwargs)

    def start_trace(self, trace_info: Any) -> Any:
        return self._ask("start_trace", trace_info)

    def log_spans(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("log_spans", *args, **kwargs)

    def link_traces_to_run(self, trace_ids: list[str], run_id: str) -> None:
        self._ask("link_traces_to_run", trace_ids, run_id)

    # --- helpers ---

    def _known(self) -> SpoolState:
        self._state.refresh()
        if not self._state.run:  # the spool is gone: a step does not fail for that
            self._state.run = self.folder.name.partition("-")[2]
            self._state.runs[self._state.run] = RunState("not recorded", spool.now_ms(), {})
        return self._state

    def _event(self, event: spool.Event) -> None:
        try:
            spool.append_event(self.folder, event)
        except OSError as error:
            if not self._lost:
                log.warning("What MLflow is told from here on is not recorded: %s. The step itself goes on.", error)
            self._lost = True
            self._state.take(event)

    def _refuse_changed_params(self, run_id: str, params: dict[str, str]) -> None:
        """Raise as the server does when a parameter is given a second value."""
        known = self._known().runs[run_id].params
        for name, value in params.items():
            if known.get(name, value) != value:
                raise MlflowException(
                    f"Changing param values is not allowed. Param with key={name!r} was already logged with "
                    f"value={known[name]!r} for run ID={run_id!r}. Attempted logging new value {value!r}.",
                    error_code=INVALID_PARAMETER_VALUE,
                )

    def _experiment(self) -> Experiment:
        location = str(self.folder / spool.ARTIFACTS)
        return Experiment(EXPERIMENT, self._known().experiment, location, LifecycleStage.ACTIVE)

    def _run(self, run_id: str, state: RunState) -> Run:
        info = RunInfo(
            run_id=run_id,
            experiment_id=EXPERIMENT,
            user_id=state.tags.get("mlflow.user", ""),
            status=state.status,
            start_time=state.start,
            end_time=state.end,
            lifecycle_stage=LifecycleStage.ACTIVE,
            artifact_uri=str(self.folder / spool.ARTIFACTS / run_id),
            run_name=state.tags.get("mlflow.runName", state.name),
        )
        data = RunData(
            metrics=[_metric(key, points[-1]) for key, points in state.metrics.items()],
            params=[Param(key, value) for key, value in state.params.items()],
            tags=[RunTag(key, value) for key, value in state.tags.items()],
        )
        return Run(info, data, RunInputs([], []), RunOutputs([]))

    def _ask(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return getattr(self._server_store(), method)(*args, **kwargs)

    def _server_store(self) -> AbstractStore:
        if self._server is None:
            from mlflow import MlflowClient

            # MLflow's own defaults wait for minutes; a step that asks a server which is away should hear so at once.
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
            os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
            server = self._known().server or os.environ.get("MLFLOW_REGISTRY_URI", "")
            if not server.startswith("http"):
                raise MlflowException(f"The tracking server's address is not known: the spool {self.folder} is gone.")
            self._server = MlflowClient(tracking_uri=server)._tracking_client.store
        return self._server

    def _find_run(self, run_id: str) -> Run:
        run = self._server_run(run_id)
        run.info._artifact_uri = self._reachable(run.info.artifact_uri)
        return run

    def _find_model(self, model_id: str, allow_deleted: bool) -> LoggedModel:
        model = self._server_model(model_id, allow_deleted)
        model.artifact_location = self._reachable(model.artifact_location)
        return model

    def _reachable(self, uri: str) -> str:
        """Say the server's address in an artifact address: MLflow's client would look for it in the tracking URI."""
        path = uri.removeprefix("mlflow-artifacts:")
        if path == uri or path.startswith("//"):
            return uri
        return f"{self._known().server.rstrip('/')}/api/2.0/mlflow-artifacts/artifacts{path}"

    def _server_run(self, run_id: str) -> Run:
        """Ask the server for a run by its own id, or by the local id that it had in an earlier step."""
        server = self._server_store()
        try:
            return server.get_run(run_id)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            experiments = [experiment.experiment_id for experiment in server.search_experiments(max_results=1000)]
            found = server.search_runs(experiments, f"tags.`{names.LOCAL_ID}` = '{run_id}'", 1, max_results=1)
            if not found:
                raise
            return found[0]

    def _server_model(self, model_id: str, allow_deleted: bool) -> LoggedModel:
        """Ask the server for a model likewise."""
        server = self._server_store()
        try:
            return server.get_logged_model(model_id, allow_deleted)
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
            experiments = [experiment.experiment_id for experiment in server.search_experiments(max_results=1000)]
            found = server.search_logged_models(experiments, f"tags.`{names.LOCAL_ID}` = '{model_id}'", max_results=1)
            if not found:
                raise
            return found[0]


def _delegate(method: str) -> Any:
    def ask(self: SpoolStore, *args: Any, **kwargs: Any) -> Any:
        return self._ask(method, *args, **kwargs)

    ask.__doc__ = "Ask the tracking server."
    return ask


# Traces, data sets, scorers and whatever else a tracking store may do: the server's business, not the spool's.
# What the base class does itself, it does by calling the methods above.
_BY_BASE_CLASS = ("log_metric", "log_param", "set_tag", "search_runs")
for _name in dir(AbstractStore):
    _own = _name in vars(SpoolStore) or _name in _BY_BASE_CLASS or _name.endswith(("_async", "_async_logging"))
    if not (_own or _name.startswith("_")) and callable(getattr(AbstractStore, _name)):
        setattr(SpoolStore, _name, _delegate(_name))


def _metric(key: str, point: list[Any]) -> Metric:
    value, timestamp, step = point
    return Metric(key, value, timestamp, step)


def _refuse_own_tags(keys: Iterable[str]) -> None:
    """Raise when an author would write what the record is found by."""
    if own := [key for key in keys if key.startswith(names.PREFIX)]:
        raise MlflowException(
            f"The tag {own[0]!r} is part of the record that Skyrail keeps. Choose a name that does not begin with "
            f"{names.PREFIX!r}.",
            error_code=INVALID_PARAMETER_VALUE,
        )
