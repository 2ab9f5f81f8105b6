"""From needs to the place where a step runs, as arguments of Airflow's operators."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skyrail.kubernetes.pods import template_name
from skyrail.settings import ResourceSettings, load
from skyrail.steps.resources.classes import ResourceClass, load_classes
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.machine import Machine
from skyrail.steps.resources.matching import Why, larger, match
from skyrail.steps.resources.needs import Needs, say
from skyrail.steps.resources.site import POOL, SLOTS, classes_file, configured_executors, shared, target_of

_BY_EXECUTOR = {"CeleryExecutor": "celery", "KubernetesExecutor": "kubernetes"}


@dataclass(frozen=True)
class Placement:
    """Where a step runs, and why there."""

    resource_class: ResourceClass
    kwargs: dict[str, Any]
    """Arguments of the operator, plain values only."""
    why: tuple[Why, ...]
    notices: tuple[str, ...] = ()
    """What the author should know, in sentences."""
    target: str = "local"
    """`local`, `celery` or `kubernetes`: where this step runs, which a class may say for itself."""
    gpus: int = 0
    """GPUs that the step takes from its machine; in a pod the cluster sees to them, and here is 0."""
    larger: tuple[ResourceClass, ...] = ()
    """The classes of the next tries after running out of memory, for `grow_on_oom`."""


def place(
    step: str,
    needs: Needs,
    *,
    identity: str | None = None,
    image: str | None = None,
    grow_on_oom: bool = False,
    target: str | None = None,
) -> Placement:
    """Find the place of a step. `target` is that of the configuration if not given.

    Raises:
        ResourceError: no class fits, the classes cannot be read, or the machine lacks the GPUs.
        SettingsError: an option cannot be used.
    """
    settings = load(ResourceSettings)
    chosen = target_of(settings, target)
    classes = load_classes(classes_file(settings))
    found = match(needs, classes, identity=identity, image=image, step=step)
    one = found.resource_class
    one = _offered(one, configured_executors())
    # On one machine there is one executor, whatever a class says.
    where = chosen if chosen == "local" else _BY_EXECUTOR.get(one.executor, chosen)
    notices: list[str] = []
    if one.retired:
        notices.append(f"Step {step!r} gets class {one.name!r}, which is retired: nothing else has what it asks for.")
    if where == "kubernetes":
        ladder = larger(one, classes, identity=identity) if grow_on_oom else ()
        if grow_on_oom and not ladder:
            notices.append(f"Step {step!r} has grow_on_oom, and there is no class to grow into from {one.name!r}.")
        placed = _pod(step, one, settings.pod_templates, identity, image, ladder)
    else:
        placed = _pooled(step, needs, one, shared(settings, where), where, cpu_ok=settings.cpu_ok)
        if grow_on_oom:
            notices.append("grow_on_oom has an effect on Kubernetes only: here no try is limited in its memory.")
        if identity:
            notices.append(f"identity={identity!r} has an effect on Kubernetes only.")
    return replace(placed, why=found.why, notices=(*placed.notices, *notices))


def _offered(one: ResourceClass, executors: tuple[str, ...]) -> ResourceClass:
    """Pass over the executor of a class where only the other one is: the same classes serve compose and a cluster."""
    there = [name for name in _BY_EXECUTOR if name in executors]
    return replace(one, executor="") if there and one.executor not in there else one


def _pooled(step: str, needs: Needs, one: ResourceClass, machine: Machine, target: str, *, cpu_ok: bool) -> Placement:
    notices: list[str] = []
    wanted, gpus = needs.gpu or 0, machine.gpus
    if wanted > gpus:
        place = "here" if target == "local" else "on Celery's workers"
        message = (
            f"Step {step!r} asks for {say('gpu', wanted)}, and there {'is' if gpus == 1 else 'are'} {gpus} {place}."
        )
        if not cpu_ok:
            without = "skyrail up --cpu-ok" if target == "local" else "[skyrail_resources] cpu_ok"
            raise ResourceError(message, fix=f"Run it where there are enough, or go on without: {without}")
        notices.append(f"{message} It goes on without any.")
        wanted = 0
    for name, has in (("cpu", machine.cpu), ("memory", machine.memory)):
        if (asked := getattr(needs, name) or 0) > has:
            more = f"{say(name, asked)}{' of memory' if name == 'memory' else ''}, more than the {say(name, has)} here"
            notices.append(f"Step {step!r} asks for {more}: it runs alone.")
    kwargs: dict[str, Any] = {"pool": POOL, "pool_slots": slots(replace(needs, gpu=wanted), machine)}
    if target == "celery":
        kwargs |= {"queue": one.queue} if one.queue else {}
        kwargs |= {"executor": one.executor} if one.executor else {}
    return Placement(one, kwargs, (), tuple(notices), target, wanted)


def slots(needs: Needs, machine: Machine) -> int:
    """Return how many of the pool's slots a step takes: its largest share of the machine, one at least.

    Rounded up, so that steps whose slots fit into the pool together fit into the machine together. What is larger than
    the machine takes all slots.
    """
    shares = [
        (needs.cpu or 0) / machine.cpu,
        (needs.memory or 0) / machine.memory,
        (needs.gpu or 0) / max(1, machine.gpus),
    ]
    # The difference that a division leaves is no slot: 0.07 of 1 is 7 slots, and not 8.
    return min(SLOTS, max(1, math.ceil(max(shares) * SLOTS - 1e-9)))


def _pod(
    step: str,
    one: ResourceClass,
    templates: str,
    identity: str | None,
    image: str | None,
    ladder: tuple[ResourceClass, ...],
) -> Placement:
    if image and "@sha256:" not in image:
        raise ResourceError(
            f"Step {step!r} runs in a pod, and its image {image!r} is without a digest: each try might run another.",
            fix="Write it as NAME@sha256:…; `docker buildx imagetools inspect NAME` prints the digest.",
        )
    template = Path(templates) / template_name(one, identity=identity, grow=bool(ladder))
    kwargs: dict[str, Any] = {
        "executor": "KubernetesExecutor",
        "executor_config": {"pod_template_file": str(template)},
        **({"queue": one.queue} if one.queue else {}),
    }
    return Placement(one, kwargs, (), target="kubernetes", larger=ladder)
