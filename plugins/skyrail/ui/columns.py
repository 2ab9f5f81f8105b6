"""Which columns the table of runs has, and what is in a cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from skyrail.tracking import names
from skyrail.tracking.filters import FIELDS, Name, name
from skyrail.tracking.rows import AttemptRow
from skyrail.ui.show import number, plain

DEFAULT = 5
"""So many columns a table has when nobody has chosen any."""
MOST = 20
"""So many columns can be chosen."""
OFFERED = 60
"""So many names of a kind the chooser lists; any other can be typed."""


@dataclass(frozen=True)
class Cell:
    """What is in a cell: as shown, and whole."""

    shown: str
    whole: str


def read(words: Iterable[str]) -> tuple[Name, ...]:
    """Read the names of columns, each text a list with commas; doubles count once.

    Raises:
        FilterError: nothing can have one of the names.
    """
    parts = [part.strip() for text in words for part in text.split(",")]
    return tuple(dict.fromkeys(name(part) for part in parts if part))[:MOST]


def default(rows: Sequence[AttemptRow]) -> tuple[Name, ...] | None:
    """Return the most common metrics, of those that half of the rows have; None where the rows have little in common.

    Side by side, what different steps print would be columns of holes.
    """
    counts = Counter(metric for row in rows for metric in row.metrics)
    common = [metric for metric in sorted(counts) if counts[metric] * 2 >= len(rows)]
    chosen = sorted(common, key=lambda metric: -counts[metric])[:DEFAULT]
    return tuple(Name("metric", metric) for metric in sorted(chosen)) or None


def offered(rows: Sequence[AttemptRow], chosen: Iterable[Name]) -> dict[str, list[Name]]:
    """Return what a person can choose from, by kind: what is chosen, and what the rows have."""
    metrics = Counter(metric for row in rows for metric in row.metrics)
    params = Counter(param for row in rows for param in row.params)
    fields = [
        Name("tag", tag)
        for word, tag in FIELDS.items()
        if word not in _SHOWN and any(row.tags.get(tag) for row in rows)
    ]
    found = {
        "Metrics": [Name("metric", metric) for metric, _ in metrics.most_common(OFFERED)],
        "Parameters": [Name("param", param) for param, _ in params.most_common(OFFERED)],
        "Version and place": fields,
    }
    for column in chosen:
        group = found[{"metric": "Metrics", "param": "Parameters"}.get(column.kind, "Version and place")]
        if column not in group:
            group.append(column)
    return {title: sorted(group, key=lambda each: each.label) for title, group in found.items() if group}


def cell(row: AttemptRow, column: Name) -> Cell | None:
    """Return what a row has in a column, or None."""
    if column.kind == "metric":
        value = row.metrics.get(column.key)
        return None if value is None else Cell(number(value), repr(value))
    if column.kind == "started":
        return Cell(row.started.isoformat(), row.started.isoformat())
    text = (row.params if column.kind == "param" else row.tags).get(column.key)
    if not text:
        return None
    if column.key.startswith(names.VALUE_PREFIX):
        return Cell(plain(text), text)
    digest = column.key in _HASHES
    return Cell(text[:12] if digest else text, text)


# What the table shows of every run anyway.
_SHOWN = {"task", "run", "map_index", "try", "ended", "error", "commit"}
_HASHES = {
    names.COMMIT,
    names.VERSION,
    *names.VERSION_PARTS,
    names.VERSION_RESULTS,
}
