"""What an attempt used: CPU time and memory, as the kernel counts them for this process and its children."""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import time
from pathlib import Path

from skyrail.tracking import names

_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes that the kernel counts memory in."""


class Usage:
    """Count from now on.

    CPU time is that of this process and of every child that it has waited for. The peak of memory is the kernel's own
    (`memory.peak`, page cache included) where this process and its relatives are alone in their control group, as in a
    pod; elsewhere it is that of the largest single process among this one and its children.
    """

    def __init__(self) -> None:
        # Forget the peak of whatever this process did before, such as an earlier attempt in one Python session.
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")
        self._held = time.monotonic()
        self._cpu = _cpu_seconds()
        self._children = _largest_child()

    def gpus_held(self) -> None:
        """Count the seconds of GPUs from now on."""
        self._held = time.monotonic()

    def tags(self, gpus: int = 0, *, own: bool = True) -> dict[str, str]:
        """Return what was used until now, as tags.

        Args:
            gpus: how many were held all the time.
            own: whether the work was done by this process and its children.
        """
        found: dict[str, str] = {}
        if own:
            peak = peak_of_group()
            found = {
                names.PEAK_MEMORY: str(peak or max(_own_peak(), self._largest_new_child())),
                names.PEAK_MEMORY_OF: "cgroup" if peak else "largest process",
                names.CPU_SECONDS: f"{_cpu_seconds() - self._cpu:.3f}",
            }
        if gpus:
            found[names.GPU_SECONDS] = f"{gpus * (time.monotonic() - self._held):.3f}"
        return found

    def _largest_new_child(self) -> int:
        # The kernel keeps the largest child of all times: one from before tells nothing.
        largest = _largest_child()
        return largest if largest > self._children else 0


def peak_of_group(
    proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup"), me: int | None = None
) -> int | None:
    """Return the peak of memory of this process's control group (version 2), in bytes; None unless it is alone there.

    Alone means: each process in the group is this one, one that it descends from, or one that descends from it.
    """
    try:
        lines = (proc / "self/cgroup").read_text().splitlines()
        path = next(line.removeprefix("0::/") for line in lines if line.startswith("0::/"))
        group = groups / path
        members = {int(line) for line in (group / "cgroup.procs").read_text().split()}
        peak = int((group / "memory.peak").read_text())
        parents = {int(member): _parent(proc, int(member)) for member in members}
    except (OSError, ValueError, StopIteration):
        return None
    me = me or os.getpid()
    ancestors = set(_line(me, parents))
    return peak if all(member in ancestors or me in _line(member, parents) for member in members) else None


def _line(member: int, parents: dict[int, int]) -> list[int]:
    """Return a process and those it descends from, as far as they are in the group."""
    found = [member]
    while (member := parents.get(member, 0)) in parents:
        found.append(member)
    return found


def _parent(proc: Path, member: int) -> int:
    # The name, in brackets, may hold anything; the parent is the second field behind it.
    return int((proc / str(member) / "stat").read_text().rpartition(")")[2].split()[1])


def _cpu_seconds() -> float:
    each = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in each)


def _own_peak() -> int:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        status = Path("/proc/self/status").read_text().splitlines()
        return int(next(line for line in status if line.startswith("VmHWM:")).split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT


def _largest_child() -> int:
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _UNIT
