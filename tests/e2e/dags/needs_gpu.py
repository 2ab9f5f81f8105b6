"""A step that needs a GPU, which the cluster does not have at first."""

from __future__ import annotations

from airflow.sdk import dag, task


@dag(schedule=None, tags=["e2e"])
def needs_gpu():
    @task.step(gpu=1, gpu_type="t4")
    def learn() -> str:
        print('{"learned": 1}')
        return "learned"

    learn()


needs_gpu()
