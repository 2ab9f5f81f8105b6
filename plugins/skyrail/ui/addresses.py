"""The address of the table of runs: everything that one can choose on it is in there."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from skyrail.tracking.filters import Name
from skyrail.tracking.paging import Order


@dataclass(frozen=True)
class View:
    """What an address of the table of runs says, as it says it."""

    dag_id: str = ""
    run_id: str = ""
    filter: str = ""
    columns: tuple[str, ...] | None = None
    """None when nobody has chosen any."""
    sort: str = ""
    page: str = ""

    def address(self, **changes: Any) -> str:
        """Return the address, with something changed; whatever is changed, it begins at the first page again."""
        view = dataclasses.replace(self, **{"page": "", **changes})
        chosen = None if view.columns is None else ",".join(view.columns)
        words = ("dag_id", "run_id", "filter", "sort", "page")
        said = {word: text for word in words if (text := getattr(view, word))}
        if chosen is not None:
            said["columns"] = chosen
        return f"runs?{urlencode(said)}" if said else "runs"

    def sorted_by(self, column: Name, order: Order) -> str:
        """Return the address that sorts by a metric: the largest first, and at the second click the smallest."""
        again = order.metric == column.key and order.descending
        return self.address(sort=f"m.{column.key}" if again else f"-m.{column.key}")


def view(dag_id: str, run_id: str, text: str, columns: Sequence[str] | None, sort: str, page: str) -> View:
    """Return what an address said, its lists of columns as one."""
    chosen = None
    if columns is not None:
        chosen = tuple(dict.fromkeys(part.strip() for each in columns for part in each.split(",") if part.strip()))
    return View(dag_id=dag_id, run_id=run_id, filter=text.strip(), columns=chosen, sort=sort, page=page)
