"""Where to look for what there is already, and all that is found there, as rows of the checks."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from skyrail.install.adoption import database, versions
from skyrail.install.adoption.imports import imports
from skyrail.install.adoption.mlflow_server import mlflow
from skyrail.install.adoption.settings import settings
from skyrail.install.chart import Chart
from skyrail.install.checks import Check, refused, unknown, warn
from skyrail.install.manifests import Object
from skyrail.install.programs import Programs
from skyrail.install.values import at

KEY = "AIRFLOW__CORE__FERNET_KEY"
SHELL = f"{KEY} of this shell"
POOL = "skyrail"
"""Pool of the steps that are no pods; the scheduler makes it, and sets its slots."""


@dataclass(frozen=True)
class Sources:
    """What somebody has."""

    database: str = ""
    """Address by which this machine reads the database; else it is made from the values."""
    dags: str = ""
    """Folder or git address."""
    airflow_config: Path | None = None
    whole: bool = False
    """Whether to look at all of it. An install looks at the database alone, which it would change."""


def adoption(
    tools: Programs, release: str, values: Mapping[str, Any], chart: Chart, objects: list[Object], sources: Sources
) -> Iterator[Check]:
    """Look at what there is, and say what an install would do with it.

    Raises:
        SkyrailError: a file or folder that was named cannot be read.
    """
    if sources.database or at(values, "database.host"):
        yield from _database(tools, release, values, sources)
    if not sources.whole:
        return
    if address := at(values, "mlflow.url"):
        yield from mlflow(address)
    if sources.dags:
        yield from imports(sources.dags)
    if sources.airflow_config or sources.database or at(values, "database.host"):
        yield from settings(chart, objects, sources.airflow_config)


def _database(tools: Programs, release: str, values: Mapping[str, Any], sources: Sources) -> Iterator[Check]:
    import psycopg2

    password = _of_secret(tools, at(values, "database.passwordSecret"), "password")
    if sources.database:
        address = with_password(sources.database, "" if os.environ.get("PGPASSWORD") else password)
    elif password:
        address = address_of(values["database"], password)
    else:
        yield unknown("Airflow's database", "Its password cannot be read, so nobody looked into it.")
        return
    try:
        content = database.look(address)
    except psycopg2.Error as error:
        reason = str(error).strip().partition("\n")[0]
        yield unknown(
            "Airflow's database",
            f"It cannot be read from here: {reason}",
            "If the cluster alone reaches it: open a tunnel, and name that by --database postgresql://USER@localhost/NAME;"
            " the password comes from PGPASSWORD or ~/.pgpass.",
        )
        return
    if not at(values, "database.host"):
        yield warn(
            "Airflow's database",
            "It was read, and would not be used: no value says where the cluster finds it.",
            "Name its address there: database.host, with database.passwordSecret.",
        )
    yield versions.schema(content.revisions, versions.history(), _airflow())
    yield from database.alive(content, release, install=not sources.whole)
    yield from database.describe(content)
    if content.revisions:
        known = _keys(tools, release, values)
        yield from database.keys(content.encrypted, known)
        if content.encrypted and SHELL in known and not at(values, "secrets.airflow"):
            yield refused(
                "Fernet key",
                f"{SHELL} is not what the installation would have: it makes a key of its own.",
                "Put it into a Secret under `fernet-key`, and name that by secrets.airflow (--airflow-secret).",
            )
        if POOL in content.pools:
            yield warn(
                "Its pools", f"The pool {POOL} gets other slots: it is that of steps on workers.", "Rename yours."
            )


def address_of(said: Mapping[str, Any], password: str) -> str:
    """Return the address of the database that values name."""
    options = urlencode({"sslmode": said["ssl"]})
    user = f"{quote(said['user'], safe='')}:{quote(password, safe='')}"
    return f"postgresql://{user}@{said['host']}:{said['port']}/{quote(said['name'], safe='')}?{options}"


def with_password(address: str, password: str) -> str:
    """Return an address with a password, unless it has one; libpq looks for it elsewhere if there is none at all."""
    parts = urlsplit(address)
    if parts.password or not parts.username or not password:
        return address
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username}:{quote(password, safe='')}@{host}"))


def _keys(tools: Programs, release: str, values: Mapping[str, Any]) -> dict[str, str]:
    """Return the Fernet keys that there are: the one that the installation will have, or that of this shell."""
    name = at(values, "secrets.airflow") or f"{release}-airflow"
    found = {}
    if key := _of_secret(tools, name, "fernet-key"):
        found[f"the Secret {name}"] = key
    elif key := os.environ.get(KEY, ""):
        found[SHELL] = key
    return found


def _of_secret(tools: Programs, name: str, key: str) -> str:
    if not name:
        return ""
    found = tools.get("secrets", name, "--ignore-not-found")
    data = (found[0].get("data") or {}) if found else {}
    return base64.b64decode(data.get(key, "")).decode()


def _airflow() -> str:
    try:
        return version("apache-airflow-core")
    except PackageNotFoundError:
        return "3.3"
