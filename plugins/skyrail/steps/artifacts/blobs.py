"""One blob at any fsspec address: under its name it is complete, whatever happens to the process that writes it."""

from __future__ import annotations

import contextlib
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "ocilake", "oss"})
"""Protocols where an object appears when its upload ends, and where renaming is copying."""

BUILDING = ".building-"
"""Beginning of a blob's name on other file systems, until it is complete."""
CUT_OFF = 86_400
"""Seconds without a write after which nobody is building a blob any more."""


def write_blob(path: str, chunks: Iterable[bytes]) -> None:
    """Write a blob, unless there is one: equal names mean equal contents.

    Raises:
        Exception: whatever the file system raises; nothing is then left under the name.
    """
    import fsspec

    filesystem, target = fsspec.url_to_fs(path)
    if filesystem.exists(target):
        return
    protocols = {filesystem.protocol} if isinstance(filesystem.protocol, str) else set(filesystem.protocol)
    if protocols & OBJECT_STORES:
        # No folders to make there: s3fs would make a missing bucket.
        _write(filesystem, target, chunks)
        return
    folder = target.rpartition("/")[0]
    filesystem.makedirs(folder, exist_ok=True)
    if "file" in protocols:
        _sweep(Path(folder))
    building = f"{folder}/{BUILDING}{uuid.uuid4().hex}"
    try:
        _write(filesystem, building, chunks)
        filesystem.mv(building, target)
    except BaseException:
        with contextlib.suppress(Exception):
            filesystem.rm_file(building)
        raise


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left beside a blob."""
    before = time.time() - CUT_OFF
    for path in folder.glob(f"{BUILDING}*"):
        with contextlib.suppress(OSError):  # it is complete now, or another process was faster
            if path.stat().st_mtime < before:
                path.unlink()


def _write(filesystem: Any, path: str, chunks: Iterable[bytes]) -> None:
    blob = filesystem.open(path, "wb")
    try:
        for chunk in chunks:
            blob.write(chunk)
    except BaseException:
        # Closing would complete the upload of what is there so far.
        with contextlib.suppress(Exception):
            blob.discard()
        with contextlib.suppress(Exception):
            blob.closed = True
        raise
    blob.close()
