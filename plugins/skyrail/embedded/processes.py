"""What `skyrail up` runs: a list of plain data, in the order in which it is shown. Add a process here."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from skyrail.embedded import databases, environment, postgres
from skyrail.embedded.account import Account
from skyrail.embedded.home import Home
from skyrail.embedded.readiness import HttpReadiness
from skyrail.embedded.secrets import Secrets


class Readiness(Protocol):
    """How it is known that a process has become ready."""

    async def wait(self, process: subprocess.Popen[bytes], started: float) -> None:
        """Return when the process, started at this Unix time, is ready. It is cancelled when the process dies."""


@dataclass(frozen=True)
class ProcessSpec:
    """One process of the platform."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...] = ()
    """What must be ready before it starts."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    readiness: Readiness | None = None
    """None: it is ready once it has started."""

    stop_signal: signal.Signals = signal.SIGTERM
    last_signal: signal.Signals = signal.SIGKILL
    """What it gets when it has not stopped in time."""

    has_workers: bool = False
    """Whether its children run tasks, which are ended before it is."""

    stop_seconds: float = 15.0
    """How long it may take to stop before it is killed."""

    account: Account | None = None


STOP_ORDER: tuple[tuple[str, ...], ...] = (
    ("scheduler", "dag-processor", "triggerer"),
    ("flusher",),
    ("api-server", "mlflow"),
    ("postgres",),
)
"""Groups stopped one after the other: what writes first, what it writes to last."""


def specs(
    home: Home, port: int, mlflow_port: int, secrets: Secrets, account: Account | None, variables: Mapping[str, str]
) -> list[ProcessSpec]:
    """Return all processes. `variables` are Airflow's, from `environment.airflow_environment`."""

    def airflow(
        name: str, *arguments: str, key: str, needs: tuple[str, ...] = (), has_workers: bool = False
    ) -> ProcessSpec:
        return ProcessSpec(
            name,
            (sys.executable, "-m", "airflow", name, *arguments),
            needs=("postgres", "airflow-schema", *needs),
            environment=variables,
            readiness=HttpReadiness(port, "/api/v2/monitor/health", key, f"latest_{key}_heartbeat"),
            has_workers=has_workers,
        )

    return [
        ProcessSpec(
            "postgres",
            postgres.server_command(home),
            environment={"LC_ALL": "C"},
            readiness=databases.ServerReadiness(home, secrets.database_password),
            # Fast shutdown: clients are cut off, what they committed is kept.
            stop_signal=signal.SIGINT,
            # Immediate shutdown: it ends its own children, and recovers at the next start.
            last_signal=signal.SIGQUIT,
            stop_seconds=30.0,
            account=account,
        ),
        ProcessSpec(
            "api-server",
            (sys.executable, "-m", "airflow", "api-server"),
            needs=("postgres", "airflow-schema"),
            environment=variables,
            readiness=HttpReadiness(port, "/api/v2/monitor/health"),
        ),
        # The log servers of scheduler and triggerer listen on all interfaces; here the api-server reads the files.
        # The scheduler waits for the api-server: a task that finds none gives up, and its imports would delay it.
        airflow("scheduler", "--skip-serve-logs", key="scheduler", needs=("api-server",), has_workers=True),
        airflow("dag-processor", key="dag_processor"),
        airflow("triggerer", "--skip-serve-logs", key="triggerer"),
        ProcessSpec(
            "mlflow",
            mlflow_command(mlflow_port),
            needs=("postgres", "mlflow-schema"),
            environment=environment.mlflow_environment(home, secrets),
            # Any question of its database will do; /health answers before the tables are there.
            readiness=HttpReadiness(mlflow_port, "/api/2.0/mlflow/experiments/search?max_results=1"),
        ),
        ProcessSpec(
            "flusher",
            (sys.executable, "-m", "skyrail.tracking.flusher"),
            # Nothing is lost while it is not there, so its imports wait until people can sign in.
            needs=("mlflow", "api-server"),
            environment=variables,
        ),
    ]


def mlflow_command(port: int) -> tuple[str, ...]:
    """Return the command line of the MLflow server: one worker, on this machine only."""
    app = "mlflow.server.fastapi_app:app"
    return (sys.executable, "-m", "uvicorn", app, "--host", "127.0.0.1", "--port", str(port), "--no-access-log")


def migration(variables: Mapping[str, str]) -> ProcessSpec:
    """Return the one-time command that brings Airflow's database up to date."""
    return ProcessSpec("airflow-schema", (sys.executable, "-m", "airflow", "db", "migrate"), environment=variables)


def mlflow_migration(home: Home, secrets: Secrets) -> ProcessSpec:
    """Return the one-time command that brings MLflow's database up to date."""
    command = (sys.executable, "-m", "skyrail.embedded.mlflow_upgrade")
    return ProcessSpec("mlflow-schema", command, environment=environment.mlflow_environment(home, secrets))


def restart_counter(name: str, variables: Mapping[str, str]) -> ProcessSpec:
    """Return the command that counts a restart in Airflow's metrics."""
    emit = f"from skyrail.metrics.registry import PROCESS_RESTARTS, incr; incr(PROCESS_RESTARTS, process={name!r})"
    return ProcessSpec("metrics", (sys.executable, "-c", emit), environment=variables)
