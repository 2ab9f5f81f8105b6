"""Load what every task needs once, in the process that LocalExecutor forks its workers from.

A task is a short-lived process: what it imports is paid at each start, a second or more for a step with pandas and
scikit-learn. Modules loaded before the fork cost the task nothing, and share their memory.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)

ALWAYS = (
    "airflow.sdk.definitions.decorators",
    "airflow.sdk.execution_time.task_runner",
    "airflow.sdk.execution_time.supervisor",
    "airflow.dag_processing.dagbag",
    "airflow.providers.standard.decorators.python",
    "skyrail.steps.decorator",
)
"""What each task process imports whatever it does."""


@hookimpl
def on_starting(component: Any) -> None:
    """Load the modules when `airflow scheduler` starts with a LocalExecutor."""
    # Airflow calls this before the job knows what it is: the command line is what tells a scheduler. Its tasks, which
    # are forked from it and have its command line, are no jobs.
    if "scheduler" not in sys.argv[1:2] or type(component).__name__ != "Job":
        return
    from airflow.configuration import conf

    from skyrail.settings import ExecutionSettings, load

    if "LocalExecutor" not in conf.get("core", "executor"):
        return

    chosen = [name.strip() for name in load(ExecutionSettings).preload.split(",") if name.strip()]
    preload((*ALWAYS, *chosen))


def preload(modules: tuple[str, ...]) -> list[str]:
    """Import modules; return those that could not be, each named in the log."""
    started = time.monotonic()
    missing: list[str] = []
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception as error:
            missing.append(name)
            log.warning(
                "Cannot load %s ahead of the tasks (%s: %s). Tasks import it themselves; take it out of "
                "[skyrail_execution] preload if it is gone for good.",
                name,
                type(error).__name__,
                error,
            )
    log.info("Loaded %d modules ahead of the tasks in %.1f s", len(modules) - len(missing), time.monotonic() - started)
    return missing
