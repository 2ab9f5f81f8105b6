"""`skyrail up`, `down` and `status` as functions: from a state folder to a running platform and back."""

from __future__ import annotations

import errno
import os
import shlex
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

import skyrail
from skyrail.embedded import account, checks, child, environment, leftovers, ports, postgres, processes, secrets, state
from skyrail.embedded.configuration import config_folder
from skyrail.embedded.home import Home
from skyrail.embedded.supervisor import Screen, Supervisor
from skyrail.errors import EmbeddedError

PORT = 8080
MLFLOW_PORT = 5000


@dataclass(frozen=True)
class Options:
    """What the person who starts the platform may choose."""

    home: Home
    dags: Path = Path("dags")
    port: int | None = None
    mlflow_port: int | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    """Options of the section `skyrail_resources`: what steps share on this machine."""


class AlreadyRunning(EmbeddedError):  # noqa: N818
    """The platform already runs on this home."""


def inspect(options: Options) -> None:
    """Refuse what cannot work, before anything is written or started.

    Raises:
        AlreadyRunning: a supervisor holds this home.
        EmbeddedError: the first thing that is wrong.
    """
    if state.running(options.home):
        raise AlreadyRunning(f"Skyrail already runs on {options.home.path}.")
    config_folder()
    checks.dags_folder(options.dags)
    checks.inspect(options.home, account.for_postgres())
    # What a run that was cut off left behind may hold them, and is stopped first.
    if not left_running(options.home):
        choose_ports(options)


def up(options: Options, say: Callable[[str], None], screen: Callable[[state.State, list[str]], Screen]) -> None:
    """Run the platform until a signal stops it. `screen` gets what is about to run and the names of what is shown.

    Raises:
        AlreadyRunning: a supervisor holds this home.
        EmbeddedError: something is broken, or died too often.
    """
    home = options.home
    inspect(options)
    lent = account.for_postgres()
    dags = checks.dags_folder(options.dags)
    lock = state.Lock(home.lock)
    try:
        home.create(mode=0o710 if lent else 0o700)
        if not lock.acquire():
            raise AlreadyRunning(f"Skyrail already runs on {home.path}.")
        if found := leftovers.stop(home):
            say(f"The last run on {home.path} was cut off; what it left running was stopped: {', '.join(found)}.")
        note = _note(home, dags, *choose_ports(options))
        keys = secrets.ensure(home)
        _prepare_postgres(home, keys, lent, say)
        variables = environment.airflow_environment(
            home,
            note.port,
            note.mlflow_port,
            keys,
            os.cpu_count() or 1,
            dags,
            config_folder(),
            options.resources,
        )
        specs = processes.specs(home, note.port, note.mlflow_port, keys, lent, variables)
        migrations = [processes.migration(variables), processes.mlflow_migration(home, keys)]
        names = [specs[0].name, *(migration.name for migration in migrations), *(spec.name for spec in specs[1:])]
        Supervisor(home, note, specs, migrations, keys.database_password, variables, screen(note, names)).run()
    except OSError as error:
        raise EmbeddedError(
            f"{error.filename or home.path}: {error.strerror or error}.",
            fix="Make room on the disk, or choose another folder: skyrail up --home FOLDER"
            if error.errno == errno.ENOSPC
            else f"Check that {home.path} and all in it belongs to you and can be written, or choose another folder: "
            "skyrail up --home FOLDER",
        ) from error
    finally:
        lock.release()


def _note(home: Home, dags: Path, port: int, mlflow_port: int) -> state.State:
    me = psutil.Process()
    note = state.State(me.pid, me.create_time(), skyrail.__version__, port, mlflow_port, str(dags))
    state.write(home, note)
    return note


def _prepare_postgres(
    home: Home, keys: secrets.Secrets, lent: account.Account | None, say: Callable[[str], None]
) -> None:
    if lent:
        for path in (home.postgres, postgres.socket_folder(home), postgres.program("postgres")):
            for sentence in account.open_path(lent, path):
                say(sentence)
    postgres.prepare_sockets(home, lent)
    if postgres.initialise(home, keys.database_password, lent):
        say(f"A new database was created in {home.postgres}")


def choose_ports(options: Options) -> tuple[int, int]:
    """Return the ports of the api-server and of MLflow.

    Raises:
        EmbeddedError: the api-server's port, or a chosen one of MLflow's, is taken.
    """
    command = "skyrail up"
    if options.home != Home.locate():
        command += f" --home {shlex.quote(str(options.home.path))}"
    if options.dags != Options.dags:
        command += f" --dags {shlex.quote(str(options.dags))}"
    flags = {"--port": options.port, "--mlflow-port": options.mlflow_port}

    def with_others(option: str) -> str:
        others = [f"{flag} {value}" for flag, value in flags.items() if value is not None and flag != option]
        return " ".join([command, *others])

    port = PORT if options.port is None else options.port
    ports.require(port, "--port", with_others("--port"))
    if options.mlflow_port is not None:
        ports.require(options.mlflow_port, "--mlflow-port", with_others("--mlflow-port"))
        return port, options.mlflow_port
    taken = port == MLFLOW_PORT or not ports.is_free(MLFLOW_PORT)
    return port, ports.free_port(MLFLOW_PORT, avoid=frozenset({port})) if taken else MLFLOW_PORT


def status(home: Home) -> state.State | None:
    """Return what runs on a home, or None."""
    recorded = state.read(home) if state.running(home) else None
    return recorded if recorded and state.alive(recorded.pid, recorded.create_time) else None


def left_running(home: Home) -> list[str]:
    """Return the names of processes that a supervisor which was cut off left behind."""
    recorded = None if state.running(home) else state.read(home)
    return list(leftovers.find(recorded)) if recorded else []


def down(home: Home, say: Callable[[str], None], *, seconds: float = 90.0) -> bool:
    """Stop the platform on a home; return whether anything ran.

    Raises:
        EmbeddedError: it does not stop in time.
    """
    if not state.running(home):
        found = leftovers.stop(home) if home.state.exists() else []
        if found:
            say(f"The last run was cut off; what it left running was stopped: {', '.join(found)}.")
        return bool(found)
    recorded = state.read(home)
    supervisor = state.alive(recorded.pid, recorded.create_time) if recorded else None
    if not supervisor:
        raise EmbeddedError(
            f"A process holds {home.lock}, and it is not the one that {home.state} names.",
            fix=f"A start may be under way: try again in a few seconds. To see the process: fuser {home.lock}",
        )
    child.send([supervisor], signal.SIGTERM)
    if child.wait([supervisor], seconds):
        raise EmbeddedError(
            f"Skyrail (process {supervisor.pid}) has not stopped within {seconds:.0f} s.",
            fix=f"Kill it, then stop what is left:\n  kill -9 {supervisor.pid}\n"
            f"  skyrail down --home {shlex.quote(str(home.path))}",
        )
    return True
