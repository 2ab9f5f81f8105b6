"""Addresses that the pages lead to: in MLflow's pages, and in Airflow's."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from skyrail.tracking import names
from skyrail.tracking.details import Made


def mlflow_run(base: str, experiment: str, run: str) -> str:
    """Return the address of a run in MLflow's pages."""
    return f"{base}/#/experiments/{quote(experiment, safe='')}/runs/{quote(run, safe='')}"


def mlflow_file(base: str, experiment: str, run: str, path: str) -> str:
    """Return the address of a file of a run in MLflow's pages."""
    return f"{mlflow_run(base, experiment, run)}/artifacts/{quote(path)}"


def mlflow_version(base: str, model: str, version: str) -> str:
    """Return the address of a version of a model in MLflow's pages."""
    return f"{base}/#/models/{quote(model, safe='')}/versions/{quote(version, safe='')}"


def airflow_attempt(made: Made) -> str:
    """Return the path of an attempt's page in Airflow, relative to the api-server's base address."""
    return names.airflow_path({
        names.DAG_ID: made.dag_id,
        names.RUN_ID: made.run_id,
        names.TASK_ID: made.task_id,
        names.MAP_INDEX: str(made.map_index),
        names.TRY_NUMBER: str(made.try_number),
    })  # fmt: skip


@dataclass(frozen=True)
class Decider:
    """Who or what decided: a task with its page in Airflow, or a person without one."""

    name: str
    detail: str = ""
    airflow_path: str = ""


def decided_by(by: str) -> Decider:
    """Read "dag/run/task", where the run's name may contain slashes itself, or a person's name."""
    if by.count("/") < 2:
        return Decider(by)
    dag_id, _, rest = by.partition("/")
    run_id, _, task_id = rest.rpartition("/")
    path = "/".join(("dags", quote(dag_id, safe=""), "runs", quote(run_id, safe=""), "tasks", quote(task_id, safe="")))
    return Decider(f"{dag_id} · {task_id}", run_id, path)
