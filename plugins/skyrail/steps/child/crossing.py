"""What a result may be to cross between two interpreters as it is: plain data of the standard library."""

from __future__ import annotations

import datetime
import decimal
import pickle
from pathlib import Path
from typing import Any

from skyrail.steps.artifacts.formats import is_plain

_PLAIN = (datetime.date, datetime.datetime, datetime.time, datetime.timedelta, decimal.Decimal)
_LOADABLE = {
    ("datetime", name): getattr(datetime, name) for name in ("date", "datetime", "time", "timedelta", "timezone")
} | {("decimal", "Decimal"): decimal.Decimal}


def crosses(value: Any, limit: int) -> bool:
    """Tell whether a value, beside JSON's own types, is small and plain enough to go into the result itself."""
    if type(value) in (set, frozenset):
        if not all(is_plain(item) or _is_plain_time(item) for item in value):
            return False
    elif not _is_plain_time(value):
        return False
    return len(pickle.dumps(value)) <= limit


def plain_numbers(value: Any) -> Any:
    """Return a result with numpy's numbers as Python's: those of another numpy may not be readable elsewhere."""
    if type(value).__module__ == "numpy" and not getattr(value, "shape", None):
        kind = getattr(getattr(value, "dtype", None), "kind", "")
        return value.item() if kind in tuple("biuf") and hasattr(value, "item") else value
    if type(value) is dict:
        return {plain_numbers(key): plain_numbers(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(plain_numbers(item) for item in value)
    return value


def dump(value: Any, file: Path) -> None:
    """Write a result that is plain throughout."""
    with file.open("wb") as output:
        pickle.dump(value, output, protocol=5)


def load(file: Path) -> Any:
    """Return what `dump` wrote.

    Raises:
        pickle.UnpicklingError: it holds something else, which is not loaded.
    """
    with file.open("rb") as source:
        return _Unpickler(source).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _LOADABLE:
            raise pickle.UnpicklingError(f"{module}.{name} is not plain data")
        return _LOADABLE[module, name]


def _is_plain_time(value: Any) -> bool:
    if type(value) not in _PLAIN:
        return False
    zone = getattr(value, "tzinfo", None)
    return zone is None or type(zone) is datetime.timezone
