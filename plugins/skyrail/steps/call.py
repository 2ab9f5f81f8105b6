"""The seam between a step and the places where its body can run other than the task's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrail.steps.capture import Capture
from skyrail.steps.options import StepOptions


@dataclass(frozen=True)
class Call:
    """One call of a step's function by a runner.

    A runner is a function that takes a call, runs its body somewhere as a child of this process with stdout and stderr
    inherited (the recorder reads them), and returns the result. Whatever of the result is not a small plain value the
    runner has stored by `capture.keep`: it returns a `Reference` in its place.
    """

    step: str
    """`dag.task`, for messages."""
    function: Callable[..., Any]
    args: list[Any]
    kwargs: dict[str, Any]
    """Arguments; a `Reference` stands in place of each stored object, so that this process need not load it."""
    options: StepOptions
    capture: Capture
    folder: Path
    """A scratch folder of this attempt, removed when the call is over."""
