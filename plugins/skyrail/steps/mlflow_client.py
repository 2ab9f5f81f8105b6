"""Lead MLflow's client, in a step's process and its children, to the spool; and back."""

from __future__ import annotations

import os
import sys

from skyrail.tracking.spool import Attempt


def lead(attempt: Attempt, server: str) -> dict[str, str | None]:
    """Set the environment so that MLflow's client finds the attempt's run. Return what was there before."""
    values = {
        "MLFLOW_TRACKING_URI": attempt.tracking_uri,
        "MLFLOW_REGISTRY_URI": server,
        "MLFLOW_RUN_ID": attempt.run,
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        # A model needs what the step runs with, and not the project that happens to be in the current folder.
        "MLFLOW_UV_AUTO_DETECT": "false",
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    return before


def give_back(before: dict[str, str | None]) -> None:
    """Set the environment as it was."""
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def end_mlflow_runs() -> None:
    """End what the author left active in MLflow's client, while it still knows the spool.

    At the end of the process it would do so itself, and make a database in the current folder to look for the run in.
    """
    mlflow = sys.modules.get("mlflow")
    for _ in range(100):
        if mlflow is None or mlflow.active_run() is None:
            return
        mlflow.end_run()
