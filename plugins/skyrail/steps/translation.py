"""From what a step says it needs to arguments that Airflow's operators take, when the DAG file is read."""

from __future__ import annotations

import contextlib
import difflib
import inspect
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operator import get_merged_defaults
from airflow.sdk.definitions._internal.contextmanager import DagContext, TaskGroupContext

from skyrail.errors import StepError
from skyrail.steps.environments.lock import check, is_collecting
from skyrail.steps.options import StepOptions

NEEDS = ("cpu", "memory", "gpu", "gpu_type", "disk", "shared_memory")
STEP_ARGUMENTS = (*NEEDS, "packages", "image", "command", "identity", "timeout", "metrics", "grow_on_oom")
"""What `@task.step` takes beyond `@task`."""

METRICS = ("any", "prefixed")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def translate(function: Callable[..., Any], kwargs: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """Replace a step's own arguments by Airflow's.

    Returns:
        The arguments for the operator, and whether each key of the result is an XCom of its own whatever the author
        said: the files that a program leaves are handed on by name.

    Raises:
        SkyrailError: the step asks for something that cannot be, in one sentence each.
    """
    step = str(kwargs.get("task_id") or function.__name__)
    defaults = _defaults(kwargs)
    given = {name: kwargs.get(name, defaults.get(name)) for name in STEP_ARGUMENTS}
    own = {name: value for name, value in given.items() if value is not None}
    rest = {name: value for name, value in kwargs.items() if name not in STEP_ARGUMENTS}
    _refuse_misspelt(step, rest)
    packages = _packages(step, own.get("packages"))
    if packages and (brings := next((name for name in ("image", "command") if name in own), "")):
        raise StepError(
            f"Step {step!r} has packages= beside {brings}=.",
            fix="An image or a program brings its own packages: take packages= away.",
        )
    image, command = _program(step, own, function)
    if packages:
        check(step, packages, Path(inspect.getsourcefile(inspect.unwrap(function)) or "."))
    metrics = own.get("metrics", "any")
    if metrics not in METRICS:
        raise StepError(f"Step {step!r} has metrics={metrics!r}.", fix=f"Write one of {', '.join(map(repr, METRICS))}.")
    if "timeout" in own:
        if rest.get("execution_timeout") is not None:
            raise StepError(
                f"Step {step!r} has timeout= and execution_timeout=, which are one thing.", fix="Take one away."
            )
        rest["execution_timeout"] = duration(step, own["timeout"])

    from skyrail.steps.resources.authors import combine
    from skyrail.steps.resources.needs import Needs
    from skyrail.steps.resources.placement import place

    needs = Needs.of(step, **{name: own[name] for name in NEEDS if name in own})
    grow = bool(own.get("grow_on_oom", False))
    identity = str(own.get("identity", ""))
    placement = place(step, needs, identity=identity or None, image=image or None, grow_on_oom=grow)
    if image and placement.target == "kubernetes" and not is_collecting():
        raise StepError(
            f"Step {step!r} has image=, and this version starts no pod of the author's image on Kubernetes.",
            fix="Run it where workers have Docker or Podman (a class of the CeleryExecutor), or take image= away.",
        )
    said = {name: value for name, value in {**defaults, **rest}.items() if value is not None}
    placed, more = combine(step, placement, said)
    options = StepOptions(
        needs=needs.to_dict(),
        target=placement.target,
        resource_class=placement.resource_class.name,
        gpus=placement.gpus,
        notices=(*placement.notices, *more),
        packages=packages,
        image=image,
        command=command,
        identity=identity,
        metrics=metrics,
        grow_on_oom=grow,
    )
    return {**rest, **placed, "step_options": options.to_dict()}, bool(command)


def duration(step: str, value: Any) -> timedelta:
    """Return a timeout given as timedelta, seconds, or text such as `90s`, `45m`, `2h` or `1d`.

    Raises:
        StepError: it is none of these, or not positive.
    """
    found: timedelta | None = None
    if isinstance(value, timedelta):
        found = value
    with contextlib.suppress(ValueError, OverflowError):  # no number, or beyond a timedelta
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = timedelta(seconds=value)
        elif isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
            found = timedelta(**{_UNITS[match[2]]: float(match[1])})
    if found is None or found <= timedelta():
        raise StepError(
            f"Step {step!r} has timeout={value!r}, which is no duration.",
            fix='Write seconds as a number, or text such as "90s", "45m", "2h" or "1d".',
        )
    return found


def _packages(step: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    packages = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list | tuple) else ()
    if not packages or not all(isinstance(item, str) and item.strip() for item in packages):
        raise StepError(
            f"Step {step!r} has packages={value!r}.",
            fix='Write a list such as packages=["scikit-learn==1.5.*"], or the path of a requirements file, '
            "relative to the DAG file.",
        )
    return tuple(item.strip() for item in packages)


def _program(step: str, own: dict[str, Any], function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    if "image" not in own and "command" not in own:
        return "", ()
    from skyrail.steps.containers.options import check

    return check(step, image=own.get("image"), command=own.get("command"), function=function)


def _defaults(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the default arguments of a step: its own, its task group's and its DAG's."""
    dag = kwargs.get("dag") or DagContext.get_current()
    group = kwargs.get("task_group") or (TaskGroupContext.get_current(dag) if dag else None)
    defaults, _ = get_merged_defaults(dag, group, None, kwargs.get("default_args"))
    return dict(defaults)


def _refuse_misspelt(step: str, kwargs: dict[str, Any]) -> None:
    known = set(inspect.signature(BaseOperator).parameters) | set(inspect.signature(BaseOperator.__init__).parameters)
    for name in kwargs:
        if name in known or not (close := difflib.get_close_matches(name, STEP_ARGUMENTS, 1, 0.75)):
            continue
        raise StepError(f"Step {step!r} has {name}=, which nothing takes.", fix=f"Did you mean {close[0]}=?")
