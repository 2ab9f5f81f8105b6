"""Time of the Runs page with 10,000 runs, and of a run's page and curves with 100,000 and a million points.

The whole way that a browser's request takes: `skyrail up`, its api-server, its MLflow, its PostgreSQL. The record is
written into MLflow's tables by SQL, in the form that MLflow's own client leaves there: 10,000 runs through its REST API
would take half an hour.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg2
from psycopg2.extras import execute_values

from bench.report import row
from bench.start import environment, free_port, until
from skyrail.embedded import postgres, secrets
from skyrail.embedded.home import Home
from skyrail.tracking import names

DAG = "bench"
RUNS = 10_000
POINTS = {"loss": 100_000, "gradient": 1_000_000}
TURNS = 10
STEPS = ("extract", "prepare", "train", "evaluate", "publish")
METRICS = ("auc", "log_loss", "brier", "rows", "late_share", "seconds_each")
PARAMS = ("learning_rate", "max_iter", "seed", "month", "model", "depth")
START = 1_750_000_000_000


def runs() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the MLflow run, the name and the tags of each attempt."""
    for number in range(RUNS):
        task = STEPS[number % len(STEPS)]
        yield (
            uuid.uuid4().hex,
            f"{task} 2026-{1 + number % 12:02}-01",
            {
                names.KIND: names.ATTEMPT,
                names.ATTEMPT_ID: str(uuid.uuid4()),
                names.DAG_ID: DAG,
                names.RUN_ID: f"scheduled__{number // len(STEPS)}",
                names.TASK_ID: task,
                names.MAP_INDEX: "-1",
                names.TRY_NUMBER: "1",
                names.ENDED: "failed" if number % 37 == 0 else "succeeded",
                names.SECONDS: "12.5",
                names.COMMIT: f"{number // 50:040x}",
                names.DIRTY: "false",
                names.PYTHON: "3.11.7",
                names.ENVIRONMENT_SHA256: f"{number // 500:064x}",
                names.SOURCE_SHA256: f"{number // 50:064x}",
                names.VERSION: f"{number:064x}",
                names.RESOURCE_CLASS: "small",
                names.INPUT_PREFIX + "rows": json.dumps({"uri": "s3://store/x", "sha256": "0" * 64, "bytes": 10}),
                names.OUTPUT_PREFIX + "return_value": json.dumps({"uri": "s3://store/y", "sha256": "1" * 64}),
                "mlflow.runName": f"{task} 2026-{1 + number % 12:02}-01",
                "mlflow.user": "airflow",
            },
        )


def fill(database: Any, experiment: int) -> str:
    """Write the record; return the id of the attempt that has the long histories."""
    noise = random.Random(1)
    every = list(runs())
    with database, database.cursor() as cursor:

        def insert(table: str, columns: str, values: list[tuple[Any, ...]]) -> None:
            execute_values(cursor, f"INSERT INTO {table} ({columns}) VALUES %s", values, page_size=5000)

        insert(
            "runs",
            "run_uuid, name, source_type, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri, "
            "experiment_id",
            [
                (run, name, "JOB", "airflow", "FINISHED", START + 1000 * number, START + 1000 * number + 500, "active",
                 f"mlflow-artifacts:/{experiment}/{run}/artifacts", experiment)
                for number, (run, name, _) in enumerate(every)
            ],
        )  # fmt: skip
        insert("tags", "key, value, run_uuid", [(k, v, run) for run, _, tags in every for k, v in tags.items()])
        insert("params", "key, value, run_uuid", [(k, str(noise.random()), run) for run, _, _ in every for k in PARAMS])
        latest = [(k, noise.random(), START, 0, False, run) for run, _, _ in every for k in METRICS]
        insert("metrics", "key, value, timestamp, step, is_nan, run_uuid", latest)
        run, _, tags = every[-3]
        for metric, count in POINTS.items():
            latest.append((metric, 0.1, START + count, count - 1, False, run))
            cursor.execute(
                "INSERT INTO metrics (key, value, timestamp, step, is_nan, run_uuid) "
                "SELECT %s, exp(-i / 40000.0) + random() / 20, %s + i, i, false, %s FROM generate_series(0, %s) AS i",
                (metric, START, run, count - 1),
            )
        insert("latest_metrics", "key, value, timestamp, step, is_nan, run_uuid", latest)
    return tags[names.ATTEMPT_ID]


def timed(browser: httpx.Client, address: str, words: str, turns: int = TURNS) -> list[float]:
    """Return how long an address takes, in milliseconds; `words` must be in what it gives."""
    taken = []
    for _ in range(turns + 1):
        clock = time.perf_counter()
        answer = browser.get(address)
        taken.append(1000 * (time.perf_counter() - clock))
        assert answer.status_code == 200, answer.text
        assert words in answer.text, address
    return taken[1:]


def measure(browser: httpx.Client, mlflow: str, experiment: int, attempt: str) -> None:
    """Print how long the pages take, and MLflow's own search beside them."""
    pages = {
        "Runs, first page": ("", "Next"),
        "Runs, filtered by a metric (auc > 0.9)": ("&filter=auc > 0.9", "Next"),
        "Runs, filtered by text (train)": ("&filter=train", "Next"),
        "Runs, sorted by a metric": ("&sort=-m.auc", "Next"),
        "Runs, last page": ("&page=last", "Previous"),
    }
    for name, (question, words) in pages.items():
        row(name, timed(browser, f"/skyrail/runs?dag_id={DAG}{question}", words), "ms")
    search = {"experiment_ids": [str(experiment)], "max_results": 50, "order_by": ["attributes.start_time DESC"]}
    searched = []
    for _ in range(TURNS):
        clock = time.perf_counter()
        httpx.post(f"{mlflow}/api/2.0/mlflow/runs/search", json=search, timeout=60).raise_for_status()
        searched.append(1000 * (time.perf_counter() - clock))
    row("MLflow's own search for the first 50, without a filter", searched, "ms")
    row("a run's page", timed(browser, f"/skyrail/runs/{attempt}", "Lineage"), "ms")
    for metric, count in POINTS.items():
        address = f"/skyrail/runs/{attempt}/curves?metric={metric}"
        assert len(browser.get(address).json()["value"]) <= 500
        row(f"a curve of {count:,} points", timed(browser, address, '"sampled":true', 3), "ms")


def main() -> None:
    """Fill a platform of its own, print the figures, and stop it."""
    with tempfile.TemporaryDirectory(prefix="skyrail-bench-") as folder:
        Path(folder).chmod(0o755)
        home, dags = Home(Path(folder) / "home"), Path(folder) / "dags"
        dags.mkdir()
        (dags / "bench.py").write_text(f"from airflow.sdk import DAG\n\ndag = DAG({DAG!r}, schedule=None)\n")
        port, mlflow_port = free_port(), free_port()
        skyrail = [sys.executable, "-m", "skyrail.cli"]
        where = ["--home", str(home.path)]
        start = ["up", "--detach", "--dags", str(dags), "--port", str(port), "--mlflow-port", str(mlflow_port)]
        subprocess.run([*skyrail, *start, *where], env=environment(), check=True, capture_output=True)
        try:
            link = subprocess.run([*skyrail, "login", *where], env=environment(), check=True, capture_output=True)
            mlflow = f"http://127.0.0.1:{mlflow_port}"
            created = httpx.post(f"{mlflow}/api/2.0/mlflow/experiments/create", json={"name": DAG}, timeout=60)
            experiment = int(created.json()["experiment_id"])
            database = psycopg2.connect(postgres.dsn(home, "mlflow", secrets.ensure(home).database_password))
            clock = time.perf_counter()
            attempt = fill(database, experiment)
            database.autocommit = True
            database.cursor().execute("ANALYZE")  # what autovacuum does within a minute
            database.close()
            row(f"writing {RUNS:,} runs by SQL", [time.perf_counter() - clock], "s")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120, follow_redirects=True) as browser:
                browser.get(link.stdout.decode().strip())
                until(lambda: _known(browser) == 1, time.perf_counter())
                measure(browser, mlflow, experiment, attempt)
        finally:
            subprocess.run([*skyrail, "down", *where], env=environment(), check=True, capture_output=True)


def _known(browser: httpx.Client) -> int:
    """Return how many of the DAG are known to Airflow: pages show runs of known DAGs alone."""
    token = browser.cookies["_token"]
    answer = browser.get("/api/v2/dags", headers={"Authorization": f"Bearer {token}"})
    return int(answer.json()["total_entries"])
