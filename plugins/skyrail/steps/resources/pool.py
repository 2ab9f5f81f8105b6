"""Airflow's pool of the steps outside Kubernetes: there by itself when the scheduler starts."""

from __future__ import annotations

import logging
import sys
from typing import Any

from airflow.listeners import hookimpl

log = logging.getLogger(__name__)


@hookimpl
def on_starting(component: Any) -> None:
    """Make the pool when `airflow scheduler` starts, or give it its slots again."""
    # Airflow calls this before the job knows what it is: the command line is what tells a scheduler.
    if "scheduler" in sys.argv[1:2] and type(component).__name__ == "Job":
        ensure()


def ensure() -> None:
    """Make the pool, unless all steps are pods."""
    from skyrail.settings import ResourceSettings, load
    from skyrail.steps.resources.classes import load_classes
    from skyrail.steps.resources.site import POOL, SLOTS, classes_file

    settings = load(ResourceSettings)
    if settings.target == "kubernetes" and all(
        one.executor != "CeleryExecutor" for one in load_classes(classes_file(settings))
    ):
        return
    from airflow.models.pool import Pool

    Pool.create_or_update_pool(
        POOL,
        slots=SLOTS,
        description="What steps share outside Kubernetes. A slot is a hundredth of the machine; Skyrail counts them.",
        include_deferred=False,  # a deferred step has given its memory back
    )
    log.info("The pool %s has %d slots", POOL, SLOTS)
