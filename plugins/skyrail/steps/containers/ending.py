"""What the end of a program means for its step."""

from __future__ import annotations

import signal

from skyrail.errors import StepError
from skyrail.steps.environments.errors import StepKilledError

MEANS = {
    126: ", by which shells and engines say that it may not be executed",
    127: ", by which shells and engines say that it was not found",
}
SHOW_LOG = "What it printed is in this log, above."


def check(step: str, code: int, *, out_of_memory: bool = False, memory: int | None = None) -> None:
    """Refuse every end but exit code 0.

    Args:
        step: `dag.task`, for the message.
        code: the exit code; -9, or 137 as shells and engines say it, for one that was killed by signal 9.
        out_of_memory: whether the engine saw it need more than it may have.
        memory: bytes that it may have, if there is a limit.

    Raises:
        StepKilledError: a signal ended it, or it needed more memory than it may have.
        StepError: it ended with another exit code.
    """
    if code == 0:
        return
    killed_by = -code if code < 0 else code - 128 if code > 128 else 0
    more = 'Ask for more, as in memory="16Gi", or let the program need less at a time.'
    if out_of_memory:
        limit = f" of {_size(memory)}" if memory else ""
        raise StepKilledError(f"The program of step {step!r} needed more memory than its limit{limit}.", fix=more)
    if killed_by == signal.SIGKILL:
        raise StepKilledError(
            f"The program of step {step!r} was killed by signal 9 (exit code 137): most often, it ran out of memory.",
            fix=more,
        )
    if killed_by in set(signal.Signals):
        name = signal.Signals(killed_by).name
        raise StepKilledError(f"The program of step {step!r} was killed by signal {killed_by} ({name}).", fix=SHOW_LOG)
    raise StepError(f"The program of step {step!r} ended with exit code {code}{MEANS.get(code, '')}.", fix=SHOW_LOG)


def _size(memory: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if memory >= size:
            return f"{memory / size:.4g} {unit}"
    return f"{memory} bytes"
