"""What passes between steps: small plain values in the XCom itself, everything else by reference."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from skyrail.steps.artifacts.formats import is_plain
from skyrail.steps.artifacts.store import Reference


def pack(
    value: Any,
    put: Callable[[Any], Reference],
    *,
    inline_bytes: int,
    keeps: Callable[[Any, int], bool] | None = None,
) -> Any:
    """Return what goes into the XCom for a step's result.

    Args:
        value: what the function returned.
        put: writes a value to the artifact store.
        inline_bytes: up to this size in JSON, a plain value stays itself.
        keeps: tells of a value that is not plain whether it stays itself if it is no larger; None asks Airflow.
    """
    if isinstance(value, Reference):  # a runner has stored it already
        return value.to_xcom()
    if is_plain(value):
        return value if _json_bytes(value) <= inline_bytes else put(value).to_xcom()
    if type(value) in (list, tuple, dict) and value:
        return _each(value, lambda item: pack(item, put, inline_bytes=inline_bytes, keeps=keeps))
    if (keeps or _airflow_keeps)(value, inline_bytes):
        return value
    return put(value).to_xcom()


def pack_elements(
    value: Any,
    put: Callable[[Any], Reference],
    *,
    inline_bytes: int,
    keeps: Callable[[Any, int], bool] | None = None,
) -> Any:
    """Return what goes into the XCom for a list or dict that is expanded over: it stays one, whatever its size.

    A dict in it stays a dict too, since `expand_kwargs` takes it for arguments.
    """

    def whole(item: Any) -> Any:
        return pack(item, put, inline_bytes=inline_bytes, keeps=keeps)

    def element(item: Any) -> Any:
        return {key: whole(part) for key, part in item.items()} if type(item) is dict else whole(item)

    return _each(value, element)


def unpack(value: Any, name: str, get: Callable[[str, Reference], Any]) -> Any:
    """Return a value with its references replaced by what they refer to.

    Args:
        value: an argument as it came from upstream.
        name: the argument's name; parts of it are called `name.key` and `name.0`.
        get: reads a reference, told the name of what it is for.
    """
    if reference := Reference.from_xcom(value):
        return get(name, reference)
    if type(value).__name__ == "LazyXComSequence":  # what a mapped task returned, fetched one by one
        value = list(value)
    if type(value) is dict:
        return {key: unpack(item, f"{name}.{key}", get) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(unpack(item, f"{name}.{index}", get) for index, item in enumerate(value))
    return value


def _each(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: function(item) for key, item in value.items()}
    return [function(item) for item in value]


def _airflow_keeps(value: Any, inline_bytes: int) -> bool:
    """Tell whether Airflow's own XCom serialization takes a small value, such as a date, a set or a numpy scalar."""
    if type(value).__module__.partition(".")[0] in ("pandas", "pyarrow", "polars", "sklearn"):
        return False
    if hasattr(value, "__array__") and getattr(value, "ndim", None):
        return False
    from airflow.sdk.serde import deserialize, serialize

    try:
        text = json.dumps(serialize(value), allow_nan=False)
        deserialize(json.loads(text))  # some classes can be written and are refused on reading
    except Exception:
        return False
    return len(text) <= inline_bytes


def _json_bytes(value: Any) -> float:
    """Return the size of a plain value as JSON proper, which has no NaN: Airflow's API refuses that."""
    try:
        return len(json.dumps(value, allow_nan=False))
    except ValueError:
        return float("inf")
