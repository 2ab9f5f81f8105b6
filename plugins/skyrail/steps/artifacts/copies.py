"""Local copies of stored files and folders, for as long as this process lives.

    <TMPDIR>/skyrail-copies-…/       those of one process, removed when it exits
    <TMPDIR>/skyrail-copies-…/.lock  locked by that process

The kernel drops a lock when its process ends, however it ends. A folder whose lock is free was left by a process that
was killed: the next one that makes copies removes it.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

PREFIX = "skyrail-copies-"
LOCK = ".lock"

_folder: tuple[int, Path] | None = None


def place(name: str) -> Path:
    """Return a path of that name in a folder of its own, where nothing is yet."""
    own = Path(name).name
    return Path(tempfile.mkdtemp(dir=_home())) / (own if own not in ("", "..") else "data")


def passing() -> tempfile.TemporaryDirectory[str]:
    """Return a folder for the time of a `with`, which is removed later if the process is killed inside."""
    return tempfile.TemporaryDirectory(dir=_home())


def _home() -> Path:
    global _folder
    # A task is forked: the folder of its parent is its parent's to remove.
    if _folder is None or _folder[0] != os.getpid():
        _sweep(Path(tempfile.gettempdir()))
        _folder = os.getpid(), Path(tempfile.mkdtemp(prefix=PREFIX))
        _lock(_folder[1])
        atexit.register(_remove, *_folder)
    return _folder[1]


def _lock(folder: Path) -> None:
    """Hold a folder for as long as this process lives."""
    new = folder / f"{LOCK}.new"
    lock = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)  # never closed: the end of the process does that
    with contextlib.suppress(OSError):  # a file system without locks: nobody gets this one, so nobody sweeps either
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    new.rename(folder / LOCK)  # under its name it is locked from the first moment


def _sweep(temporary: Path) -> None:
    """Remove the folders of processes that were killed."""
    for folder in temporary.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # somebody else's, in use, or removed meanwhile
            if folder.is_symlink() or folder.stat().st_uid != os.getuid():
                continue
            with (folder / LOCK).open("r+b") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _delete(folder)


def _remove(process: int, folder: Path) -> None:
    if process == os.getpid():
        _delete(folder)


def _delete(folder: Path) -> None:
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)  # the copies may not be written
    for copy in folder.glob("*/"):  # the lock goes last: what this cannot finish, the next one finds
        shutil.rmtree(copy, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
