"""One running platform for all integration tests: started as a person would start it, stopped at the end."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.servers import free_port


@dataclass(frozen=True)
class Platform:
    """The running platform."""

    home: Path
    dags: Path
    port: int

    @property
    def url(self) -> str:
        """Address of Airflow."""
        return f"http://127.0.0.1:{self.port}"

    def skyrail(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command of `skyrail` on this home."""
        command = [sys.executable, "-m", "skyrail.cli", *arguments, "--home", str(self.home)]
        environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=240, cwd=self.home.parent, env=environment
        )
        assert not check or result.returncode == 0, result.stdout + result.stderr
        return result

    def login_link(self) -> str:
        """Return a new one-time sign-in link."""
        return self.skyrail("login").stdout.strip()

    def status(self) -> dict[str, Any]:
        """Return what `skyrail status --json` says."""
        return json.loads(self.skyrail("status", "--json", check=False).stdout)

    def process(self, name: str) -> dict[str, Any]:
        """Return one process of the status."""
        return next(process for process in self.status()["processes"] if process["name"] == name)

    def log(self, name: str) -> str:
        """Return the log of a process."""
        return (self.home / "logs" / f"{name}.log").read_text()


def make_dags(folder: Path) -> Path:
    """Make a repository with the example DAGs and those of these tests, as a team would have it."""
    shutil.copytree(Path(__file__).parents[1] / "dags", folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(__file__).parent / "integration" / "dags", folder, dirs_exist_ok=True)
    # The tests look at the first two champions, of March and June. To replay the rest of the year takes processors from
    # all tests, for minutes.
    training, until = folder / "01_flights_training.py", "end_date=pendulum.datetime(2013, {}, 1"
    year = training.read_text()
    assert until.format(11) in year
    training.write_text(year.replace(until.format(11), until.format(5)))
    (folder / ".gitignore").write_text("__pycache__/\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The platform, ready."""
    # Not in pytest's own folder: each start of pytest closes that to all but its owner, and PostgreSQL is another user
    # when the tests run as root.
    folder = Path(tempfile.mkdtemp(prefix="skyrail-platform-"))
    dags = make_dags(folder / "dags")
    running = Platform(folder / "home", dags, free_port())
    running.skyrail(
        "up", "--detach", "--dags", str(dags), "--port", str(running.port), "--mlflow-port", str(free_port())
    )
    yield running
    running.skyrail("down")
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def api(platform: Platform) -> Iterator[httpx.Client]:
    """Airflow's API as whoever followed the sign-in link."""
    with httpx.Client(base_url=platform.url, timeout=30) as client:
        client.get(platform.login_link())
        client.headers["Authorization"] = f"Bearer {client.cookies['_token']}"
        yield client


@pytest.fixture(scope="session")
def mlflow_client(platform: Platform) -> Any:
    """A client of the platform's MLflow server."""
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=f"http://127.0.0.1:{platform.status()['mlflow_port']}")


@pytest.fixture(scope="session")
def finished(api: httpx.Client):
    """Trigger a DAG run, wait until it is over, and return its task instances by (task, map index)."""

    def go(dag: str, conf: dict[str, Any] | None = None, seconds: float = 240) -> dict[tuple[str, int], Any]:
        deadline = time.monotonic() + seconds
        while api.get(f"/api/v2/dags/{dag}").status_code != 200:
            assert time.monotonic() < deadline, f"{dag} was not parsed"
            time.sleep(0.5)
        made = api.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}})
        assert made.status_code == 200, made.text
        run = f"/api/v2/dags/{dag}/dagRuns/{made.json()['dag_run_id']}"
        while (state := api.get(run).json()["state"]) not in ("success", "failed"):
            assert time.monotonic() < deadline, f"{dag} is {state}: {api.get(f'{run}/taskInstances').text[:3000]}"
            time.sleep(0.5)
        found = api.get(f"{run}/taskInstances", params={"limit": 100}).json()["task_instances"]
        return {(instance["task_id"], instance["map_index"]): instance for instance in found}

    return go
