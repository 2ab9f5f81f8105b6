"""Processes of a supervisor that did not come to stop them: found by what state.json recorded, then stopped."""

from __future__ import annotations

import contextlib
import signal

import psutil

from skyrail.embedded import child, state
from skyrail.embedded.home import Home
from skyrail.embedded.processes import STOP_ORDER
from skyrail.embedded.workers import GRACE


def find(recorded: state.State) -> dict[str, list[psutil.Process]]:
    """Return what still runs, by process name, the recorded process last.

    The recorded process must have the recorded time of creation too. When it is gone, whatever is still in its
    session is ours: a number is not given out again while a session bears it.
    """
    found: dict[str, list[psutil.Process]] = {}
    for process in recorded.processes:
        if not process.pid:
            continue
        leader = state.alive(process.pid, process.create_time)
        if not leader and psutil.pid_exists(process.pid):
            continue  # another process has the number by now
        family: list[psutil.Process] = []
        if leader:
            with contextlib.suppress(psutil.Error):
                family = leader.children(recursive=True)
        members = child.session_members(process.pid)
        if family or members:
            found[process.name] = list(dict.fromkeys([*family, *members]))
    return found


def stop(home: Home) -> list[str]:
    """Stop what the last supervisor left running, in order; return the names of what was found."""
    recorded = state.read(home)
    found = find(recorded) if recorded else {}
    for group in STOP_ORDER:
        processes = [process for name in group for process in found.get(name, [])]
        gentle = signal.SIGINT if group == ("postgres",) else signal.SIGTERM
        # Only the server: PostgreSQL ends its own children.
        child.send(
            [found[name][-1] for name in group if name in found] if gentle == signal.SIGINT else processes, gentle
        )
        child.send(child.wait(processes, 15.0 if group == ("postgres",) else GRACE), signal.SIGKILL)
        child.wait(processes, 5.0)
    return [name for group in STOP_ORDER for name in group if name in found]
