"""What becomes of running tasks when their scheduler stops, or dies.

LocalExecutor's workers are the scheduler's children; each runs its task in a child of its own and reports to the
api-server how it ended. A worker does not end when its scheduler is gone: it holds both ends of the queue it reads.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence

import psutil

from skyrail.embedded import child

GRACE = 5.0
"""Seconds that a task has for its operator's `on_kill`, which ends what it started elsewhere."""


async def end_tasks(workers: Sequence[psutil.Process], hurry: asyncio.Event, *, grace: float = GRACE) -> None:
    """Ask the workers' tasks to end; kill what is still there after `grace` seconds or when `hurry` is set.

    Task and worker are killed together, so that nothing is reported: a task that was cut off is not a task that
    failed, and the next start of Airflow runs it again.
    """
    child.send(workers, signal.SIGTERM)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + grace
    while _tasks(workers) and loop.time() < deadline and not hurry.is_set():
        await asyncio.sleep(0.1)
    child.send([*workers, *_tasks(workers)], signal.SIGKILL)


async def retire(workers: Sequence[psutil.Process]) -> None:
    """Let the workers of a dead scheduler finish the task that they run, and end each that is idle."""
    left = list(workers)
    while left:
        child.send([worker for worker in left if not _tasks([worker])], signal.SIGKILL)
        await asyncio.sleep(1.0)
        left = child.wait(left, 0)


def _tasks(workers: Sequence[psutil.Process]) -> list[psutil.Process]:
    tasks = []
    for worker in workers:
        with contextlib.suppress(psutil.Error):
            # A worker may take seconds to notice that its task has ended.
            tasks += [task for task in worker.children(recursive=True) if task.status() != psutil.STATUS_ZOMBIE]
    return tasks
