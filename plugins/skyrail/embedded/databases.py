"""The databases on the embedded server: made when missing, and the versions that they were last brought up to.

The note about versions is a comment on the database itself: one that is replaced or restored brings its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from skyrail.embedded.home import Home
from skyrail.embedded.postgres import dsn, is_ready
from skyrail.errors import EmbeddedError

NAMES = ("airflow", "mlflow")
PACKAGES = {"airflow": ("apache-airflow-core", "skyrail"), "mlflow": ("mlflow",)}


@dataclass(frozen=True)
class ServerReadiness:
    """The server is ready when it accepts connections and has its databases."""

    home: Home
    password: str = field(repr=False)

    async def wait(self, process: subprocess.Popen[bytes], started: float) -> None:  # noqa: ARG002
        """Return when the server is ready.

        Raises:
            EmbeddedError: the server runs and does not accept the password.
        """
        import psycopg2

        while not is_ready(self.home, process.pid):
            await asyncio.sleep(0.05)
        try:
            _create_missing(self.home, self.password)
        except psycopg2.OperationalError as error:
            # When the server has died meanwhile, its exit says more than the lost connection: wait to be cancelled.
            await asyncio.sleep(0.5)
            raise EmbeddedError(
                f"PostgreSQL runs and does not let Skyrail in: {str(error).strip()}",
                fix=f"If {self.home.secrets} was replaced, bring back the one that belongs to this database.",
            ) from error


def needs_migration(home: Home, database: str, password: str) -> bool:
    """Return whether a command has to bring the database up to date.

    MLflow's server makes its tables when it finds none, and wants to be told to change them.
    """
    found = _noted(home, database, password)
    return found != _wanted(database) and (bool(found) or database == "airflow")


def note(home: Home, database: str, password: str) -> None:
    """Write down that a database is at the installed versions."""
    if _noted(home, database, password) != _wanted(database):
        with _cursor(home, database, password) as cursor:
            cursor.execute(f"COMMENT ON DATABASE {database} IS %s", (_wanted(database),))


def _wanted(database: str) -> str:
    return ", ".join(f"{package} {importlib.metadata.version(package)}" for package in PACKAGES[database])


def _noted(home: Home, database: str, password: str) -> str | None:
    with _cursor(home, database, password) as cursor:
        cursor.execute("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s", (database,))
        [(text,)] = cursor.fetchall()
        return str(text) if text else None


def _create_missing(home: Home, password: str) -> None:
    with _cursor(home, "postgres", password) as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        existing = {name for (name,) in cursor.fetchall()}
        for database in NAMES:
            if database not in existing:
                cursor.execute(f"CREATE DATABASE {database}")


@contextlib.contextmanager
def _cursor(home: Home, database: str, password: str) -> Iterator[Any]:
    import psycopg2

    connection = psycopg2.connect(dsn(home, database, password))
    try:
        connection.autocommit = True  # CREATE DATABASE runs outside a transaction
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()
