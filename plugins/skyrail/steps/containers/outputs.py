"""What a program left in its outputs folder, as results of the step."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from skyrail.errors import StepError
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call

log = logging.getLogger(__name__)

MAX_FILES = 1000
"""Each file is an XCom and a tag of the record: with more of them, neither can be read any more."""
MAX_JSON = 64 << 20
"""Bytes of a JSON file that is still a value to the next step, and not a file."""

# An XCom is found by its key in an address, and these would be something else there.
_NO_KEY = re.compile(r"[#?%\\\x00-\x1f\x7f]|(?:^|/)slice$|(?:^|/)item/-?\d+$|^return_value$")


def keep(call: Call, folder: Path) -> dict[str, Reference] | None:
    """Store each file below the outputs folder; return the references by path, or None when there is no file.

    Raises:
        ArtifactError: the store cannot be reached or is full.
        StepError: there are too many files, or one has a name that cannot be handed on.
    """
    try:
        files = dict(_files(call.step, folder))
        return _keep(call, files)
    except PermissionError as error:
        raise StepError(
            f"Step {call.step!r} left an output that cannot be read: {error}.",
            fix="Let the program keep its own user, and leave files and folders readable for it.",
        ) from None


def _keep(call: Call, files: dict[str, Path]) -> dict[str, Reference] | None:
    if len(files) > MAX_FILES:
        raise StepError(
            f"Step {call.step!r} left {len(files)} files in its outputs folder; {MAX_FILES} can be handed on.",
            fix="Let the program write one archive instead, such as outputs.tar.",
        )
    kept: dict[str, Reference] = {}
    for name, path in files.items():
        with path.open("rb") as file:
            form = form_of(name, file)
            kept[name] = call.capture.keep(name, file, form=form, summary=name)
    return kept or None


def form_of(name: str, file: IO[bytes]) -> str:
    """Return the format by which the next step reads a file: by its suffix, if it holds what that says."""
    suffix = Path(name).suffix.lower()
    file.seek(0)
    if suffix == ".parquet" and file.read(4) == b"PAR1" and file.seek(-4, os.SEEK_END) and file.read(4) == b"PAR1":
        return "parquet"
    if suffix == ".npy" and file.read(6) == b"\x93NUMPY" and b"'descr': '|O" not in file.read(128):
        return "npy"
    if suffix == ".json" and file.seek(0, os.SEEK_END) <= MAX_JSON:
        file.seek(0)
        try:
            json.load(file)
        except ValueError:
            return "file"
        return "json"
    return "file"


def _files(step: str, folder: Path) -> Iterator[tuple[str, Path]]:
    root = folder.resolve()
    for parent, folders, files in os.walk(root, onerror=_raise):
        for name in sorted(files + [name for name in folders if (Path(parent) / name).is_symlink()]):
            path = Path(parent) / name
            key = path.relative_to(root).as_posix()
            target = path
            if path.is_symlink():  # such as latest.bin -> model-3.bin
                target = Path(os.path.realpath(path))
                if not (target.is_relative_to(root) and target.is_file()):
                    log.warning("The output %r is a link that leads to no file of the outputs folder: left out.", key)
                    continue
            elif not path.is_file():
                log.warning("The output %r is no file, but a pipe, socket or device: left out.", key)
                continue
            if _NO_KEY.search(key) or not _is_text(key):
                raise StepError(
                    f"Step {step!r} left an output named {key!r}, which cannot be handed on by that name.",
                    fix="Use letters, digits, dots, hyphens and underscores in the names of outputs.",
                )
            yield key, target
        folders.sort()


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes that are no UTF-8
        return False
    return True


def _raise(error: OSError) -> None:
    raise error
