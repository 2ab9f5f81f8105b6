"""Find a step in a folder of DAG files, without a database or a running Airflow."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from skyrail.errors import StepError


def find_step(folder: Path, name: str) -> Any:
    """Return the operator of `DAG.STEP`. Airflow has to be configured before.

    Raises:
        StepError: there is no such DAG or step, or its file cannot be read.
    """
    from airflow.dag_processing.dagbag import BundleDagBag

    from skyrail.steps.environments.lock import collecting

    with collecting():  # a lock that is missing says nothing about a place
        bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags", load_op_links=False)
    dag, task = split(name, bag.dags, bag.import_errors)
    tasks = bag.dags[dag].task_dict
    if task not in tasks:
        raise StepError(f"DAG {dag!r} has no step {task!r}.", fix=_nearest(task, tasks))
    return tasks[task]


def split(name: str, dags: Iterable[str], errors: Mapping[str, str]) -> tuple[str, str]:
    """Return the DAG and the step that a name means; both may have dots in them.

    Raises:
        StepError: no DAG has such a name.
    """
    known = set(dags)
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        if (dag := ".".join(parts[:cut])) in known:
            return dag, ".".join(parts[cut:])
    if name in known:
        raise StepError(f"{name!r} is a DAG, and its step is missing.", fix=f"Write it after a dot: {name}.STEP")
    if errors:
        broken = "\n".join(f"{file}: {reason(text)}" for file, text in errors.items())
        raise StepError(
            f"No DAG for {name!r} can be read. These files are refused:\n{broken}",
            fix=f"Correct them. DAGs that can be read: {', '.join(sorted(known)) or 'none'}.",
        )
    raise StepError(f"There is no DAG for {name!r}.", fix=_nearest(parts[0], known))


def reason(traceback: str) -> str:
    """Return the message of an error at the end of a traceback, without the name of its class."""
    lines = traceback.strip().splitlines()
    heads = [number for number, line in enumerate(lines) if re.match(r"[\w.]+(Error|Exception|Warning)\b", line)]
    message = lines[heads[-1] :] if heads else lines[-1:]
    return "\n".join(message).partition(": ")[2] or "\n".join(message)


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    close = difflib.get_close_matches(name, names, 1, 0.5)
    return f"Did you mean {close[0]!r}?" if close else f"There are {', '.join(names) or 'none'}."


PLACE = ("executor", "executor_config", "queue", "pool", "pool_slots")


def place_of(task: Any) -> dict[str, Any]:
    """Return the arguments of a task about its place, as Airflow will use them."""
    return {name: value for name in PLACE if (value := getattr(task, name)) not in (None, {})}


def stated(task: Any) -> Mapping[str, Any]:
    """Return what a step stated, as the decorator keeps it; of a mapped step it is among the partial arguments."""
    kept = getattr(task, "step_options", None) or getattr(task, "partial_kwargs", {}).get("step_options")
    return kept or {}
