"""Write the record of one training in full: what its version is made of, its curves, and what it read and was read by.

`python story.py ADDRESS` fills a running MLflow server, to look at the pages with something in them.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrail.tracking import names

TRAIN, SCORE, SECRET = "fraud_train", "fraud_score", "fraud_secret"
RUN = "manual__2026-11-02T08:00:00+00:00"
PATCH = "--- a/score.py\n+++ b/score.py\n@@ -1 +1 @@\n-threshold = 0.4\n+threshold = 0.5\n"
SOURCE = '@task.step(cpu=4)\ndef fit(rows, learning_rate: float = 0.1):\n    """Fit & keep <the> model."""\n'
STEPS = 3000
PEAK = 0.9731
"""The one large value of `gradient`, at step 1234."""


@dataclass(frozen=True)
class Story:
    """Ids of the attempts."""

    prepare: str
    fit: str
    first_fit: str
    score: str
    secret: str
    fit_run: str
    """MLflow's run of `fit`."""


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def reference(name: str, form: str, summary: str, made_by: str, attempt: str) -> str:
    said = {"uri": f"s3://store/{sha(name)[:2]}/{sha(name)}", "sha256": sha(name), "bytes": 48_234_567}
    return json.dumps(said | {"format": form, "summary": summary, "made_by": made_by, "attempt": attempt})


def write(client: Any, now: int | None = None) -> Story:
    """Write the record: prepare (and a secret step) → fit, after a try that failed → score (and a secret reader)."""
    at = now or int(time.time() * 1000) - 600_000
    ids = {name: str(uuid.uuid4()) for name in ("prepare", "fit", "first_fit", "score", "secret", "peek")}

    def attempt(name: str, dag: str, task: str, offset: int, try_number: int = 1, **more: Any) -> str:
        experiment = client.get_experiment_by_name(dag)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(dag)
        ended = more.get("ended", "succeeded")
        tags = {
            names.KIND: names.ATTEMPT,
            names.ATTEMPT_ID: ids[name],
            names.DAG_ID: dag,
            names.RUN_ID: RUN,
            names.TASK_ID: task,
            names.MAP_INDEX: "-1",
            names.TRY_NUMBER: str(try_number),
            names.ENDED: ended,
            names.SECONDS: "96.4",
            **more.get("tags", {}),
        }
        made = client.create_run(experiment_id, start_time=at + offset, tags=tags, run_name=task)
        client.set_terminated(
            made.info.run_id, "FAILED" if ended == "failed" else "FINISHED", end_time=at + offset + 96
        )
        return str(made.info.run_id)

    rows = reference("rows", "parquet", "1204211 rows, 31 columns", f"{TRAIN}/{RUN}/prepare/-1/1", ids["prepare"])
    hidden = reference("weights", "npy", "float64, shape (1204211,)", f"{SECRET}/{RUN}/ponder/-1/1", ids["secret"])
    attempt("prepare", TRAIN, "prepare", 0, tags={names.OUTPUT_PREFIX + "return_value": rows})
    attempt("secret", SECRET, "ponder", 1)
    failed = {names.ERROR: "MemoryError: Unable to allocate 12.4 GiB", names.READS: ids["prepare"]}
    attempt("first_fit", TRAIN, "fit", 1000, ended="failed", tags=failed)
    fit = attempt("fit", TRAIN, "fit", 120_000, try_number=2, tags=_version() | {
        names.INPUT_PREFIX + "rows": rows,
        names.INPUT_PREFIX + "weights": hidden,
        names.READS: f"{ids['prepare']},{ids['secret']}",
        names.OUTPUT_PREFIX + "return_value": reference(
            "model", "pickle", "Pipeline", f"{TRAIN}/{RUN}/fit/-1/2", ids["fit"]
        ),
        names.VALUE_PREFIX + "confusion": json.dumps([["", "said no", "said yes"], ["no", 9721, 41], ["yes", 63, 388]]),
        names.VALUE_PREFIX + "best": json.dumps("epoch 2,711"),
        names.VALUE_PREFIX + "thresholds": json.dumps([0.1, 0.2, 0.5]),
        names.VALUE_FILE_PREFIX + "weights": "skyrail/values/weights.json",
        names.NOTICE_PREFIX + "lines": "2 lines were longer than 1 MiB and were not looked at for metrics.",
    })  # fmt: skip
    _log(client, fit)
    attempt("score", SCORE, "score", 240_000, tags={names.READS: ids["fit"]})
    attempt("peek", SECRET, "peek", 241_000, tags={names.READS: f"{ids['prepare']},{ids['fit']}"})
    return Story(ids["prepare"], ids["fit"], ids["first_fit"], ids["score"], ids["secret"], fit)


def _version() -> dict[str, str]:
    hashed = ("VERSION", "VERSION_CODE", "VERSION_ENVIRONMENT", "VERSION_PARAMETERS", "VERSION_DATA", "PATCH_SHA256")
    hashed = (*hashed, "VERSION_RESULTS", "SOURCE_SHA256", "ENVIRONMENT_SHA256", "LOCK_SHA256")
    return {getattr(names, name): sha(name) for name in hashed} | {
        names.COMMIT: "9f3c1e0ab7d24c5e8f60112233445566778899aa",
        names.DIRTY: "true",
        names.PYTHON: "3.12.7",
        names.PLATFORM: "linux-x86_64",
        names.IMAGE: "registry.example/fraud@sha256:" + sha("image"),
        names.BUNDLE_NAME: "dags-folder",
        names.RESOURCE_CLASS: "large",
        names.NEEDS: json.dumps({"cpu": 4, "memory": 16 * 2**30, "gpu": 0}),
        names.PEAK_MEMORY: str(13_314_398_617),
        names.PEAK_MEMORY_OF: "cgroup",
        names.CPU_SECONDS: "351.2",
        "mlflow.source.name": "fraud.py:fit",
    }


def _log(client: Any, run: str) -> None:
    from mlflow.entities import Metric, Param

    noise = random.Random(7)
    at = int(time.time() * 1000) - 300_000
    points = []
    for step in range(STEPS):
        loss = 0.7 * math.exp(-step / 700) + 0.08 + noise.gauss(0, 0.012)
        points.append(Metric("loss", math.nan if 1500 <= step < 1530 else loss, at + step * 30, step))
    gradient = [PEAK if step == 1234 else 0.1 + noise.random() / 20 for step in range(2000)]
    points += [Metric("gradient", value, at + step * 45, step) for step, value in enumerate(gradient)]
    auc = [0.93 - 0.3 * math.exp(-epoch / 6) for epoch in range(30)]
    points += [Metric("validation.auc", value, at + epoch * 3000, epoch) for epoch, value in enumerate(auc)]
    points.append(Metric("rows", 1204211, at, 0))
    for begin in range(0, len(points), 1000):
        client.log_batch(run, metrics=points[begin : begin + 1000])
    params = {"learning_rate": "0.1", "max_iter": "3000", "params.month": "2026-10", "password": "***"}
    client.log_batch(run, params=[Param(name, value) for name, value in params.items()])
    with tempfile.TemporaryDirectory() as folder:
        files = {"source.py": SOURCE, "changes.patch": PATCH, "environment.txt": "numpy==2.4.0\n" * 9000}
        for name, text in files.items():
            (Path(folder) / name).write_text(text)
        client.log_artifacts(run, folder, "skyrail")


if __name__ == "__main__":
    import mlflow

    print(write(mlflow.MlflowClient(sys.argv[1])))
