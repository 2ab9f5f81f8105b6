"""A step whose metric has more points than a curve has room for, and one of them is a peak."""

from __future__ import annotations

import json

from airflow.sdk import dag, task


@dag(dag_id="curve", schedule=None, is_paused_upon_creation=False)
def curve():
    @task.step
    def fit() -> None:
        for step in range(3000):
            print(json.dumps({"loss": 9.0 if step == 1234 else 0.5, "step": step}))

    fit()


curve()
