"""The artifact store: blobs named by their SHA-256 and format at any fsspec address.

    <url>/3f/3f2a9c….parquet
    <url>/3f/3f2a9c….parquet.sealed  the same, encrypted

A blob is written once and never changed: equal results share it, and a reference's hash tells whether what is read
is what was written. Whoever can hand a dict to a step can hand it a reference, so one is followed only to the place
where this store keeps what it names: nothing is read that no step wrote, nor in another format than it was written in.
"""

from __future__ import annotations

import hashlib
import pickle
import re
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

from skyrail.errors import ArtifactError
from skyrail.steps.artifacts.blobs import write_blob
from skyrail.steps.artifacts.formats import BY_NAME, FORMATS, Format, Pickle
from skyrail.steps.artifacts.room import room
from skyrail.steps.artifacts.sealing import CHUNK, SUFFIX, seal, unseal

MARK = "skyrail.artifact"
"""The only key of an XCom value that is a reference."""


@dataclass(frozen=True)
class Reference:
    """What goes through an XCom instead of the value."""

    uri: str
    sha256: str
    bytes: int
    format: str
    summary: str
    made_by: str
    """The attempt that made it, as `dag/run/task/map index/try`."""
    attempt: str
    """The same attempt's id, by which the record is found."""

    def to_xcom(self) -> dict[str, Any]:
        """Return the reference as plain JSON values."""
        return {MARK: asdict(self)}

    @staticmethod
    def from_xcom(value: Any) -> Reference | None:
        """Return the reference that a value is, or None when it is something else."""
        if not (isinstance(value, dict) and len(value) == 1 and isinstance(value.get(MARK), dict)):
            return None
        given = value[MARK]
        kinds = {field.name: int if field.name == "bytes" else str for field in fields(Reference)}
        if given.keys() != kinds.keys() or not all(type(given[name]) is kind for name, kind in kinds.items()):
            return None  # somebody else's dict
        return Reference(**given)


@dataclass(frozen=True)
class Store:
    """Blobs under one fsspec address."""

    url: str
    key_conn_id: str = ""
    """Airflow connection with the keys that blobs are encrypted with; empty means that they are not."""

    def put(self, value: Any, *, made_by: str, attempt: str) -> Reference:
        """Write a value and return its reference.

        Raises:
            ArtifactError: the value cannot be written by any format, or the store cannot be reached or is full.
        """
        with room("A result"), tempfile.TemporaryFile() as file:
            form = write_value(value, file)
            return self.keep(file, form=form.name, summary=form.summary(value), made_by=made_by, attempt=attempt)

    def keep(self, file: IO[bytes], *, form: str, summary: str, made_by: str, attempt: str) -> Reference:
        """Store what a file holds, from its beginning, and return its reference.

        Raises:
            ArtifactError: there is no such format, or the store cannot be reached or is full.
        """
        if form not in BY_NAME:
            raise ArtifactError(f"A result has the unknown format {form!r}.", fix=f"Give one of {', '.join(BY_NAME)}.")
        file.seek(0)
        sha256 = _digest(file)
        size = file.tell()
        file.seek(0)
        return Reference(self._put_blob(file, sha256, form), sha256, size, form, summary, made_by, attempt)

    def get(self, reference: Reference) -> Any:
        """Read the value of a reference.

        Raises:
            ArtifactError: it is not of this store, the blob is gone, was changed, or cannot be read.
        """
        with room("A copy of a stored result"), tempfile.TemporaryFile() as file:
            self.fetch(reference, file)
            return read_value(reference, file)

    def fetch(self, reference: Reference, file: IO[bytes]) -> None:
        """Copy the blob of a reference into an empty file, and check that it is what was written.

        Raises:
            ArtifactError: it is not of this store, the blob is gone, was changed, or cannot be reached.
        """
        import fsspec

        self._require_own(reference)
        what = f"The stored result {reference.uri}, made by {reference.made_by},"
        digest = hashlib.sha256()
        try:
            with fsspec.open(reference.uri, "rb") as blob:
                sealed = reference.uri.endswith(SUFFIX)
                for chunk in unseal(blob, self.key_conn_id) if sealed else _chunks(blob):
                    digest.update(chunk)
                    with room("A copy of it"):
                        file.write(chunk)
            with room("A copy of it"):
                file.flush()
        except FileNotFoundError:
            raise ArtifactError(f"{what} is gone.", fix="Clear that task so that it is made again.") from None
        except ArtifactError as error:
            raise ArtifactError(f"{what} cannot be read. {error.message}", fix=error.fix) from error
        except Exception as error:
            raise ArtifactError(
                f"{what} cannot be read: {error}",
                fix="Check that this worker reaches [skyrail_tracking] store and may read there.",
            ) from error
        if digest.hexdigest() != reference.sha256:
            raise ArtifactError(
                f"{what} is not what was written there: its SHA-256 is {digest.hexdigest()} instead of "
                f"{reference.sha256}.",
                fix="Clear that task so that it is made again, and find out who writes to the store.",
            )

    def _require_own(self, reference: Reference) -> None:
        path = self._path(reference.sha256, reference.format)
        named = re.fullmatch("[0-9a-f]{64}", reference.sha256) and reference.format in BY_NAME
        if named and reference.uri in (path, path + SUFFIX):
            return
        raise ArtifactError(
            f"The stored result {reference.uri}, made by {reference.made_by}, is not read: it is not where the "
            f"artifact store {self.url} keeps a result of its SHA-256 and format.",
            fix="If [skyrail_tracking] store was changed since, set it back, or clear that task so that it is made "
            "again. Otherwise find out who handed on a reference that no step made.",
        )

    def _path(self, sha256: str, form: str) -> str:
        return f"{self.url.rstrip('/')}/{sha256[:2]}/{sha256}.{form}"

    def _put_blob(self, file: IO[bytes], sha256: str, form: str) -> str:
        path = self._path(sha256, form) + (SUFFIX if self.key_conn_id else "")
        try:
            write_blob(path, seal(file, self.key_conn_id) if self.key_conn_id else _chunks(file))
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(
                f"A result cannot be written to the artifact store {self.url}: {error}",
                fix="Check that it exists, has room, and may be written by this worker ([skyrail_tracking] store).",
            ) from error
        return path


def write_value(value: Any, file: IO[bytes]) -> Format:
    """Write a value into an empty file by the first format that takes it, and return that.

    Raises:
        ArtifactError: no format can write it.
    """
    if isinstance(value, Path) and not value.exists():
        raise ArtifactError(
            f"A result is the path {value}, and there is nothing.",
            fix="Write the file before the step returns its path, or return the path as text.",
        )
    form = next(form for form in FORMATS if form.accepts(value))
    try:
        form.write(value, file)
    except OSError:
        raise
    except Exception as error:
        if isinstance(form, Pickle):
            raise _cannot_store(value, error) from error
        form = BY_NAME["pickle"]
        file.seek(0)
        file.truncate()
        try:
            form.write(value, file)
        except Exception as worse:
            raise _cannot_store(value, worse) from worse
    return form


def read_value(reference: Reference, file: IO[bytes]) -> Any:
    """Return the value that the fetched file of a reference holds.

    Raises:
        ArtifactError: it cannot be loaded in this interpreter.
    """
    file.seek(0)
    what = f"The stored result {reference.uri}, made by {reference.made_by}, cannot be loaded here:"
    try:
        return BY_NAME[reference.format].read_as(file, reference.summary)
    except ArtifactError as error:
        raise ArtifactError(f"{what} {error.message}", fix=error.fix) from error
    except Exception as error:
        raise ArtifactError(
            f"{what} {type(error).__name__}: {error}",
            fix="This step's environment needs the packages that the one which made it had.",
        ) from error


def _cannot_store(value: Any, error: Exception) -> ArtifactError:
    name = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    known = isinstance(error, pickle.PicklingError | TypeError | AttributeError)
    return ArtifactError(
        f"A result of type {name} cannot be stored: {error if known else f'{type(error).__name__}: {error}'}",
        fix="Return plain data, a frame, an array or a fitted model; open connections, generators and lambdas stay "
        "inside the step.",
    )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in _chunks(file):
        digest.update(chunk)
    return digest.hexdigest()
