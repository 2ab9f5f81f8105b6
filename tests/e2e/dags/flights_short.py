"""A month of flights: read and judged on Celery's worker, learned from in a pod."""

from __future__ import annotations

import json

from airflow.sdk import dag, task

from flights import data


@dag(schedule=None, tags=["e2e"])
def flights_short():
    @task.step
    def extract(month: str):
        rows = data.features(data.flights(month))
        print(json.dumps({"rows": len(rows)}))
        return rows

    @task.step(memory="1200Mi")
    def train(rows):
        late = float(rows.late.mean())
        print(json.dumps({"late_share": late}))
        return {"late_share": late}

    @task.step
    def judge(rows, model: dict[str, float]) -> float:
        loss = float(((rows.late - model["late_share"]) ** 2).mean())
        print(json.dumps({"brier": loss}))
        return loss

    judge(extract.override(task_id="extract_next")("2013-02"), train(extract("2013-01")))


flights_short()
