"""The tracking server goes away in the middle of a hundred tasks and comes back: nothing is lost, order is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.servers import MlflowServer

from skyrail.tracking import names, spool
from skyrail.tracking.flusher import Flusher, ServerAwayError

TASKS, WORKERS, LINES = 100, 4, 30

WORKER = """
import json, sys, uuid
from skyrail.steps.capture import Capture
from skyrail.tracking import names

def body(number):
    for step in range(int(sys.argv[3])):
        print(json.dumps({"loss": number * 1000 + step, "step": step}))

for number in range(int(sys.argv[1]), int(sys.argv[2])):
    identity = {names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "outage", names.RUN_ID: "r",
                names.TASK_ID: f"task_{number}", names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: ""}
    with Capture(body, identity, {"number": number}):
        body(number)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MlflowServer]:
    made = MlflowServer(tmp_path)
    yield made
    made.stop(signal.SIGKILL)


@pytest.fixture
def client(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    return MlflowClient(tracking_uri=server.url)


def test_an_outage_in_the_middle_of_a_hundred_tasks(server: MlflowServer, client: Any, tmp_path: Path):
    """Four workers go on while the server is dead; when it is back, every task has every parameter and every point."""
    server.start()
    program = tmp_path / "worker.py"
    program.write_text(WORKER)
    environment = {
        **os.environ,
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__SKYRAIL_TRACKING__SERVER": server.url,
        "AIRFLOW__SKYRAIL_TRACKING__SPOOL": str(tmp_path / "spool"),
    }
    share = TASKS // WORKERS

    def begin(worker: int) -> subprocess.Popen[bytes]:
        numbers = [str(worker * share), str((worker + 1) * share), str(LINES)]
        return subprocess.Popen([sys.executable, program, *numbers], env=environment, stdout=subprocess.DEVNULL)

    workers = [begin(worker) for worker in range(WORKERS // 2)]
    flusher = Flusher(tmp_path / "spool", client)

    def recorded() -> int:
        experiment = client.get_experiment_by_name("outage")
        return len(client.search_runs([experiment.experiment_id], max_results=TASKS)) if experiment else 0

    while recorded() < TASKS // 10:  # some are recorded, some half, some have not begun
        flusher.sweep()
    server.stop(signal.SIGKILL)
    workers += [begin(worker) for worker in range(WORKERS // 2, WORKERS)]
    noticed = 0
    while any(worker.poll() is None for worker in workers):
        try:
            flusher.sweep()
        except ServerAwayError:  # not each time: a sweep that finds nothing new to send asks nobody
            noticed += 1
        time.sleep(0.2)
    assert noticed
    assert [worker.returncode for worker in workers] == [0] * WORKERS
    assert len(spool.attempts(tmp_path / "spool")) >= TASKS // 2
    server.start()
    assert flusher.sweep() == 0

    experiment = client.get_experiment_by_name("outage")
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert sorted(int(run.data.params["number"]) for run in runs) == list(range(TASKS))
    for run in runs:
        number = int(run.data.params["number"])
        assert (run.info.status, run.data.tags[names.TASK_ID]) == ("FINISHED", f"task_{number}")
        history = sorted(client.get_metric_history(run.info.run_id, "loss"), key=lambda point: point.timestamp)
        assert [(point.step, point.value) for point in history] == [(n, number * 1000 + n) for n in range(LINES)]
        assert run.data.metrics["loss"] == number * 1000 + LINES - 1
