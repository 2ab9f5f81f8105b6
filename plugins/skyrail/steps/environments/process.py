"""A child process with a group of its own, which ends when this process does, however that ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.child.program import ALIVE
from skyrail.steps.environments.errors import StepKilledError

GRACE_SECONDS = 5.0
"""How long a child that is told to end may take for it: Airflow itself waits as long between its signals."""


def run(command: list[str], environment: Mapping[str, str]) -> int:
    """Run a program with this process's output, and return its exit code, negative for a signal.

    When this process is told to end (SIGTERM) or leaves by an exception such as a timeout, so does the whole group of
    the child; when it is killed, the child sees the end of a pipe. When the child ends in any other way than by exit
    code 0, what it started is killed: it would keep its memory while the next attempt runs.
    """
    alive, ours = os.pipe()
    try:
        child = subprocess.Popen(
            command,
            env={**environment, ALIVE: str(alive)},
            stdin=subprocess.DEVNULL,
            pass_fds=[alive],
            process_group=0,
        )
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(alive)
    try:
        with _ended_by_sigterm(child):
            succeeded = wait(child)
        return child.wait() if succeeded else kill_group(child)
    finally:
        _end(child)
        os.close(ours)


def wait(child: subprocess.Popen[bytes]) -> bool:
    """Wait for a child without collecting it, and tell whether it ended with exit code 0.

    Until it is collected, its number stays its own, and that of its group.
    """
    ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    return ended is not None and (ended.si_code, ended.si_status) == (os.CLD_EXITED, 0)


def kill_group(child: subprocess.Popen[bytes]) -> int:
    """Kill what is left of a child's group, collect the child, and return its exit code, negative for a signal."""
    _signal(child, signal.SIGKILL)
    return child.wait()


@contextlib.contextmanager
def _ended_by_sigterm(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass SIGTERM on: Airflow's own handler tells the operator, and leaves the process running."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def handle(number: int, frame: Any) -> None:
        _signal(child, signal.SIGTERM)
        if callable(before):
            before(number, frame)
        elif before is signal.SIG_DFL:
            raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End a child and what it started, unless it is collected."""
    if child.returncode is not None:
        return
    _signal(child, signal.SIGTERM)
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline and not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        time.sleep(0.02)
    kill_group(child)


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing of it is left, or is another user's
        os.killpg(child.pid, number)


def check(step: str, code: int) -> None:
    """Refuse every end of a child but exit code 0.

    Raises:
        StepKilledError: a signal ended it.
        StepError: it ended with another exit code.
    """
    if code == 0:
        return
    who = f"The function of step {step!r}"
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if number == signal.SIGKILL:
        why = f"{who} was killed by signal 9 (most often out of memory)."
        raise StepKilledError(why, fix="Ask for more memory=, or read and compute in smaller parts.")
    if number == signal.SIGTERM:
        why = f"{who} was ended by signal 15, from outside."
        raise StepKilledError(why, fix="The task was cleared, marked, timed out or shut down.")
    if number in set(signal.Signals):
        why = f"{who} was killed by {signal.Signals(number).name}."
        raise StepKilledError(why, fix="A library in compiled code did this most likely: see the log above.")
    raise StepError(f"{who} ended its process with exit code {code}.", fix="See the log for what it printed last.")
