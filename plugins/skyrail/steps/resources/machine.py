"""What this machine has, as far as the processes of this platform may use it."""

from __future__ import annotations

import contextlib
import functools
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Machine:
    """What steps share."""

    cpu: float
    """CPUs."""
    memory: int
    """Bytes."""
    gpus: int = 0


@functools.cache
def measured() -> Machine:
    """Return what this machine has, less where a container or `taskset` gives this process less."""
    import psutil

    root = Path("/sys/fs/cgroup")
    cpu = [float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)]
    memory = [psutil.virtual_memory().total]
    for folder in control_groups(root, Path("/proc/self/cgroup")):
        cpu += cpu_limits(folder)
        memory += memory_limits(folder)
    return Machine(min(cpu), min(memory), len(gpus()))


def control_groups(root: Path, own: Path) -> list[Path]:
    """Return the folders of the control groups that this process is in, up to the root, of either version."""
    groups = {root, root / "memory", root / "cpu", root / "cpu,cpuacct"}
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            start = root / controllers
            group = start / path.strip("/")
            groups |= {group, *(parent for parent in group.parents if parent.is_relative_to(start))}
    return sorted(groups)


def memory_limits(folder: Path) -> list[int]:
    """Return the limits of memory that a control group sets, in bytes."""
    # Version 1 says "no limit" by a number near 2**63.
    files = (folder / "memory.max", folder / "memory.limit_in_bytes")
    return [limit for file in files if (limit := _number(file)) and limit < 2**60]


def cpu_limits(folder: Path) -> list[float]:
    """Return the limits of processor time that a control group sets, in CPUs."""
    limits: list[float] = []
    with contextlib.suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        limits.append(int(quota) / int(period))
    quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    if quota_us and period_us and quota_us > 0:
        limits.append(quota_us / period_us)
    return limits


def _number(file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text())
    return None


@functools.cache
def gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, by the UUID that CUDA takes.

    By number CUDA orders them by speed and `nvidia-smi` by slot, so that two programs may mean different ones.
    """
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError):
        return ()
    listed = understood(done.stdout) if done.returncode == 0 else ()
    return permitted(listed, os.environ.get("CUDA_VISIBLE_DEVICES"))


def understood(output: str) -> tuple[str, ...]:
    """Return the UUIDs in what `nvidia-smi -L` prints, such as `GPU 0: Tesla T4 (UUID: GPU-8d…)`."""
    lines = [line for line in output.splitlines() if line.startswith("GPU ") and "(UUID: " in line]
    return tuple(line.rpartition("(UUID: ")[2].rstrip(") ") for line in lines)


def permitted(listed: tuple[str, ...], visible: str | None) -> tuple[str, ...]:
    """Return those of all GPUs that `CUDA_VISIBLE_DEVICES` leaves, given by number or UUID; None leaves all."""
    if visible is None:
        return listed
    chosen = [part.strip() for part in visible.split(",") if part.strip()]
    found: list[str] = []
    for part in chosen:
        if part.isdigit() and int(part) < len(listed):
            found.append(listed[int(part)])
        elif matching := [gpu for gpu in listed if gpu.startswith(part)]:
            found.append(matching[0])
        else:
            break  # as CUDA does: whatever follows one that is not there is not seen either
    return tuple(found)
