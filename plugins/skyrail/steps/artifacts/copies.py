"""Local copies of stored files and folders, for as long as this process lives."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_folder: tuple[int, Path] | None = None


def place(name: str) -> Path:
    """Return a path of that name in a folder of its own, where nothing is yet."""
    return Path(tempfile.mkdtemp(dir=_home())) / (Path(name).name or "data")


def _home() -> Path:
    global _folder
    # A task is forked: the folder of its parent is its parent's to remove.
    if _folder is None or _folder[0] != os.getpid():
        _folder = os.getpid(), Path(tempfile.mkdtemp(prefix="skyrail-copies-"))
        atexit.register(_remove, *_folder)
    return _folder[1]


def _remove(process: int, folder: Path) -> None:
    if process != os.getpid():
        return
    for parent, _, _ in os.walk(folder):
        Path(parent).chmod(0o700)  # the copies may not be written
    shutil.rmtree(folder, ignore_errors=True)
