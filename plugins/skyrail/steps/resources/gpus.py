"""Hand out the GPUs of this machine, so that no two steps get the same one.

A GPU is lent by a lock on a file. The kernel lets go of it when the process that holds it ends, however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.machine import gpus

log = logging.getLogger(__name__)

SECONDS = 0.2
"""How often a step that waits looks whether enough GPUs are free."""


@contextlib.contextmanager
def lease(count: int, folder: Path, *, devices: Sequence[str] | None = None) -> Iterator[tuple[str, ...]]:
    """Hold a number of GPUs, waiting until they are free; yield their names for `CUDA_VISIBLE_DEVICES`.

    Steps get theirs in the order in which they came, so that one that wants many is not overtaken for ever.

    Args:
        count: how many; 0 yields none and waits for nothing.
        folder: where the locks are, on local disk, the same for all steps of the machine.
        devices: what is lent; the GPUs of this machine if not given.

    Raises:
        ResourceError: the machine has fewer.
    """
    if count == 0:
        yield ()
        return
    known = gpus() if devices is None else devices
    if count > len(known):
        raise ResourceError(
            f"The step wants {count} GPU{'s' if count > 1 else ''}, and this machine has {len(known)}.",
            fix="Run it where there are enough, or go on without: skyrail up --cpu-ok",
        )
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        # Whoever waits holds this one. Without it, two that want two GPUs each could hold one each and wait for ever.
        with (folder / "next.lock").open("ab") as turn:
            if not _flock(turn, wait=False):
                log.info("Waiting for the steps that came before and wait for a GPU too.")
                _flock(turn, wait=True)
            mine = _wait(count, folder, known, held)
        yield mine


def _wait(count: int, folder: Path, known: Sequence[str], held: contextlib.ExitStack) -> tuple[str, ...]:
    mine: list[str] = []
    said = False
    while True:
        for device in known:
            if device not in mine and len(mine) < count and (lock := _take(folder / f"{device}.lock")):
                held.enter_context(lock)
                mine.append(device)
        if len(mine) == count:
            return tuple(mine)
        if not said:
            said = True
            log.info("Waiting for %d of the %d GPUs of this machine; %d are free.", count, len(known), len(mine))
        time.sleep(SECONDS)


def _take(file: Path) -> IO[bytes] | None:
    lock = file.open("ab")
    if _flock(lock, wait=False):
        return lock
    lock.close()
    return None


def _flock(file: IO[bytes], *, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True
