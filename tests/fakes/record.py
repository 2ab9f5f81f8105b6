"""Write a record as the pipeline leaves it: attempts of a flights pipeline, and a model that was promoted and refused.

`python record.py ADDRESS` fills a running MLflow server, to look at the pages with something in them.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from dataclasses import dataclass
from typing import Any

from skyrail.tracking import names

MODEL = "flight-delay"
COMMIT = "9f3c1e0ab7d24c5e8f60112233445566778899aa"
MINUTE = 60_000


@dataclass(frozen=True)
class Written:
    """What was written, as far as tests ask for it."""

    trained: list[str]
    """MLflow run of the attempt that trained each version."""
    hostile: str


def now() -> int:
    return int(time.time() * 1000)


def attempt(client: Any, dag: str, run: str, task: str, at: int, **more: Any) -> tuple[str, str]:
    """Write one attempt; return its MLflow run and its Airflow id."""
    experiment = client.get_experiment_by_name(dag)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(dag)
    attempt_id = str(uuid.uuid4())
    ended, seconds = more.get("ended", "succeeded"), more.get("seconds", 2.5)
    tags = {
        names.KIND: names.ATTEMPT,
        names.ATTEMPT_ID: attempt_id,
        names.DAG_ID: dag,
        names.RUN_ID: run,
        names.TASK_ID: task,
        names.MAP_INDEX: str(more.get("map_index", -1)),
        names.TRY_NUMBER: str(more.get("try_number", 1)),
        names.COMMIT: more.get("commit", COMMIT),
        names.DIRTY: more.get("dirty", "false"),
        names.ENDED: ended,
        names.ERROR: more.get("error", ""),
        names.SECONDS: str(seconds) if ended != "running" else "",
        **more.get("tags", {}),
    }
    made = client.create_run(experiment_id, start_time=at, tags=tags, run_name=task).info.run_id
    for name, value in more.get("params", {}).items():
        client.log_param(made, name, value)
    for name, value in more.get("metrics", {}).items():
        client.log_metric(made, name, value, timestamp=at)
    if ended != "running":
        status = {"failed": "FAILED", "killed": "KILLED"}.get(ended, "FINISHED")
        client.set_terminated(made, status, end_time=at + int(seconds * 1000))
    return made, attempt_id


def history(client: Any, kind: str, at: int, tags: dict[str, str], **more: dict[str, Any]) -> str:
    """Write one comparison or promotion; return its MLflow run."""
    name = names.model_experiment(MODEL)
    experiment = client.get_experiment_by_name(name)
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(name)
    tags = {names.KIND: kind, names.MODEL: MODEL} | tags
    made = client.create_run(experiment_id, start_time=at, tags=tags).info.run_id
    for key, value in more.get("params", {}).items():
        client.log_param(made, key, value)
    for key, value in more.get("metrics", {}).items():
        client.log_metric(made, key, value, timestamp=at)
    client.set_terminated(made, end_time=at + 3000)
    return str(made)


# Month of evaluation, champion's version, verdict, difference, low, high, why.
DECISIONS = [
    ("2013-02", "", "PASS", 0.0312, 0.0281, 0.0345, "The candidate beats the baseline: always the same probability."),
    ("2013-03", "1", "PASS", 0.0061, 0.0042, 0.0080, "The whole interval is above -0.001."),
    ("2013-04", "2", "INCONCLUSIVE", 0.0002, -0.0018, 0.0022, "The interval contains -0.001: more rows may tell."),
    ("2013-05", "2", "FAIL", -0.0120, -0.0141, -0.0098, "The candidate is worse than the champion on the same rows."),
]


def write(client: Any) -> Written:
    """Write the whole record."""
    start = now() - 95 * MINUTE
    trained: list[str] = []
    client.create_registered_model(MODEL)
    champion = ""
    for index, (month, against, verdict, difference, low, high, reason) in enumerate(DECISIONS):
        at = start + index * 20 * MINUTE
        dag, run = "flights_train", f"scheduled__2013-0{index + 1}-01T00:00:00+00:00"
        attempt(client, dag, run, "extract", at, seconds=1.4, metrics={"rows": 27004 + 311 * index})
        made, attempt_id = attempt(
            client,
            dag,
            run,
            "train",
            at + MINUTE,
            seconds=12.82,
            dirty="true" if index == 3 else "false",
            params={"model": "HistGradientBoostingClassifier", "learning_rate": "0.1", "max_iter": "120", "seed": "7"},
            metrics={"log_loss": 0.4312 - 0.004 * index, "auc": 0.7213 + 0.003 * index, "train_rows": 26398.0},
        )
        trained.append(made)
        tags = {names.ATTEMPT_ID: attempt_id, names.MODEL_SHA256: f"{index}c5e" * 16}
        source = f"{client.get_run(made).info.artifact_uri}/model"
        version = client.create_model_version(MODEL, source=source, run_id=made, tags=tags).version
        by = f"{dag}/{run}/compare"
        compared = history(
            client,
            names.COMPARISON,
            at + 2 * MINUTE,
            {
                names.CANDIDATE_VERSION: str(version),
                names.CHAMPION_VERSION: against,
                names.BASELINE: "" if against else "the share of late flights in training",
                names.VERDICT: verdict,
                names.REASON: reason,
                names.EVALUATED_ON: month,
                names.BY: by,
            },
            params={
                "metric": "log loss",
                "method": "paired bootstrap",
                "confidence": "0.95",
                "rule": "low > -margin",
            },
            metrics={
                "difference": difference,
                "low": low,
                "high": high,
                "margin": 0.001,
                "champion_loss": 0.4312,
                "candidate_loss": 0.4312 - difference,
                "rows": 26398 + index,
                "units": 31,
            },
        )
        if verdict == "PASS":
            client.set_registered_model_alias(MODEL, names.CHAMPION_ALIAS, version)
            history(
                client,
                names.PROMOTION,
                at + 3 * MINUTE,
                {
                    names.CANDIDATE_VERSION: str(version),
                    names.CHAMPION_VERSION: champion,
                    names.BY: by.replace("compare", "promote"),
                    names.REASON: reason,
                    names.COMPARISON_RUN: compared,
                },
            )
            champion = str(version)
    client.set_registered_model_alias(MODEL, names.CANDIDATE_ALIAS, version)
    hostile = _others(client)
    return Written(trained, hostile)


def _others(client: Any) -> str:
    """Write one attempt for every other end, a mapped one, and one that tries to break the page."""
    dag, run = "flights_score", "manual__2013-05-01"
    at = now() - 14 * MINUTE
    values = {names.VALUE_PREFIX + "model": json.dumps("flight-delay v2")}
    for index in range(3):
        attempt(client, dag, run, "score", at + index, map_index=index, metrics={"rows": 900.0 + index}, tags=values)
    attempt(client, dag, run, "score", at + MINUTE, map_index=3, ended="failed", error="ValueError: no weather for EWR")
    attempt(client, dag, run, "score", at + 2 * MINUTE, map_index=3, try_number=2, seconds=61.0)
    attempt(client, dag, run, "publish", at + 3 * MINUTE, ended="killed", error="The process disappeared.")
    attempt(client, dag, run, "notify", at + 4 * MINUTE, ended="skipped", seconds=0.01, commit="")
    attempt(client, dag, run, "wait", at + 13 * MINUTE, ended="running")
    attempt(client, "secret_dag", "manual__1", "hidden_step", at + 14 * MINUTE)
    made, _ = attempt(
        client,
        dag,
        "manual__<script>alert(1)</script>",
        "hostile",
        at + 12 * MINUTE,
        params={"markup": "<script>alert('x')</script>", "long": "x" * 5000, "quote": "\" onmouseover='alert(1)'"},
        metrics={"not a number": float("nan"), "infinite": float("inf"), "tiny": 1.23456789e-12, "huge": 1.5e15},
        tags={names.NOTICE_PREFIX + "lines": "2 lines were longer than 1 MiB and were not looked at for metrics."},
    )
    return made


if __name__ == "__main__":
    import mlflow

    print(write(mlflow.MlflowClient(sys.argv[1])))
