"""What a metric line means: numbers become points of a run's metrics, everything else values of the run.

The rules, for a line that is a JSON object:
- a number is a point of the metric of that name; true and false count as 1 and 0; NaN and infinities are kept;
- an object inside is taken apart, with a dot between the names: `{"validation": {"auc": 0.9}}` is `validation.auc`;
- `_step`, `step`, `epoch` or `iteration`, in that order, is the x-axis of the line's other numbers, and no metric;
- `_time` is nothing: a point's time is when its line was printed;
- a text or a list is the run's value of that name, the last one wins;
- an object under `skyrail` or `vh_metadata` counts as if its content stood on the line itself.
"""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass, field
from typing import Any

from skyrail.tracking.recorder import WRAPPERS, wrapped

AXES = ("_step", "step", "epoch", "iteration")
IGNORED = ("_time",)
"""Valohai's own stamp on its metadata. Replayed from another log it would be hours off."""

MAX_NAMES = 5000
"""How many names of metrics, and of values, one run may have: more make every page about it slow."""

TOO_MANY_NAMES = (
    f"More than {MAX_NAMES:,} names of metrics or values: further ones are left out. Print fewer names, and what they "
    "tell apart as a list or as the step."
)

MAX_NAME = 250
"""Longest name that MLflow takes."""

_FORBIDDEN = re.compile(r"[^\w.\- :/]")


@dataclass
class Line:
    """One metric line, understood."""

    step: int = 0
    numbers: dict[str, float] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)


def understand(line: dict[str, Any]) -> Line:
    """Take a metric line apart. Never fails: what cannot be a number is a value."""
    result = Line()
    if inner := wrapped(line):
        line = {name: value for name, value in line.items() if name not in WRAPPERS or not isinstance(value, dict)}
        line.update(inner)
    axis = next((name for name in AXES if _is_step(line.get(name))), None)
    if axis is not None:
        result.step = int(line[axis])
    _collect({name: value for name, value in line.items() if name != axis and name not in IGNORED}, "", result)
    return result


def metric_name(name: str) -> str:
    """Return the nearest name that MLflow takes for a metric, a parameter or the end of a tag."""
    clean = _FORBIDDEN.sub("_", name)[:MAX_NAME].strip()
    # MLflow keeps names as paths: none may be empty, absolute or climb.
    parts = [part for part in clean.split("/") if part not in ("", ".", "..")]
    return "/".join(parts) or "unnamed"


def shown(value: float) -> float:
    """Return the number that was logged for one that MLflow gives back: its databases keep infinity as the largest."""
    return math.copysign(math.inf, value) if abs(value) == sys.float_info.max else value


def _is_step(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**63 and value == int(value)


def _collect(line: dict[str, Any], prefix: str, result: Line) -> None:
    for name, value in line.items():
        key = prefix + name
        if isinstance(value, dict):
            _collect(value, f"{key}.", result)
        elif isinstance(value, int | float):
            try:
                result.numbers[metric_name(key)] = float(value)
            except OverflowError:  # an integer beyond a float's range
                result.values[metric_name(key)] = value
        else:
            result.values[metric_name(key)] = value
