"""Wait until the database has the schema of the installed Airflow: `python -m skyrail.operations.schema wait`.

Pods do so before their main container starts, since migrations are a job of their own. It is a light program: Airflow's
own `airflow db check-migrations` takes seconds of processor time in each pod.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterable
from enum import Enum
from pathlib import Path
from typing import Any

from skyrail.errors import SkyrailError

PAUSE = 1.0

_REVISION = re.compile(r"""^(down_revision|revision)\s*(?::[^=]+)?=\s*(?:["']([^"']+)["']|None)""", re.MULTILINE)


class SchemaError(SkyrailError):
    """The database will never have the schema that this image needs."""


class Schema(Enum):
    """How a database's schema compares with the one that is needed."""

    RIGHT = "right"
    OLDER = "older"
    EMPTY = "empty"
    UNKNOWN = "unknown"


def parents(files: Iterable[str]) -> dict[str, str]:
    """Read the texts of Alembic's migrations: return each revision with the one it builds on, empty for the first."""
    found: dict[str, str] = {}
    for text in files:
        said = dict(_REVISION.findall(text))
        if said.get("revision"):
            found[said["revision"]] = said.get("down_revision", "")
    return found


def revisions(files: Iterable[str]) -> tuple[set[str], set[str]]:
    """Read the texts of Alembic's migrations: return all revisions, and those that no other one builds on."""
    found = parents(files)
    return set(found), set(found) - set(found.values())


def airflow_folders() -> list[Path]:
    """Return the folders of the installed Airflow, without importing it: with its providers there are several."""
    found = importlib.util.find_spec("airflow")
    return [Path(one) for one in (found and found.submodule_search_locations) or ()]


def migrations() -> list[str]:
    """Return the texts of the installed Airflow's migrations."""
    folders = [one / "migrations" / "versions" for one in airflow_folders()]
    return [file.read_text() for folder in folders for file in sorted(folder.glob("*.py"))]


def installed() -> tuple[set[str], set[str]]:
    """Return the revisions of the installed Airflow."""
    return revisions(migrations())


def compare(found: set[str] | None, known: set[str], heads: set[str]) -> Schema:
    """Compare the revisions that a database names with those of the installed Airflow. `None` is: it has no table."""
    if not found:
        return Schema.EMPTY
    if found == heads:
        return Schema.RIGHT
    return Schema.OLDER if found <= known else Schema.UNKNOWN


def _read(connection: Any) -> set[str] | None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        return {row[0] for row in cursor.fetchall()}


def look(address: str) -> set[str] | None:
    """Return the revisions that a database names.

    Raises:
        psycopg2.Error: it cannot be reached, or refuses.
    """
    import psycopg2

    connection = psycopg2.connect(address.replace("postgresql+psycopg2://", "postgresql://", 1), connect_timeout=5)
    try:
        return _read(connection)
    finally:
        connection.close()


def wait(address: str, *, server_only: bool = False) -> None:
    """Return when the database answers and, unless `server_only`, has the schema of the installed Airflow.

    Raises:
        SchemaError: the database is of a release that this one does not know.
    """
    import psycopg2

    known, heads = installed()
    said = ""
    while True:
        try:
            state = compare(look(address), known, heads)
            now = {
                Schema.EMPTY: "The database is empty; waiting for the job that makes its tables.",
                Schema.OLDER: "The database is of an older release; waiting for the job that migrates it.",
            }.get(state, "")
        except psycopg2.Error as error:
            state, reason = None, str(error).strip().partition("\n")[0]
            now = f"The database does not answer; waiting for it. {reason}"
        if state is Schema.UNKNOWN:
            raise SchemaError(
                "The database is of another release than this image: it names a migration that this Airflow lacks.",
                fix="After a rollback, install the newer release again, or restore the database from before it.",
            )
        if state is Schema.RIGHT or (server_only and state is not None):
            return
        if now != said:
            print(now, flush=True)
            said = now
        time.sleep(PAUSE)


def main(arguments: list[str] | None = None) -> int:
    """Wait for `wait` or `wait-for-server`. Return the exit code."""
    chosen = sys.argv[1:] if arguments is None else arguments
    if chosen not in (["wait"], ["wait-for-server"]):
        print("Usage: python -m skyrail.operations.schema wait|wait-for-server", file=sys.stderr)
        return 2
    try:
        wait(os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"], server_only=chosen == ["wait-for-server"])
    except SkyrailError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
