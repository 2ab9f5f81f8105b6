"""The spool: one folder an attempt, on local disk, with everything that was recorded and not yet sent.

    <milliseconds>-<attempt>/
        events.jsonl   what the step's process recorded; each line one event, see `Event`
        lines.jsonl    what its metric lines said, written by the recorder, which keeps it locked
        texts.jsonl    those of them that hold more than numbers; only the step's process can mask secrets in them
        lock           locked for as long as the step's process lives
        artifacts/     files that the author logged, one folder a run
        models/        likewise, one folder a logged model
        sent.json      how far the flusher is

Both files are only ever appended to, whole lines at a time. The lock is a POSIX record lock: the kernel drops it when
the process ends, however it ends, and children made by fork do not hold it. So a folder whose lock is free belongs to
an attempt that is over, and without an `end` event it was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

EVENTS, LINES, TEXTS, LOCK, SENT = "events.jsonl", "lines.jsonl", "texts.jsonl", "lock", "sent.json"
ARTIFACTS, MODELS = "artifacts", "models"
DONE, ASIDE = ".done-", ".rejected"
SCHEME = "skyrail-spool"

_NAME = re.compile(r"\d+-[0-9a-f]{32}")

Event = dict[str, Any]
"""A JSON object with `e`, its kind: attempt, run, metrics, params, tags, untag, inputs, outputs, model, model_tags,
model_final, run_end (of a run that the author opened) or end (of the attempt)."""


def now_ms() -> int:
    """Return the time in milliseconds since 1970, MLflow's unit."""
    return int(time.time() * 1000)


@dataclass(frozen=True)
class Attempt:
    """One attempt's folder, seen by the process that records it."""

    folder: Path
    run: str
    """The attempt's local run id: 32 hex digits, unknown to the tracking server, which gives its own."""

    @property
    def tracking_uri(self) -> str:
        """The address by which MLflow's client in this process and its children finds the spool."""
        return f"{SCHEME}://{quote(str(self.folder))}"

    def append(self, event: Event) -> None:
        """Add one event.

        Raises:
            OSError: the disk is full or the folder is gone.
        """
        append_event(self.folder, event)


def append_event(folder: Path, event: Event) -> None:
    """Add one event to an attempt's folder, from any process.

    Raises:
        OSError: the disk is full or the folder is gone.
    """
    data = json.dumps(event, separators=(",", ":")).encode() + b"\n"
    descriptor = os.open(folder / EVENTS, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        end = os.fstat(descriptor).st_size
        if end and os.pread(descriptor, 1, end - 1) != b"\n":
            data = b"\n" + data  # a process was killed in the middle of its event: it must not take this one with it
        try:
            written = os.write(descriptor, data)
            if written != len(data):
                raise OSError(28, "No space left on device")
        except OSError:
            os.ftruncate(descriptor, end)  # half an event would spoil the next one too
            raise
    finally:
        os.close(descriptor)


def open_attempt(spool: Path, run: str, event: Event) -> tuple[Attempt, IO[bytes]]:
    """Make an attempt's folder with its first event, and lock it.

    Returns:
        The attempt, and the lock: the attempt counts as alive until it is closed.

    Raises:
        OSError: the folder cannot be made or written.
    """
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Under its final name the folder is complete: the flusher never sees one without lock or first event.
    building = spool / f".{run}"
    building.mkdir(mode=0o700, exist_ok=True)
    try:
        lock = (building / LOCK).open("wb")
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        append_event(building, event)
        final = spool / f"{event['at']}-{run}"
        building.rename(final)
    except OSError:
        shutil.rmtree(building, ignore_errors=True)
        raise
    return Attempt(final, run), lock


def is_alive(folder: Path) -> bool:
    """Tell whether the process of an attempt still lives. Must not be asked by that process itself."""
    with contextlib.suppress(FileNotFoundError), (folder / LOCK).open("r+b") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def is_recording(folder: Path) -> bool:
    """Tell whether an attempt's recorder still runs: it outlives the step's process by moments."""
    with contextlib.suppress(FileNotFoundError), (folder / LINES).open("rb") as lines:
        try:
            fcntl.flock(lines, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def attempts(spool: Path) -> list[Path]:
    """Return the folders of all attempts, oldest first."""
    if not spool.is_dir():
        return []
    folders = [path for path in spool.iterdir() if _NAME.fullmatch(path.name) and path.is_dir()]
    return sorted(folders, key=lambda path: (int(path.name.partition("-")[0]), path.name))


def remove(folder: Path) -> None:
    """Remove an attempt's folder: at once from the attempts, then from the disk.

    A removal that is cut off leaves a folder that is no attempt, for `sweep` to remove.
    """
    done = folder.with_name(f"{DONE}{folder.name}")
    folder.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def sweep(spool: Path) -> None:
    """Remove what removals that were cut off have left."""
    for path in spool.glob(f"{DONE}*"):
        shutil.rmtree(path, ignore_errors=True)


def read_events(path: Path, offset: int = 0) -> Iterator[tuple[Event, int]]:
    """Yield the whole lines of a spool file from an offset, each with the offset behind it.

    A line without an end is still being written; one that is not JSON was cut by a full disk, and is passed over.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):
                continue
            yield event, offset
