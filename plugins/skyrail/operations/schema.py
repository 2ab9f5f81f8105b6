"""Compare the database with the installed Airflow: `python -m skyrail.operations.schema wait|migrate`.

Pods `wait` before their main container starts, since migrations are a job of their own. It is a light program:
Airflow's own `airflow db check-migrations` takes seconds of processor time in each pod. The job does `migrate`: what
cannot be migrated is said in one sentence, and else Airflow's own command takes over.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from skyrail.errors import SkyrailError
from skyrail.operations.database import DatabaseError, problem
from skyrail.operations.options import from_environment

PAUSE = 1.0
REFUSED = 60.0
"""Seconds that a database may refuse: a new one gets its users while others already wait for it."""

_REVISION = re.compile(r"""^(down_revision|revision)\s*(?::[^=]+)?=\s*(?:["']([^"']+)["']|None)""", re.MULTILINE)


class SchemaError(SkyrailError):
    """The database will never have the schema that this image needs."""


class Schema(Enum):
    """How a database's schema compares with the one that is needed."""

    RIGHT = "right"
    OLDER = "older"
    EMPTY = "empty"
    NEWER = "newer"
    AIRFLOW_2 = "of Airflow 2"
    FOREIGN = "of another program"


_NEVER = {
    Schema.NEWER: SchemaError(
        "The database is of a newer release than this image: it names a migration that this Airflow lacks.",
        fix="After a rollback, install the newer release again, or restore the database from before it.",
    ),
    Schema.AIRFLOW_2: SchemaError(
        "The database is that of an Airflow 2, which Skyrail does not migrate.",
        fix="Name an empty database in the value database.name. To keep history, migrate a copy with Airflow 3 first.",
    ),
    Schema.FOREIGN: SchemaError(
        "The database belongs to another program, whose migrations are in it: MLflow's, for one, has to be another.",
        fix="Name an empty database in the value database.name.",
    ),
}


@dataclass(frozen=True)
class Found:
    """What a database has."""

    revisions: frozenset[str] = frozenset()
    """Those that Alembic notes."""
    tables: frozenset[str] = frozenset()
    """Which of `dag` and `dag_version` there are: every Airflow has the first, and Airflow 3 the second."""


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


def compare(found: Found, known: set[str], heads: set[str]) -> Schema:
    """Compare what a database has with the revisions of the installed Airflow."""
    if not found.revisions:
        return Schema.EMPTY
    if "dag" not in found.tables:
        return Schema.FOREIGN
    if "dag_version" not in found.tables:
        return Schema.AIRFLOW_2
    if found.revisions == heads:
        return Schema.RIGHT
    return Schema.OLDER if found.revisions <= known else Schema.NEWER


def _read(connection: Any) -> Found:
    with connection.cursor() as cursor:
        # Tables that are found by name alone, so that one of another schema is not taken for Airflow's.
        cursor.execute("SELECT name FROM unnest(%s) name WHERE to_regclass(name) IS NOT NULL", (list(_TABLES),))
        tables = {row[0] for row in cursor.fetchall()}
        if "alembic_version" not in tables:
            return Found()
        cursor.execute("SELECT version_num FROM alembic_version")
        return Found(frozenset(row[0] for row in cursor.fetchall()), frozenset(tables - {"alembic_version"}))


_TABLES = ("alembic_version", "dag", "dag_version")


def look(address: str) -> Found:
    """Return what a database has.

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
        SchemaError: it will never have it.
        DatabaseError: the database has refused for a while.
    """
    import psycopg2

    known, heads = installed()
    said = ""
    refused_since: float | None = None
    while True:
        try:
            state = compare(look(address), known, heads)
        except psycopg2.Error as error:
            found = problem(error, address)
            now, refused_since = found.message, (refused_since or time.monotonic()) if found.lasting else None
            if refused_since and time.monotonic() - refused_since >= REFUSED:
                raise DatabaseError(found.message, fix=found.fix) from None
        else:
            if state in _NEVER:
                raise _NEVER[state]
            if state is Schema.RIGHT or server_only:
                return
            refused_since = None
            now = (
                "The database is empty; waiting for the job that makes its tables."
                if state is Schema.EMPTY
                else "The database is of an older release; waiting for the job that migrates it."
            )
        if now != said:
            print(now, flush=True)
            said = now
        time.sleep(PAUSE)


def _address() -> str:
    address = from_environment("database", "sql_alchemy_conn")
    if not address:
        raise SchemaError(
            "No variable says where the database is.",
            fix="Set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN, or AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD to a command.",
        )
    return address


def main(arguments: list[str] | None = None) -> int:
    """Wait for the schema, or make it. Return the exit code."""
    chosen = sys.argv[1:] if arguments is None else arguments
    if chosen not in (["wait"], ["migrate"]):
        print("Usage: python -m skyrail.operations.schema wait|migrate", file=sys.stderr)
        return 2
    try:
        wait(_address(), server_only=chosen == ["migrate"])
    except SkyrailError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    if chosen == ["migrate"]:
        os.execvp("airflow", ["airflow", "db", "migrate"])  # noqa: S606 (ours, as the image's PATH has it)
    return 0


if __name__ == "__main__":
    sys.exit(main())
