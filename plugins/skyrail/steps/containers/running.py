"""Wait for a program, with its output going where the step's goes, and leave nothing of it behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.containers import guard as guard_program
from skyrail.steps.environments.process import kill_group, wait

PATIENCE_SECONDS = guard_program.GRACE_SECONDS + 20
"""How long is waited for an engine to stop a container."""


class StoppedError(StepError):
    """The step was stopped from outside, and its program with it."""


class Guard:
    """The guard program of one container or process group. Whatever ends this process, it stops what is left."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guard_program.__file__, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        assert self._process.stdin is not None  # noqa: S101
        self._stdin = self._process.stdin

    def say(self, line: str) -> None:
        """Tell the guard something."""
        with contextlib.suppress(OSError, ValueError):  # it may be gone, and the step is none the worse
            os.write(self._stdin.fileno(), f"{line}\n".encode())

    def stop(self) -> None:
        """Have it stop what it guards, from now on, without waiting for it. After `over`, send it home."""
        with contextlib.suppress(OSError):
            self._stdin.close()

    def wait(self) -> None:
        """Wait until it has stopped what it was told to. Not forever: an engine may hang, and it goes on alone."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(PATIENCE_SECONDS)


@contextlib.contextmanager
def guarded(step: str, *arguments: str) -> Iterator[Guard]:
    """Have a guard while a program runs, which stops the program when anything ends this block but its last line.

    SIGTERM counts: Airflow's own handler returns, and only five seconds later the process is killed.

    Raises:
        StoppedError: SIGTERM came, and the program is gone.
    """
    guard = Guard(*arguments)
    terminated = False
    before = signal.getsignal(signal.SIGTERM)
    here = threading.current_thread() is threading.main_thread()

    def on_term(number: int, frame: FrameType | None) -> Any:
        nonlocal terminated
        terminated = True
        guard.stop()
        if callable(before):
            before(number, frame)

    if here:
        signal.signal(signal.SIGTERM, on_term)
    try:
        yield guard
        if not terminated:
            guard.say(guard_program.OVER)
    finally:
        try:
            guard.stop()
            guard.wait()
        finally:
            if here:
                signal.signal(signal.SIGTERM, before)
        if terminated:
            raise StoppedError(f"Step {step!r} was stopped from outside, and its program with it.") from None


def run_attached(guard: Guard, command: Sequence[str]) -> int:
    """Run an engine's command that prints what a guarded container does; return its exit code."""
    _flush()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except BaseException:
        guard.stop()
        try:
            process.wait(PATIENCE_SECONDS)  # what the program says to its end is in the log, too
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        raise


def run_group(step: str, command: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> int:
    """Run a program in a process group of its own; return its exit code, negative for a signal. Nothing of it stays.

    Raises:
        OSError: the program cannot be started.
        StoppedError: SIGTERM came.
    """
    _flush()
    with guarded(step, "group") as guard:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, cwd=folder, env=dict(environment), start_new_session=True
        )
        guard.say(str(process.pid))
        try:
            wait(process)
        except BaseException:
            guard.stop()
            wait(process)
            raise
        finally:
            code = kill_group(process)
    return code


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
