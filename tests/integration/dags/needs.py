"""Steps that say what they need: classes, packages of their own, programs in other languages."""

from __future__ import annotations

import json

from airflow.sdk import dag, task


@dag(dag_id="needs", schedule=None, is_paused_upon_creation=False)
def needs():
    @task.step
    def settings() -> list[dict]:
        return [{"rate": number / 100} for number in range(20)]

    @task.step(cpu=0.5, memory="64Mi", timeout="5m")
    def attempt(setting: dict) -> float:
        print(json.dumps({"step": 1, "loss": setting["rate"]}))
        return setting["rate"]

    @task.step(packages=["packaging==23.2"])
    def older() -> str:
        import packaging

        print(json.dumps({"major": int(packaging.__version__.partition(".")[0])}))
        return packaging.__version__

    @task.step(packages=["packaging==24.1"])
    def newer(before: str) -> list[str]:
        import packaging

        print(json.dumps({"major": int(packaging.__version__.partition(".")[0])}))
        return [before, packaging.__version__]

    @task.step
    def table():
        import pandas as pd

        return {"rows": pd.DataFrame({"x": [1, 2, 3]}), "words": ["one", "two"]}

    @task.step(command=["sh", "count.sh", "{scale}"])
    def shell(data, scale: int = 7): ...

    @task.step(command=["perl", "count.pl"])
    def perl(counted): ...

    @task.step(command=["sh", "-c", "echo '{\"before\": 1}'; exit 3"])
    def fails(): ...

    attempt.expand(setting=settings())
    newer(older())
    perl(shell(table())["deep/answer.json"])
    fails()


needs()
