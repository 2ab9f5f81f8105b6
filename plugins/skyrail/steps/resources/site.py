"""What the platform team has set: where steps run, which classes there are, and what steps share."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

import skyrail
from skyrail.errors import SettingsError
from skyrail.settings import ResourceSettings, airflow_home
from skyrail.steps.resources.machine import Machine, measured
from skyrail.steps.resources.quantities import memory

TARGETS = ("local", "celery", "kubernetes")
FILE = "classes.yaml"

POOL = "skyrail"
"""The pool of all steps outside Kubernetes."""
SLOTS = 100
"""Slots of the pool: all that its machines have. A slot is a hundredth of each thing."""


def target_of(settings: ResourceSettings, target: str | None = None) -> str:
    """Return a target that exists.

    Raises:
        SettingsError: it does not.
    """
    chosen = target or settings.target
    if chosen not in TARGETS:
        close = difflib.get_close_matches(chosen, TARGETS, 1)
        raise SettingsError(
            f"There is no target {chosen!r} for steps.",
            fix=(f"Did you mean {close[0]}? " if close else "")
            + f"[skyrail_resources] target is one of {', '.join(TARGETS)}.",
        )
    return chosen


def configured_executors() -> tuple[str, ...]:
    """Return the names of the executors that this installation has, as `[core] executor` says them."""
    from airflow.configuration import conf

    names = conf.get("core", "executor", fallback="").split(",")
    return tuple(name.strip().rpartition(".")[2].rpartition(":")[2] for name in names if name.strip())


def shared(settings: ResourceSettings, target: str) -> Machine:
    """Return what the steps of a target outside Kubernetes share: as the settings say, or else this machine.

    Raises:
        SettingsError: the settings do not say what Celery's workers have.
    """
    if target == "celery" and not (settings.pool_cpu > 0 and settings.pool_memory):
        raise SettingsError(
            "Steps go to Celery's workers, and nothing says what these have together.",
            fix="Set [skyrail_resources] pool_cpu, pool_memory (such as 64Gi) and, if there are any, pool_gpu.",
        )
    try:
        stated = memory(settings.pool_memory) if settings.pool_memory else None
    except ValueError as error:
        raise SettingsError(
            f"[skyrail_resources] pool_memory is {settings.pool_memory!r}.", fix=f"It is {error}."
        ) from None
    if settings.pool_cpu > 0 and stated and (settings.pool_gpu >= 0 or target == "celery"):
        return Machine(settings.pool_cpu, stated, max(0, settings.pool_gpu))
    here = measured()
    return Machine(
        settings.pool_cpu if settings.pool_cpu > 0 else here.cpu,
        stated or here.memory,
        here.gpus if settings.pool_gpu < 0 else settings.pool_gpu,
    )


def classes_file(settings: ResourceSettings, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the file of resource classes: the one that is set, or the first that there is beside a configuration.

    Looked through are the folder `SKYRAIL_CONFIG`, that of `AIRFLOW_CONFIG`, Airflow's home, the checkout's `config/`
    and the copy that comes with the package.
    """
    if settings.classes:
        return Path(settings.classes).expanduser()
    package = Path(skyrail.__file__).parent
    folders = (
        *([Path(environ["SKYRAIL_CONFIG"]).expanduser()] if environ.get("SKYRAIL_CONFIG") else []),
        *([Path(environ["AIRFLOW_CONFIG"]).expanduser().parent] if environ.get("AIRFLOW_CONFIG") else []),
        airflow_home(),
        package.parent.parent / "config",
        package / "_config",
    )
    return next((folder / FILE for folder in folders if (folder / FILE).is_file()), folders[-1] / FILE)
