"""Values for another interpreter, each by a pickle of its own, so that an error can name it."""

from __future__ import annotations

import datetime
import io
import mmap
import pickle
import types
import zoneinfo
from pathlib import Path
from typing import Any

from skyrail.errors import StepError

OUT_OF_BAND = 1 << 16
"""Size in bytes from which a buffer, such as an array's, is a file of its own: it is mapped there, not copied."""


class Pickles:
    """Writes pickles and their buffers into a folder."""

    def __init__(self, step: str, folder: Path) -> None:
        self.step, self.folder, self.count = step, folder, 0

    def add(self, name: str, value: Any, module: str) -> dict[str, Any]:
        """Write a value.

        Args:
            name: what it is to the author, for messages.
            value: it.
            module: the module that the step's function is in.

        Returns:
            `pickle` and `buffers`, names of files; `name`; and `ours`, the names of what the pickle takes from the
            module.

        Raises:
            StepError: pickle does not take it, or it is Airflow's.
        """
        buffers: list[str] = []
        stem = f"value-{self.count}"
        self.count += 1

        def keep(buffer: pickle.PickleBuffer) -> bool:
            with buffer.raw() as raw:
                if raw.nbytes < OUT_OF_BAND:
                    return True
                buffers.append(f"{stem}.{len(buffers)}")
                (self.folder / buffers[-1]).write_bytes(raw)
            return False

        file = io.BytesIO()
        pickler = _Pickler(file, protocol=5, buffer_callback=keep)
        try:
            pickler.dump(value)
        except Exception as error:
            raise self._refused(name, value, str(error).partition("\n")[0]) from error
        if theirs := next((item for item in pickler.classes if item[0].partition(".")[0] in _PARENT_ONLY), None):
            raise self._refused(name, value, f"it holds a {'.'.join(theirs)}, and Airflow is not there")
        (self.folder / stem).write_bytes(file.getbuffer())
        ours = sorted({item[1].partition(".")[0] for item in pickler.classes if item[0] == module})
        return {"name": name, "pickle": stem, "buffers": buffers, "ours": ours}

    def _refused(self, name: str, value: Any, why: str) -> StepError:
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        return StepError(
            f"Step {self.step!r} cannot hand {name!r} ({kind}) to its own environment: {why}.",
            fix="Hand over plain data, frames, arrays or models. Open connections, locks and the like are made inside "
            "the step, and what Airflow knows is taken as an argument, such as ds, run_id, logical_date or params.",
        )


def load(folder: Path, place: dict[str, Any]) -> Any:
    """Return a value that `Pickles` wrote."""
    buffers = []
    for name in place["buffers"]:
        with (folder / name).open("rb") as file:
            buffers.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))  # writable, as an array is
    with (folder / place["pickle"]).open("rb") as file:
        return pickle.load(file, buffers=buffers)  # noqa: S301 -- written by the task that started this


_PARENT_ONLY = {"airflow", "pendulum"}


class _Pickler(pickle.Pickler):
    """Notes which classes and functions a value needs, and makes plain what Airflow hands to tasks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.classes: list[tuple[str, str]] = []

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | types.FunctionType | types.BuiltinFunctionType):
            self.classes.append((str(obj.__module__), obj.__qualname__))
            return NotImplemented
        kind = type(obj)
        package = kind.__module__.partition(".")[0]
        if package == "pendulum":
            return _plain_time(obj)
        if package == "airflow" and kind.__name__ == "ParamsDict":
            return dict, (obj.dump(),)
        return NotImplemented


def _plain_time(value: Any) -> Any:
    """Return how to make the standard library's equal of a date, time, duration or zone of pendulum's."""
    if isinstance(value, datetime.datetime):
        parts = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
        return datetime.datetime, (*parts, _plain_zone(value))
    if isinstance(value, datetime.date):
        return datetime.date, (value.year, value.month, value.day)
    if isinstance(value, datetime.timedelta):
        return datetime.timedelta, (0, value.total_seconds())
    return NotImplemented


def _plain_zone(value: datetime.datetime) -> datetime.tzinfo | None:
    if isinstance(value.tzinfo, zoneinfo.ZoneInfo) and value.tzinfo.key not in (None, "UTC"):
        return zoneinfo.ZoneInfo(value.tzinfo.key)
    offset = value.utcoffset()
    return None if offset is None else datetime.timezone(offset)
