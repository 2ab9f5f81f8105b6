"""MLflow's registry and the history of a model, as decisions about models need them."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from skyrail.errors import TrackingError
from skyrail.settings import TrackingSettings, load
from skyrail.tracking import names

DECISION = "skyrail.decision"
"""Tag with the hash of what a decision is about: the same decision is never written twice."""


class Registry:
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


def champion_of(client: Any, name: str) -> int | None:
    """Return the version that has the alias `champion`, or None."""
    if not exists(client, name):
        return None
    version = client.get_registered_model(name).aliases.get(names.CHAMPION_ALIAS)
    return int(version) if version else None


def exists(client: Any, name: str) -> bool:
    """Tell whether a model of this name is registered."""
    from mlflow.exceptions import MlflowException

    try:
        client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return False
        raise
    return True


def version_of(client: Any, name: str, decision: str) -> int | None:
    """Return the version that a decision has registered, or None."""
    quote = '"' if "'" in name else "'"
    found = client.search_model_versions(f"name = {quote}{name}{quote} and tags.`{DECISION}` = '{decision}'")
    return int(found[0].version) if found else None


def make_candidate(client: Any, name: str, version: int) -> None:
    """Give a version the alias `candidate`, unless it is champion or a newer one has it."""
    aliases = client.get_registered_model(name).aliases
    if int(aliases.get(names.CANDIDATE_ALIAS, 0)) < version != int(aliases.get(names.CHAMPION_ALIAS, 0)):
        client.set_registered_model_alias(name, names.CANDIDATE_ALIAS, str(version))


def experiment_of(client: Any, name: str) -> str:
    """Return the id of the experiment with a model's history; it is made when there is none."""
    found = client.get_experiment_by_name(names.model_experiment(name))
    return found.experiment_id if found else client.create_experiment(names.model_experiment(name))


def history_run(client: Any, name: str, query: str) -> Any:
    """Return the newest entry that fits; an entry counts once it is complete."""
    found = client.search_runs(
        [experiment_of(client, name)],
        f"{query} and attributes.status = 'FINISHED'",
        max_results=1,
        order_by=["attributes.start_time DESC"],
    )
    return found[0] if found else None


def write_history(
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
    all_tags = {names.MODEL: name, names.BY: decided_by(), **tags}
    run = client.create_run(experiment_of(client, name), start_time=now, run_name=run_name, tags=all_tags).info.run_id
    client.log_batch(
        run,
        metrics=[Metric(key, value, now, 0) for key, value in (metrics or {}).items()],
        params=[Param(key, value) for key, value in (params or {}).items()],
    )
    client.update_run(run, status="FINISHED")
    return str(run)


def decided_by() -> str:
    """Return who or what decides: the running task, or the person at the keyboard."""
    from skyrail.steps.capture import current

    capture = current()
    if capture is None:
        import getpass

        return f"{getpass.getuser()} by hand"
    return "/".join(capture.identity[part] for part in (names.DAG_ID, names.RUN_ID, names.TASK_ID))


def decision_id(*about: Any) -> str:
    """Identify a decision by what it is about and, in a step, by the task that takes it (whatever the try)."""
    return hashlib.sha256(repr((decided_by(), *about)).encode()).hexdigest()


def lineage_of(model: Any) -> dict[str, str]:
    """Return the attempt that made a model, and the hash of its content, as tags."""
    from skyrail.steps.capture import current

    capture = current()
    if capture is None:
        return {}
    for value, reference in capture.inputs:
        if value is model:
            return {names.ATTEMPT_ID: reference.attempt, names.MODEL_SHA256: reference.sha256}
    return {names.ATTEMPT_ID: capture.identity[names.ATTEMPT_ID]}  # trained in the step that registers it


def run_of_attempt(client: Any, attempt: str) -> str | None:
    """Return the MLflow run of an attempt, if the flusher has sent it by now."""
    if not attempt:
        return None
    experiments = [experiment.experiment_id for experiment in client.search_experiments(max_results=1000)]
    found = client.search_runs(experiments, f"tags.`{names.ATTEMPT_ID}` = '{attempt}'", max_results=1)
    return found[0].info.run_id if found else None


def folder_sha256(folder: Path) -> str:
    """Return the hash of a saved model's files, without what holds the time."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != "MLmodel":  # which holds the time
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
