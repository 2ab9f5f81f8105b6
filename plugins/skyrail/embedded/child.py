"""One running process: started in a session of its own, so that all that it ever starts can be found and stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import psutil

from skyrail.embedded.files import keep_small
from skyrail.embedded.postgres import identity
from skyrail.embedded.processes import ProcessSpec

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Become the parent of whatever our children leave behind, so that it is found at the end (Linux)."""
    if _prctl:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def start(spec: ProcessSpec, log: Path, inherited: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a process with its output in `log`."""
    keep_small(log)
    supervisor = os.getpid()

    def last_will() -> None:
        # The kernel sends this when the supervisor dies, even by kill -9. Set after the change of user, which
        # clears it.
        if _prctl:
            _prctl(_PR_SET_PDEATHSIG, int(spec.stop_signal), 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)

    with log.open("ab") as output:
        return subprocess.Popen(
            spec.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**inherited, **spec.environment},
            start_new_session=True,
            # The supervisor has one thread, so that running Python here is safe.
            preexec_fn=last_will,
            **identity(spec.account),
        )


def how_it_died(code: int) -> str:
    """Say in words how a process ended."""
    if code >= 0:
        return f"exit code {code}"
    with contextlib.suppress(ValueError):
        return f"signal {signal.Signals(-code).name}"
    return f"signal {-code}"


def session_members(session: int) -> list[psutil.Process]:
    """Return every process of a session, its leader last."""
    members = []
    for process in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getsid(process.pid) == session:
                members.append(process)
    return sorted(members, key=lambda process: process.pid == session)


def children(pid: int) -> list[psutil.Process]:
    """Return the children of a process that may have ended."""
    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def adopted(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return those processes whose parent has died, so that this process or the first of the system is it now."""
    found = []
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.ppid() in (os.getpid(), 1):
                found.append(process)
    return found


def send(processes: Iterable[psutil.Process], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may have ended."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)


def wait(processes: Iterable[psutil.Process], seconds: float) -> list[psutil.Process]:
    """Wait until processes that are not our children have ended; return those that are still there."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while (left := [process for process in left if _lives(process)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
