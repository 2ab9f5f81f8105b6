"""One attempt in full: the five parts of its version, what it read and made, and what it used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from skyrail.tracking import names, rows
from skyrail.tracking.rows import AttemptRow

MAX_TABLE = 30
"""A list of lists is shown as a table up to so many rows and columns; larger ones as JSON."""


@dataclass(frozen=True)
class Made:
    """Who made a stored result, read from `dag/run/task/map index/try`."""

    attempt_id: str
    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1


@dataclass(frozen=True)
class Stored:
    """A result in the artifact store that an attempt read or made."""

    name: str
    uri: str
    sha256: str
    bytes: int | None
    format: str
    summary: str
    made: Made


@dataclass(frozen=True)
class Value:
    """A value that is not a number: as a table when it is a small list of lists, as JSON otherwise."""

    name: str
    text: str
    table: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Latest:
    """The last value of a metric."""

    name: str
    value: float
    step: int
    at: datetime


@dataclass(frozen=True)
class Detail:
    """Everything that the record says about an attempt."""

    row: AttemptRow
    metrics: tuple[Latest, ...]
    values: tuple[Value, ...]
    inputs: tuple[Stored, ...]
    outputs: tuple[Stored, ...]
    value_files: tuple[tuple[str, str], ...]
    """Values too long for a tag, as (name, path among the run's artifacts)."""
    reads: tuple[str, ...]
    """Ids of the attempts whose results it read."""
    needs: tuple[tuple[str, str], ...]
    """What the step asked for, as (name, value)."""

    def tag(self, key: str) -> str:
        """Return a tag of the record, or nothing."""
        return self.row.tags.get(key, "")

    def number(self, key: str) -> float | None:
        """Return a tag that is a number, or None."""
        return rows.number(self.row.tags.get(key))


def detail(run: dict[str, Any]) -> Detail:
    """Read an attempt from MLflow's JSON of its run."""
    row = rows.attempt(run)
    return Detail(
        row=row,
        metrics=tuple(sorted(_latests(run), key=lambda each: each.name)),
        values=tuple(value(name, text) for name, text in sorted(row.values.items())),
        value_files=tuple(
            sorted(
                (key.removeprefix(names.VALUE_FILE_PREFIX), path)
                for key, path in row.tags.items()
                if key.startswith(names.VALUE_FILE_PREFIX)
            )
        ),
        inputs=_stored(row.tags, names.INPUT_PREFIX),
        outputs=_stored(row.tags, names.OUTPUT_PREFIX),
        reads=tuple(dict.fromkeys(each for each in row.tags.get(names.READS, "").split(",") if each)),
        needs=_needs(row.tags.get(names.NEEDS, "")),
    )


def value(name: str, text: str) -> Value:
    """Read a value as the record keeps it."""
    try:
        read = json.loads(text)
    except ValueError:
        return Value(name, text)
    if isinstance(read, str):
        return Value(name, read)
    if isinstance(read, list) and read and all(isinstance(line, list) for line in read):
        width = max(map(len, read))
        flat = all(not isinstance(cell, (list, dict)) for line in read for cell in line)
        if flat and 0 < width <= MAX_TABLE and len(read) <= MAX_TABLE:
            return Value(name, text, tuple(tuple(line) + ("",) * (width - len(line)) for line in read))
    return Value(name, text)


def made(made_by: str, attempt_id: str) -> Made:
    """Read who made something; a run's name may contain slashes itself."""
    before, *after = made_by.rsplit("/", 3)
    dag_id, slash, run_id = before.partition("/")
    if len(after) != 3 or not slash:
        return Made(attempt_id)
    task_id, map_index, try_number = after
    return Made(attempt_id, dag_id, run_id, task_id, _integer(map_index, -1), _integer(try_number, 1))


def made_of(row: AttemptRow) -> Made:
    """Return an attempt as the maker of its results."""
    return Made(row.attempt_id, row.dag_id, row.run_id, row.task_id, row.map_index, row.try_number)


def _latests(run: dict[str, Any]) -> list[Latest]:
    return [
        Latest(item["key"], float(item["value"]), _integer(item.get("step"), 0), rows.moment(item.get("timestamp")))
        for item in run.get("data", {}).get("metrics", [])
        if "value" in item
    ]


def _stored(tags: Mapping[str, str], prefix: str) -> tuple[Stored, ...]:
    found = []
    for key, text in sorted(tags.items()):
        if not key.startswith(prefix):
            continue
        reference = _object(text)
        words = {name: str(reference.get(name) or "") for name in ("uri", "sha256", "format", "summary")}
        size = rows.number(reference.get("bytes"))
        found.append(
            Stored(
                name=key.removeprefix(prefix),
                bytes=None if size is None or size < 0 else int(size),
                made=made(str(reference.get("made_by") or ""), str(reference.get("attempt") or "")),
                **words,
            )
        )
    return tuple(found)


def _needs(text: str) -> tuple[tuple[str, str], ...]:
    asked = _object(text)
    return tuple((name, each if isinstance(each, str) else json.dumps(each)) for name, each in asked.items() if each)


def _object(text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return read if isinstance(read, dict) else {}


def _integer(text: Any, otherwise: int) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        return otherwise
