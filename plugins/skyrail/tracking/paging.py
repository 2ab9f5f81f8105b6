"""Pages of runs in an order, whose addresses keep showing the same runs while new ones arrive.

A page begins after (or ends before) a run, and not at a number: MLflow is asked for what comes from its place on.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from skyrail.tracking.filters import STARTED, FilterError, name, number_literal
from skyrail.tracking.rows import AttemptRow

LAST = "last"


@dataclass(frozen=True)
class Order:
    """What runs are sorted by: a metric, or when they started. MLflow compares everything else as text."""

    metric: str = ""
    descending: bool = True

    @staticmethod
    def read(text: str) -> Order:
        """Read what an address says: nothing, "started", "m.auc", or with "-" in front for the largest first.

        Raises:
            FilterError: MLflow cannot sort by that.
        """
        descending = not text or text.startswith("-")
        subject = name(text.removeprefix("-") or STARTED)
        if subject.kind not in ("started", "metric"):
            raise FilterError(
                f"Runs cannot be sorted by {subject.word}: MLflow keeps it as text, where 10 comes before 9.",
                fix="Sort by a metric, such as m.auc, or by the start.",
            )
        return Order(subject.key, descending)

    @property
    def word(self) -> str:
        """Return it as it is written in addresses; nothing for the newest first."""
        if not self.metric and self.descending:
            return ""
        return ("-" if self.descending else "") + (f"m.{self.metric}" if self.metric else STARTED)

    def clauses(self, *, backwards: bool) -> list[str]:
        """Return it for MLflow, or its exact reverse."""
        # The newest first among equals, then by id: an order without ties is what a page's address rests on.
        down = self.descending is not backwards
        by_start = f"attributes.start_time {'ASC' if backwards else 'DESC'}"
        if not self.metric:
            by_start = f"attributes.start_time {'DESC' if down else 'ASC'}"
        by_metric = [f"metrics.`{self.metric}` {'DESC' if down else 'ASC'}"] if self.metric else []
        return [*by_metric, by_start, f"attributes.run_id {'DESC' if backwards else 'ASC'}"]

    def place(self, row: AttemptRow) -> tuple[float, float, str]:
        """Return where a run stands; smaller comes first."""
        value = row.metrics.get(self.metric, math.nan) if self.metric else None
        return self.place_of(value, milliseconds(row), row.mlflow_run)

    def place_of(self, value: float | None, started: int, run: str) -> tuple[float, float, str]:
        """Return where a run with these values stands. `started` is in milliseconds."""
        if value is None:
            return (0.0, -started if self.descending else started, run)
        return (-value if self.descending else value, -started, run)


@dataclass(frozen=True)
class Page:
    """Where a page is: after a run, before a run, or at one of the two ends."""

    side: Literal["after", "before"] = "after"
    started: int | None = None
    """Start of that run in milliseconds; None at an end."""
    run: str = ""
    value: float | None = None

    @staticmethod
    def read(text: str) -> Page:
        """Read what an address says.

        Raises:
            FilterError: no address of ours says that.
        """
        if not text:
            return Page()
        if text == LAST:
            return Page("before")
        side, _, rest = text.partition(":")
        try:
            started, run, value = [*rest.split(":"), ""][:3]
            number = float(value) if value else None
            if not run.isalnum() or side not in ("after", "before") or not math.isfinite(number or 0.0):
                raise ValueError(text)
            return Page("after" if side == "after" else "before", int(started), run, number)
        except ValueError:
            raise FilterError(
                "There is no such page: this address was changed or cut off.", fix="Start again from the first page."
            ) from None

    @property
    def backwards(self) -> bool:
        """Return whether the page is found from its end."""
        return self.side == "before"

    def clauses(self, order: Order) -> list[str]:
        """Return what MLflow has to be asked so that it begins at the page; ties of its first run come along."""
        down = order.descending is not self.backwards
        if order.metric:
            if self.value is not None:
                return [f"metrics.`{order.metric}` {'<=' if down else '>='} {number_literal(self.value)}"]
            # Any number: runs without this metric, or for which it is not a number, have no place in its order.
            return [f"metrics.`{order.metric}` >= {number_literal(-1.7976931348623157e308)}"]
        return [] if self.started is None else [f"attributes.start_time {'<=' if down else '>='} {self.started}"]

    def beyond(self, rows: Iterable[AttemptRow], order: Order) -> list[AttemptRow]:
        """Return the rows that lie on the page's side of its run."""
        if self.started is None:
            return list(rows)
        here = order.place_of(self.value if order.metric else None, self.started, self.run)
        if self.backwards:
            return [row for row in rows if order.place(row) < here]
        return [row for row in rows if order.place(row) > here]


NEWEST_FIRST, FIRST = Order(), Page()


def address(side: Literal["after", "before"], row: AttemptRow, order: Order) -> str:
    """Return the page after or before a run, for addresses."""
    text = f"{side}:{milliseconds(row)}:{row.mlflow_run}"
    return f"{text}:{row.metrics[order.metric]!r}" if order.metric else text


def milliseconds(row: AttemptRow) -> int:
    """Return when an attempt started, in Unix milliseconds."""
    return round(row.started.timestamp() * 1000)
