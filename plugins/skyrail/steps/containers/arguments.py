"""What a step's arguments are to a program: parameters, or inputs that become files."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.artifacts.formats import is_plain
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call

Source = Reference | Path | Any
"""Where the content of an input's file comes from: the store, a file or folder here, or a plain value."""


@dataclass
class Arguments:
    """The arguments of one call."""

    parameters: dict[str, Any] = field(default_factory=dict)
    """Plain values by name."""
    inputs: dict[str, list[tuple[str, Source]]] = field(default_factory=dict)
    """By name, the parts of an input: where in the argument each was found (`""`, `key`, `key/0`), and what it is."""


def understand(call: Call) -> Arguments:
    """Sort the arguments of a call, defaults included.

    Raises:
        StepError: the arguments do not fit the function, or one is nothing that a program can be given.
    """
    try:
        bound = inspect.signature(call.function).bind(*call.args, **call.kwargs)
    except TypeError as error:
        raise StepError(
            f"Step {call.step!r} was called with arguments that its function does not take: {error}.",
            fix="Give every argument without a default, by the names of the function's signature.",
        ) from None
    bound.apply_defaults()
    arguments = Arguments()
    for name, given in bound.arguments.items():
        value = _plain(given)
        if is_plain(value):
            arguments.parameters[name] = value
        else:
            arguments.inputs[name] = list(_parts(call.step, name, "", value))
    return arguments


def _plain(value: Any) -> Any:
    """Return the value with dates, tuples and numbers of numpy as plain values, and the rest as it is."""
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    if type(value) in (list, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):  # also what Airflow wraps params in
        return {key: _plain(item) for key, item in value.items()}
    return value


def _parts(step: str, name: str, place: str, value: Any) -> Iterator[tuple[str, Source]]:
    if isinstance(value, Reference) or is_plain(value):
        yield place, value
    elif isinstance(value, Path):
        if not value.exists():
            raise StepError(
                f"Argument {name!r} of step {step!r} is the path {value}, and there is nothing on this machine.",
                fix="Give the path of a file or folder that each worker has; a path inside the image is a text, not a "
                "Path.",
            )
        yield place, value
    elif isinstance(value, list | dict):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from _parts(step, name, f"{place}/{key}".lstrip("/"), item)
    else:
        raise StepError(
            f"Argument {name!r} of step {step!r} is a {type(value).__name__}, which a program cannot be given.",
            fix="Give text, numbers, lists and dicts of these, a Path, or what an earlier step returned.",
        )
