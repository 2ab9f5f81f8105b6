"""How a value becomes a file and back: one class a format, asked in the order of `FORMATS`."""

from __future__ import annotations

import contextlib
import json
import pickle
import shutil
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from typing import IO, Any, ClassVar

from skyrail.steps.artifacts.room import room


class Format(ABC):
    """Write and read values of some kind. A subclass says its `name` and overrides the four methods."""

    name: ClassVar[str]
    """Name in references and the suffix of blobs: it stays readable for as long as a reference to it exists."""

    @abstractmethod
    def accepts(self, value: Any) -> bool:
        """Tell whether this format keeps the value whole, without importing what made it."""

    @abstractmethod
    def write(self, value: Any, file: IO[bytes]) -> None:
        """Write the value."""

    @abstractmethod
    def read(self, file: IO[bytes]) -> Any:
        """Return an equal value."""

    def read_as(self, file: IO[bytes], summary: str) -> Any:
        """Return an equal value, whose summary was that."""
        del summary
        return self.read(file)

    def summary(self, value: Any) -> str:
        """Say in a few words what the value is."""
        return type(value).__name__


class Parquet(Format):
    """A pandas frame with text for column names, index included."""

    name = "parquet"

    def accepts(self, value: Any) -> bool:
        if not _is(value, "pandas", "DataFrame"):
            return False
        if not (value.columns.is_unique and all(isinstance(column, str) for column in value.columns)):
            return False
        from pandas.api.types import infer_dtype

        # Of Python's own objects Parquet gives these back as they were; a set or tuple would come back as an array.
        safe = {"string", "bytes", "date", "decimal", "empty"}
        objects = [name for name, dtype in value.dtypes.items() if dtype.kind == "O" and dtype.name == "object"]
        return all(infer_dtype(value[name], skipna=True) in safe for name in objects)

    def write(self, value: Any, file: IO[bytes]) -> None:
        value.to_parquet(file)

    def read(self, file: IO[bytes]) -> Any:
        import pandas as pd

        return pd.read_parquet(file)

    def summary(self, value: Any) -> str:
        return f"{len(value)} rows, {len(value.columns)} columns"


class Polars(Format):
    """A frame of polars, as Parquet too."""

    name = "polars"

    def accepts(self, value: Any) -> bool:
        return _is(value, "polars", "DataFrame")

    def write(self, value: Any, file: IO[bytes]) -> None:
        value.write_parquet(file)

    def read(self, file: IO[bytes]) -> Any:
        import polars

        return polars.read_parquet(file)

    def summary(self, value: Any) -> str:
        return f"{value.height} rows, {value.width} columns"


class Npy(Format):
    """A numpy array of numbers, dates or fixed-length text: whatever needs no pickle."""

    name = "npy"

    def accepts(self, value: Any) -> bool:
        return _is(value, "numpy", "ndarray") and not value.dtype.hasobject

    def write(self, value: Any, file: IO[bytes]) -> None:
        import numpy as np

        np.save(file, value, allow_pickle=False)

    def read(self, file: IO[bytes]) -> Any:
        import numpy as np

        return np.load(file, allow_pickle=False)

    def summary(self, value: Any) -> str:
        return f"{value.dtype} array of shape {value.shape}"


class Json(Format):
    """Plain values, too large for the XCom itself."""

    name = "json"

    def accepts(self, value: Any) -> bool:
        return is_plain(value)

    def write(self, value: Any, file: IO[bytes]) -> None:
        file.write(json.dumps(value).encode())

    def read(self, file: IO[bytes]) -> Any:
        return json.load(file)


class File(Format):
    """A file: what a program left, or a `Path` that a function returned. Its summary is its name.

    It is read as the path of a local copy, which cannot be written and is gone with the process.
    """

    name = "file"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Path) and value.is_file()

    def write(self, value: Any, file: IO[bytes]) -> None:
        with value.open("rb") as content:
            shutil.copyfileobj(content, file, 1 << 20)

    def read(self, file: IO[bytes]) -> Any:
        return self.read_as(file, "")

    def read_as(self, file: IO[bytes], summary: str) -> Any:
        from skyrail.steps.artifacts.copies import place

        with room("A copy of it"):
            path = place(summary)
            with path.open("wb") as copy:
                shutil.copyfileobj(file, copy, 1 << 20)
            path.chmod(0o400)
        return path

    def summary(self, value: Any) -> str:
        return str(value.name)


class Folder(File):
    """A folder, packed. It is read as the path of a local copy, like a file."""

    name = "folder"

    def accepts(self, value: Any) -> bool:
        return isinstance(value, Path) and value.is_dir()

    def write(self, value: Any, file: IO[bytes]) -> None:
        from skyrail.steps.artifacts.folders import pack

        pack(value, file)

    def read_as(self, file: IO[bytes], summary: str) -> Any:
        from skyrail.steps.artifacts.copies import place
        from skyrail.steps.artifacts.folders import unpack

        with room("A copy of it"):
            path = place(summary)
            unpack(file, path)
        return path


class Model(Format):
    """A model of a library that MLflow has a flavor for, in MLflow's own format: a folder, packed.

    Only where MLflow is loaded already, by the author or ahead of the tasks: loading it takes seconds, and a small
    model's pickle a millisecond.
    """

    name = "mlflow"

    def accepts(self, value: Any) -> bool:
        from skyrail.tracking.flavors import flavor_of

        return "mlflow" in sys.modules and flavor_of(value) is not None

    def write(self, value: Any, file: IO[bytes]) -> None:
        from skyrail.steps.artifacts.copies import passing
        from skyrail.steps.artifacts.folders import pack
        from skyrail.tracking.flavors import forget_when, save

        with passing() as folder:
            path = Path(folder) / "model"
            save(value, path)
            forget_when(path)
            pack(path, file)

    def read(self, file: IO[bytes]) -> Any:
        from skyrail.steps.artifacts.copies import passing
        from skyrail.steps.artifacts.folders import unpack
        from skyrail.tracking.flavors import load

        with contextlib.ExitStack() as stack:
            with room("A copy of it"):
                path = Path(stack.enter_context(passing())) / "model"
                unpack(file, path)
            return load(path)


class Pickle(Format):
    """Anything else that pickle can write. Reading runs code, so nothing is read that no step stored as a pickle."""

    name = "pickle"

    def accepts(self, value: Any) -> bool:
        del value
        return True

    def write(self, value: Any, file: IO[bytes]) -> None:
        pickle.dump(value, file, protocol=5)

    def read(self, file: IO[bytes]) -> Any:
        return pickle.load(file)  # noqa: S301 -- the store checked where it came from and what it is


FORMATS: tuple[Format, ...] = (Parquet(), Polars(), Npy(), Json(), File(), Folder(), Model(), Pickle())
BY_NAME = {form.name: form for form in FORMATS}


def is_plain(value: Any) -> bool:
    """Tell whether a value is of JSON's own types throughout, so that it comes back as it was."""
    if value is None or type(value) in (bool, int, float, str):
        return True
    if type(value) is list:
        return all(is_plain(item) for item in value)
    if type(value) is dict:
        return all(type(key) is str and is_plain(item) for key, item in value.items())
    return False


def _is(value: Any, package: str, name: str) -> bool:
    return any(cls.__name__ == name and cls.__module__.partition(".")[0] == package for cls in type(value).__mro__[:2])
