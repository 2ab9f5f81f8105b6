"""Which release of Airflow a database is of, by the revision that it names."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from skyrail.install.checks import Check, ok, refused, unknown, warn
from skyrail.operations.schema import airflow_folders, migrations, parents

GUIDE = "https://airflow.apache.org/docs/apache-airflow/stable/installation/upgrading_to_airflow3.html"


@dataclass(frozen=True)
class History:
    """All revisions of a schema in their order, and the release that each release's schema begins with."""

    order: tuple[str, ...]
    heads: Mapping[str, str]
    """Revision by release, such as `3.1.0`."""

    def position(self, release: str) -> int:
        """Return where a release's revision is in the order."""
        return self.order.index(self.heads[release])

    def releases(self, revision: str) -> tuple[str, str]:
        """Return the first release with a revision, and the first after it with another; empty is: none yet."""
        where = self.order.index(revision)
        known = sorted((each for each in self.heads if self.heads[each] in self.order), key=self.position)
        # A revision between two releases is one of the way to the later.
        first = next((each for each in known if self.position(each) >= where), "")
        after = next((each for each in known if first and self.position(each) > self.position(first)), "")
        return first, after


def history() -> History:
    """Return that of the installed Airflow, without importing it."""
    below = parents(migrations())
    above = {down: revision for revision, down in below.items()}
    order, revision = [], above.get("", "")
    while revision:
        order.append(revision)
        revision = above.get(revision, "")
    return History(tuple(order), _heads())


def _heads() -> dict[str, str]:
    for folder in airflow_folders():
        file = folder / "utils" / "db.py"
        if not file.is_file():
            continue
        for node in ast.parse(file.read_text()).body:
            if (
                isinstance(node, ast.AnnAssign)
                and getattr(node.target, "id", "") == "_REVISION_HEADS_MAP"
                and node.value
            ):
                return dict(ast.literal_eval(node.value))
    return {}


def schema(found: set[str] | None, known: History, ours: str) -> Check:
    """Judge the revision that a database names.

    Args:
        found: the revisions; None if there is no such table.
        known: the installed Airflow's.
        ours: version of the installed Airflow.
    """
    name = "Airflow's database"
    if not found:
        return ok(name, f"It is empty; Airflow {ours} makes its tables.")
    if not known.order:
        return unknown(name, "No Airflow is installed here, so its revision says nothing.")
    revision = next(iter(found))
    if len(found) > 1 or revision not in known.order:
        return refused(
            name,
            f"Airflow {ours} does not know its revision ({', '.join(sorted(found))}): newer, or older than 2.6.2.",
            f"Newer: take a Skyrail with that Airflow, or restore a backup. Older: upgrade to Airflow 3 first: {GUIDE}",
        )
    first, after = known.releases(revision)
    span = f"{first} or later, before {after}" if after else first
    if first.startswith("2."):
        return refused(
            name,
            f"It is of Airflow {span} (revision {revision}).",
            f"Upgrade that installation to Airflow 3 first, which changes DAGs, too: {GUIDE}",
        )
    if revision == known.order[-1]:
        return ok(name, f"It has the schema of Airflow {ours} (revision {revision}); nothing is migrated.")
    return warn(
        name,
        f"It is of Airflow {span} (revision {revision}), and is migrated to {ours}.",
        "Stop the old installation, and make a backup: after that the old one cannot open it.",
    )
