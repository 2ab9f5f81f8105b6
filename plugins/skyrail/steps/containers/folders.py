"""The three folders of a program: its inputs, its outputs, and its configuration with the parameters."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.artifacts.folders import unpack
from skyrail.steps.artifacts.formats import File, Folder, Model
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call
from skyrail.steps.containers.arguments import Arguments, Source

INPUTS, OUTPUTS, CONFIG = "inputs", "outputs", "config"
IN_CONTAINER = PurePosixPath("/skyrail")

NAMES = {
    "parquet": "data.parquet",
    "polars": "data.parquet",
    "npy": "data.npy",
    "json": "data.json",
    "mlflow": "model",
    "pickle": "data.pickle",
}
"""What the file of a stored object is called, by its format, where the object has no name of its own."""


@dataclass(frozen=True)
class Folders:
    """The folders of one call, where they are and where the program finds them."""

    here: Path
    there: PurePosixPath

    @classmethod
    def make(cls, parent: Path, *, in_container: bool) -> Folders:
        """Make the folders below a scratch folder."""
        folders = cls(parent, IN_CONTAINER if in_container else PurePosixPath(parent))
        for name in (INPUTS, OUTPUTS, CONFIG):
            (parent / name).mkdir(mode=0o700)
        return folders

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables by which a program finds the folders; those with VH_ are Valohai's."""
        return {
            f"{prefix}_{name.upper()}{suffix}": str(self.there / name)
            for prefix, suffix in (("SKYRAIL", ""), ("VH", "_DIR"))
            for name in (INPUTS, OUTPUTS, CONFIG)
        }


def fill(call: Call, arguments: Arguments, folders: Folders) -> dict[str, str]:
    """Write inputs and configuration, note files of this machine in the record, and return where each input is.

    That is its file or folder, or the folder with the files of its elements when it is a dict or list.

    Raises:
        ArtifactError: a stored input cannot be fetched.
        StepError: the names of an input's parts cannot be names of files.
    """
    paths: dict[str, str] = {}
    described: dict[str, Any] = {}
    for name, parts in arguments.inputs.items():
        folder = folders.here / INPUTS / name
        folder.mkdir()
        placed = [_place(call, name, place, source, folder) for place, source in parts]
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        there = folders.there / INPUTS / name
        whole = [place for place, _ in parts] == [""]
        paths[name] = str(there / placed[0].relative_to(folder)) if whole else str(there)
        described[name] = {
            "files": [
                {"name": str(file.relative_to(folder)), "path": str(there / file.relative_to(folder)),
                 "size": file.stat().st_size}
                for file in files
            ]
        }  # fmt: skip
    # A parameter may be a secret.
    for file, content in (("parameters.json", arguments.parameters), ("inputs.json", described)):
        target = folders.here / CONFIG / file
        target.touch(mode=0o600)
        target.write_text(json.dumps(content, indent=2))
    return paths


def _place(call: Call, name: str, place: str, source: Source, folder: Path) -> Path:
    if isinstance(source, Reference):  # noted in the record by who made the call
        target = _target(call.step, name, folder, place, file_name(source))
        _fetch(call, source, target)
    elif isinstance(source, Path):
        target = _target(call.step, name, folder, place, source.name or "data")
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
        call.capture.note_input(".".join([name, *place.split("/")]).rstrip("."), _seen(source, target))
    else:
        target = _target(call.step, name, folder, place, NAMES["json"])
        target.write_text(json.dumps(source))
    return target


def file_name(reference: Reference) -> str:
    """Return what the file of a stored object is called: its own name if it has one."""
    if reference.format in (File.name, Folder.name):
        return PurePosixPath(reference.summary).name or "data"
    return NAMES.get(reference.format, f"data.{reference.format}")


def _fetch(call: Call, reference: Reference, target: Path) -> None:
    if reference.format not in (Folder.name, Model.name):
        with target.open("xb") as file:
            call.capture.store.fetch(reference, file)
        return
    with tempfile.TemporaryFile(dir=target.parent) as packed:
        call.capture.store.fetch(reference, packed)
        packed.seek(0)
        unpack(packed, target)


def _target(step: str, argument: str, folder: Path, place: str, own: str) -> Path:
    """Return where a part of an argument goes: its place in the argument is its name, with the suffix of its kind."""
    if place:
        suffix = PurePosixPath(own).suffix
        own = place if PurePosixPath(place).suffix == suffix else place + suffix
    target = folder / own
    inside = target.resolve().is_relative_to(folder.resolve()) and target != folder
    with contextlib.suppress(OSError):  # one part's name is another's folder
        if inside and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            return target
    raise StepError(
        f"Argument {argument!r} of step {step!r} has a part {place!r}, which cannot be the name of a file.",
        fix="Give the parts names that are different, without .. and without a slash at the beginning.",
    )


def _seen(source: Path, copy: Path) -> Reference:
    """Describe a file or folder of this machine by its content, so that the version counts it."""
    form = Folder() if copy.is_dir() else File()
    digest = _Digest()
    form.write(copy, digest)  # type: ignore[arg-type]
    return Reference(
        source.resolve().as_uri(), digest.sha256.hexdigest(), digest.bytes, form.name, form.summary(source), "", ""
    )


class _Digest:
    """A file that keeps nothing but the hash of what is written."""

    def __init__(self) -> None:
        self.sha256, self.bytes = hashlib.sha256(), 0

    def write(self, content: bytes) -> int:
        self.sha256.update(content)
        self.bytes += len(content)
        return len(content)
