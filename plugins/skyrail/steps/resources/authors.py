"""What becomes of Airflow's own arguments about places, `pool`, `queue` and so on, beside what a step says it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.placement import Placement


def combine(step: str, placement: Placement, said: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the arguments of the operator about its place, and what the author should know.

    The author's word counts where the step can still have what it needs; what would take the need away is refused.
    A step that states no needs takes nothing away.

    Args:
        step: its name, for messages.
        placement: the place that was found for it.
        said: the arguments that the author gave a value, on the step or as a default of the DAG.

    Raises:
        ResourceError: the step states needs, and an argument sends it where they are not met.
    """
    kwargs, notices = dict(placement.kwargs), []
    needs = any(why.asked for why in placement.why)
    executor = said.get("executor")
    if executor and executor != kwargs.get("executor"):
        if needs:
            raise _taken_away(step, f"executor={executor!r}", placement)
        kwargs = {"executor": executor}
    if config := said.get("executor_config"):
        ours = kwargs.get("executor_config") or {}
        if needs and ours and "pod_template_file" in config:
            raise _taken_away(step, "executor_config with a pod template", placement)
        kwargs["executor_config"] = {**ours, **config}
    if queue := said.get("queue"):
        if needs and kwargs.get("queue") not in (None, queue):
            notices.append(f"Step {step!r} goes to its queue {queue!r}, and not to {kwargs['queue']!r} of its class.")
        kwargs["queue"] = queue
    pool = said.get("pool")
    if pool and pool != kwargs.get("pool"):
        if needs and "pool" in kwargs:
            notices.append(
                f"Step {step!r} is in its pool {pool!r}, so nothing counts what it takes of the machine: with others "
                "the machine may get too full."
            )
        kwargs |= {"pool": pool, "pool_slots": said.get("pool_slots", 1)}
    elif said.get("pool_slots"):
        kwargs["pool_slots"] = max(said["pool_slots"], kwargs.get("pool_slots", 1))
    return kwargs, tuple(notices)


def _taken_away(step: str, what: str, placement: Placement) -> ResourceError:
    return ResourceError(
        f"Step {step!r} says what it needs, and {what} sends it elsewhere than to its resource class "
        f"{placement.resource_class.name!r}.",
        fix="Take one of them away: the needs, or the argument of Airflow.",
    )
