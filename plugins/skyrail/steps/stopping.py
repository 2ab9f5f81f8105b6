"""End a function's body when its task is told to end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class StepStoppedError(BaseException):
    """The step was told to end while its function ran.

    Not an `Exception`: a function that goes on whatever happens is to end all the same.
    """


@contextlib.contextmanager
def ended_by_sigterm(step: str) -> Iterator[None]:
    """Raise in the block when SIGTERM comes: a drained node, a pod that is evicted, a task that is cleared or marked.

    Airflow's own handler tells the operator and lets the function go on until the process is killed. Airflow 3.3 then
    tells the server nothing while the task has tries left, so that the next one begins only after
    `[scheduler] task_instance_heartbeat_timeout`, five minutes. A task that raises is retried at once.

    Raises:
        StepStoppedError: SIGTERM came.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL  # none that Python knows: one of a C library

    def on_term(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, before)  # a second one must not interrupt what ends the step in order
        if callable(before):
            before(number, frame)
        raise StepStoppedError(f"Step {step!r} was told to end while it ran (SIGTERM).")

    signal.signal(signal.SIGTERM, on_term)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
