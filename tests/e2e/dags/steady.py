"""Work that is always under way: short steps on Celery's workers and in pods, mapped, each with one metric."""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.sdk import Param, dag, task


@dag(schedule=None, tags=["e2e"], params={"worker_steps": Param(30), "pod_steps": Param(6), "seconds": Param(5)})
def steady():
    @task
    def numbers(kind: str, params: dict | None = None) -> list[int]:
        return list(range(params[kind]))

    def hold(number: int, params: dict | None = None) -> int:
        time.sleep(params["seconds"])
        print(f'{{"held": {number}}}')
        return number

    again = {"retries": 4, "retry_delay": timedelta(seconds=5)}
    on_worker = task.step(task_id="on_worker", **again)(hold)
    in_pod = task.step(task_id="in_pod", memory="1200Mi", max_active_tis_per_dagrun=2, **again)(hold)
    on_worker.expand(number=numbers.override(task_id="worker_numbers")("worker_steps"))
    in_pod.expand(number=numbers.override(task_id="pod_numbers")("pod_steps"))


steady()
