"""The flusher as a program: patient while the server is away, done when everything was sent."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.servers import free_port

from skyrail.tracking import names, spool


class Gate:
    """A port that leads to another one once it is opened."""

    def __init__(self, target: str) -> None:
        self.target = (urlsplit(target).hostname, urlsplit(target).port)
        self.port = free_port()
        self._listener: socket.socket | None = None

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        if self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _serve(self) -> None:
        assert self._listener
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=(one, other), daemon=True).start()

    @staticmethod
    def _copy(one: socket.socket, other: socket.socket) -> None:
        with one:
            try:
                while data := one.recv(1 << 16):
                    other.sendall(data)
                other.shutdown(socket.SHUT_WR)
            except OSError:
                return


@pytest.fixture
def gate(mlflow_server: str) -> Iterator[Gate]:
    made = Gate(mlflow_server)
    yield made
    made.close()


@pytest.fixture
def start(tmp_path: Path, gate: Gate) -> Callable[..., subprocess.Popen[bytes]]:
    """Start the program on a spool of its own, with its output in a file."""

    def go(*arguments: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "AIRFLOW__SKYRAIL_TRACKING__SERVER": f"http://127.0.0.1:{gate.port}",
            "AIRFLOW__SKYRAIL_TRACKING__SPOOL": str(tmp_path / "spool"),
            "AIRFLOW__SKYRAIL_TRACKING__FLUSH_SECONDS": "0.2",
        }
        with (tmp_path / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "skyrail.tracking.flusher", *arguments], env=environment, stdout=log, stderr=log
            )

    return go


@pytest.fixture
def attempts(tmp_path: Path) -> str:
    """Twenty attempts that are over, in the spool; return the name of their DAG."""
    dag = f"dag_{uuid.uuid4().hex[:8]}"
    for number in range(20):
        run = uuid.uuid4().hex
        event = {
            "e": "attempt", "run": run, "experiment": dag, "server": "", "name": f"step {number}",
            "at": number + 1, "tags": {names.KIND: names.ATTEMPT}, "params": {},
        }  # fmt: skip
        attempt, lock = spool.open_attempt(tmp_path / "spool", run, event)
        attempt.append({"e": "end", "ended": "succeeded", "error": "", "at": number + 2})
        lock.close()
    return dag


def wait(condition: Callable[[], Any], log: Path) -> Any:
    deadline = time.monotonic() + 90
    while not (answer := condition()):
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.1)
    return answer


def sent(server: str, dag: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=server)
    experiment = client.get_experiment_by_name(dag)
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]) if experiment else []


def test_what_was_recorded_while_the_server_was_away_arrives(
    start, gate: Gate, attempts: str, tmp_path: Path, mlflow_server: str
):
    """Nothing is lost, each attempt arrives once, oldest first, and the log says that it waits."""
    log = tmp_path / "log"
    process = start()
    wait(lambda: log.exists() and b"does not answer" in log.read_bytes(), log)
    assert len(spool.attempts(tmp_path / "spool")) == 20
    gate.open()
    wait(lambda: not spool.attempts(tmp_path / "spool"), log)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    runs = sent(mlflow_server, attempts)
    assert [run.info.run_name for run in runs] == [f"step {number}" for number in range(20)]
    assert {run.info.status for run in runs} == {"FINISHED"}
    order = [int(number) for number in re.findall(rb"Recorded (\d+)-", log.read_bytes())]
    assert order == list(range(1, 21))
    assert b"Nothing is lost" in log.read_bytes()


def test_a_killed_flusher_goes_on_where_it_was(start, gate: Gate, attempts: str, tmp_path: Path, mlflow_server: str):
    """Killed with -9 again and again, it sends each attempt once."""
    gate.open()
    log = tmp_path / "log"
    for left in (15, 8):
        process = start()
        wait(lambda limit=left: len(spool.attempts(tmp_path / "spool")) <= limit, log)
        process.kill()
        process.wait()
    assert start("--once").wait(90) == 0
    assert spool.attempts(tmp_path / "spool") == []
    assert [run.info.run_name for run in sent(mlflow_server, attempts)] == [f"step {number}" for number in range(20)]


def test_once_sends_all_there_is(start, gate: Gate, tmp_path: Path, mlflow_server: str):
    """One attempt with more points than a turn has is sent to its end too."""
    gate.open()
    dag, run = f"dag_{uuid.uuid4().hex[:8]}", uuid.uuid4().hex
    event = {"e": "attempt", "run": run, "experiment": dag, "server": "", "name": "long", "at": 1, "tags": {},
             "params": {}}  # fmt: skip
    attempt, lock = spool.open_attempt(tmp_path / "spool", run, event)
    lines = "".join(f'{{"at":{number},"values":{{"n":{number}}}}}\n' for number in range(25_000))
    (attempt.folder / spool.LINES).write_text(lines)
    attempt.append({"e": "end", "ended": "succeeded", "error": "", "at": 2})
    lock.close()
    assert start("--once").wait(200) == 0
    [recorded] = sent(mlflow_server, dag)
    assert (recorded.info.status, recorded.data.metrics["n"]) == ("FINISHED", 24_999)


def test_once_says_when_the_server_is_away(start, attempts: str, tmp_path: Path):
    """For a script: exit code 1, and everything is still there."""
    assert start("--once").wait(90) == 1
    assert len(spool.attempts(tmp_path / "spool")) == 20
