"""A part is alive when its own main loop answers; when nobody can know, a restart would mend nothing."""

from __future__ import annotations

import http.server
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.servers import free_port

from skyrail.operations import alive


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port whose server takes connections and never answers, as a stalled one does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def refusing_port() -> Iterator[int]:
    """A port whose server says no to everything."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(403)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "skyrail.operations.alive", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **variables})


def test_a_refusal_is_a_sign_of_life(refusing_port: int):
    assert alive.http_answer(refusing_port, "/").alive


def test_a_server_that_takes_connections_and_never_answers_is_dead(busy_port: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(alive, "ANSWER_SECONDS", 0.2)
    assert alive.http_answer(busy_port, "/").sentence == f"Port {busy_port} does not answer /: timed out"


def test_a_server_that_is_not_there_is_dead():
    assert not alive.http_answer(free_port(), "/").alive


@pytest.mark.parametrize("component", ["scheduler", "dag-processor", "triggerer"])
def test_a_database_that_is_away_kills_nobody(component: str):
    url = f"postgresql+psycopg2://a:b@127.0.0.1:{free_port()}/airflow"
    done = run(component, AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=url)
    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "The database does not answer"), done.stderr


def test_a_broker_that_is_away_kills_no_worker(tmp_path: Path):
    broker = tmp_path / "broker"
    broker.write_text(f"redis://:secret@127.0.0.1:{free_port()}/0")
    done = run("worker", AIRFLOW__CELERY__BROKER_URL_CMD=f"cat {broker}")
    assert (done.returncode, done.stdout.partition(",")[0]) == (0, "The broker does not answer"), done.stderr
    assert "secret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("age", "code"),
    [
        pytest.param(1, 0, id="00 at work"),
        pytest.param(600, 0, id="10 a large artifact takes minutes"),
        pytest.param(1000, 1, id="20 stalled"),
        pytest.param(None, 1, id="30 never started"),
    ],
)
def test_the_flusher_is_known_by_its_mark(age: float | None, code: int, tmp_path: Path):
    if age is not None:
        mark = tmp_path / ".flusher"
        mark.touch()
        os.utime(mark, (time.time() - age, time.time() - age))
    assert run("flusher", AIRFLOW__SKYRAIL_TRACKING__SPOOL=str(tmp_path)).returncode == code


@pytest.mark.parametrize(
    ("command", "component"),
    [
        pytest.param("tini -- airflow api-server", "api-server", id="00 api-server"),
        pytest.param("tini -- airflow scheduler --skip-serve-logs", "scheduler", id="01 scheduler"),
        pytest.param("tini -- airflow dag-processor", "dag-processor", id="02 dag-processor"),
        pytest.param("tini -- airflow triggerer", "triggerer", id="03 triggerer"),
        pytest.param("tini -- airflow celery worker --queues gpu", "worker", id="04 worker"),
        pytest.param("tini -- python -m skyrail.tracking.flusher", "flusher", id="05 flusher"),
        pytest.param("tini -- python -m skyrail.operations.mlflow_server", "mlflow", id="06 mlflow"),
        pytest.param("tini -- bash", "", id="10 a shell is none"),
        pytest.param("tini -- airflow db migrate", "", id="11 nor is a migration"),
    ],
)
def test_a_container_knows_what_it_runs(command: str, component: str, tmp_path: Path):
    (tmp_path / "cmdline").write_bytes(command.replace(" ", "\0").encode() + b"\0")
    assert alive.running(tmp_path / "cmdline") == component


def test_a_wrong_word_is_told_the_right_ones():
    done = run("webserver")
    assert done.returncode == 2
    assert done.stderr.startswith("There is no component 'webserver'. Choose from: api-server, scheduler")


def test_a_probe_loads_neither_airflow_nor_mlflow(tmp_path: Path):
    """It runs every few seconds in every container."""
    code = (
        "import sys; from skyrail.operations import alive; alive.main(['scheduler']); "
        "print(sorted({'airflow', 'mlflow', 'sqlalchemy', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    url = f"postgresql+psycopg2://a:b@127.0.0.1:{free_port()}/airflow"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url},
    )
    assert done.stdout.splitlines()[-1] == "[]"
