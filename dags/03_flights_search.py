"""By hand: try twenty settings of the model, each a run of its own, with other packages than Airflow's.

The body of `attempt` runs with scikit-learn 1.7 and pandas 2.3, while the rest of the platform has newer ones; its
requirements are in requirements/search.txt, and their lock is beside this file. The report is written by a program that
is not Python.
"""

from __future__ import annotations

import csv
import json
import tempfile
from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param, dag, get_current_context, task

from flights import data
from skyrail.notifications.notifier import SkyrailNotifier

SETTINGS = [
    {"learning_rate": learning_rate, "max_leaf_nodes": leaves}
    for learning_rate in (0.02, 0.05, 0.1, 0.2, 0.4)
    for leaves in (7, 15, 31, 63)
]


@dag(
    dag_id="flights_search",
    schedule=None,
    default_args={
        "owner": "flights",
        "retries": 1,
        "retry_delay": timedelta(seconds=10),
        "on_failure_callback": SkyrailNotifier("{{ ti.dag_id }}.{{ ti.task_id }} failed", link="{{ ti.log_url }}"),
    },
    params={
        "month": Param("2013-06", type="string", pattern="^2013-(0[1-9]|1[01])$", description="Month to learn from."),
        "rows": Param(4000, type="integer", minimum=200, maximum=30000, description="Flights of each month to use."),
    },
    is_paused_upon_creation=False,
    tags=["flights", "example"],
    doc_md=__doc__,
)
def flights_search():
    @task.step
    def prepare():
        params = get_current_context()["params"]
        months = {"train": params["month"], "judge": data.next_month(params["month"])}
        frames = {name: data.features(data.flights(month)) for name, month in months.items()}
        return {
            name: frame.sample(min(len(frame), params["rows"]), random_state=0).reset_index(drop=True)
            for name, frame in frames.items()
        }

    @task.step(cpu=1, memory="1Gi", packages="requirements/search.txt", timeout="5m")
    def attempt(frames, settings: dict) -> dict:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import log_loss

        train, judge = frames["train"], frames["judge"]
        model = HistGradientBoostingClassifier(max_iter=60, early_stopping=False, random_state=0, **settings)
        model.fit(train[data.NUMBERS], train.late)
        for step, belief in enumerate(model.staged_predict_proba(judge[data.NUMBERS]), start=1):
            loss = float(log_loss(judge.late, belief[:, 1]))
            print(json.dumps({"step": step, "log_loss": loss}))
        return {**settings, "log_loss": loss}

    @task.step
    def table(results: list[dict]) -> Path:
        file = Path(tempfile.mkdtemp()) / "results.csv"
        with file.open("w", newline="") as output:
            writer = csv.DictWriter(output, fieldnames=list(results[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(sorted(results, key=lambda result: result["log_loss"]))
        return file

    @task.step(command=["sh", "flights/report.sh", "{title}"])
    def report(results, title: str = "Settings tried"): ...

    frames = prepare()
    report(table(attempt.partial(frames=frames).expand(settings=SETTINGS)))


flights_search()
