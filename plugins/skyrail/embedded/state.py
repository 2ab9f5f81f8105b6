"""What runs: the supervisor's note to `status`, `down` and to the next `up`."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import pwd
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import psutil

from skyrail.embedded.files import write_json
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError

DOOR = "api-server"
"""The process that people sign in at."""


@dataclass
class Process:
    """One supervised process. A pid alone may be somebody else's by now: it counts only with `create_time`."""

    name: str
    pid: int = 0
    create_time: float = 0.0
    restarts: int = 0
    state: str = "waiting"
    """One of waiting, starting, ready, restarting, stopped."""


@dataclass
class State:
    """The whole of state.json."""

    pid: int
    create_time: float
    version: str
    port: int
    mlflow_port: int
    dags: str
    ready: bool = False
    processes: list[Process] = field(default_factory=list)

    @property
    def open(self) -> bool:
        """Whether people can sign in."""
        return any(process.name == DOOR and process.state == "ready" for process in self.processes)

    @property
    def url(self) -> str:
        """Address of the api-server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def mlflow_url(self) -> str:
        """Address of the MLflow server."""
        return f"http://127.0.0.1:{self.mlflow_port}"


def read(home: Home) -> State | None:
    """Return what was last running on a home, or None when nothing ever was.

    Raises:
        EmbeddedError: the file is there and cannot be used.
    """
    try:
        values: dict[str, Any] = json.loads(home.state.read_text())
        processes = [Process(**process) for process in values.pop("processes")]
        return State(**values, processes=processes)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise EmbeddedError(
            f"{home.state} is damaged: it is not the JSON document that Skyrail wrote.",
            fix="It only says which processes ran last, no data is in it. Look for ones that still run, then remove "
            f"it and start again:\n  pgrep -af {home.path}\n  rm {home.state}",
        ) from None


def write(home: Home, state: State) -> None:
    """Replace state.json in one step."""
    write_json(home.state, dataclasses.asdict(state))


def alive(pid: int, create_time: float) -> psutil.Process | None:
    """Return the process with this pid if it is the one that was recorded, and not a zombie."""
    if not pid:
        return None
    try:
        process = psutil.Process(pid)
        # Computed from the boot time, which moves a little when the clock is set.
        same = abs(process.create_time() - create_time) < 2
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def owner(path: Path) -> str:
    """Return the name of the user whom a path belongs to, or the nearest folder above it that can be looked at."""
    for part in (path, *path.parents):
        with contextlib.suppress(OSError):
            uid = part.stat().st_uid
            try:
                return pwd.getpwuid(uid).pw_name
            except KeyError:
                return f"user {uid}"
    return "somebody else"


class Lock:
    """The lock of a home, held by the running supervisor until it ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: IO[str] | None = None

    def acquire(self) -> bool:
        """Take the lock; return whether it is ours now."""
        file = self.path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self.file = file
        return True

    def release(self) -> None:
        """Give the lock back."""
        if self.file:
            self.file.close()
            self.file = None


def running(home: Home) -> bool:
    """Return whether a supervisor holds this home now."""
    try:
        lock = home.lock.open()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except PermissionError:
        raise EmbeddedError(
            f"{home.path} cannot be read by you: it belongs to {owner(home.path)}.",
            fix="Run this as its owner, or name a state folder of your own: skyrail up --home FOLDER",
        ) from None
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
