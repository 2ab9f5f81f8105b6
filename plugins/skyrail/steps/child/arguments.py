"""The arguments of a call, each with the name that its function gives it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.call import Call


@dataclass(frozen=True)
class Named:
    """What a function is called with."""

    args: list[tuple[str, Any]]
    kwargs: dict[str, Any]


def named(call: Call) -> Named:
    """Return a call's arguments by name, without what of Airflow's context cannot leave this process.

    A function that takes `**context` gets what is plain of it; one that names something else is refused.

    Raises:
        StepError: the function names something of the context that lives in this process alone.
    """
    parameters = inspect.signature(call.function).parameters
    positional = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]
    rest = next((name for name, item in parameters.items() if item.kind is item.VAR_POSITIONAL), "args")
    args = [
        (positional[index] if index < len(positional) else f"{rest}.{index - len(positional)}", value)
        for index, value in enumerate(call.args)
    ]
    kwargs = {}
    for name, value in call.kwargs.items():
        if not _lives_here(value):
            kwargs[name] = value
        elif name in parameters:
            raise _refused(call.step, name)
    for name, value in args:
        if _lives_here(value):
            raise _refused(call.step, name)
    return Named(args, kwargs)


def _lives_here(value: Any) -> bool:
    """Tell whether a value is a part of Airflow's context that is more than data."""
    kind = type(value)
    if kind.__name__ in ("LazyXComSequence", "ParamsDict"):
        return False
    packages = {base.__module__.partition(".")[0] for base in kind.__mro__}  # an operator of ours is Airflow's too
    return not packages.isdisjoint({"airflow", "lazy_object_proxy"}) or inspect.ismodule(value)


def _refused(step: str, name: str) -> StepError:
    return StepError(
        f"The function of step {step!r} takes {name!r} from Airflow's context, which cannot leave the task's process.",
        fix="Take what is plain data: ds, ts, run_id, logical_date, data_interval_start, params, try_number and the "
        "like. Of others hand over the part that is needed by a template, such as f(conf='{{ dag_run.conf }}').",
    )
