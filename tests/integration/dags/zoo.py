"""Steps that do what steps do: succeed, fail, retry, print too much, die."""

from __future__ import annotations

import json
import os
from datetime import timedelta

from airflow.sdk import dag, get_current_context, task


@dag(dag_id="zoo", schedule=None, is_paused_upon_creation=False)
def zoo():
    @task.step
    def numbers() -> list[int]:
        return [1, 2, 3]

    @task.step
    def double(number: int) -> int:
        print(json.dumps({"doubled": 2 * number}))
        return 2 * number

    @task.step
    def total(doubled: list[int]) -> int:
        return sum(doubled)

    @task.step(retries=1, retry_delay=timedelta(seconds=1))
    def second_try() -> None:
        print(json.dumps({"loss": 1}))
        if get_current_context()["ti"].try_number == 1:
            raise ValueError("not yet")

    @task.step
    def dies() -> None:
        print(json.dumps({"before": 1}))
        os.kill(os.getpid(), 9)

    @task.step(execution_timeout=timedelta(seconds=2))
    def too_slow() -> None:
        import time

        time.sleep(60)

    @task.step
    def returns_a_generator():
        return (number for number in range(3))

    @task.step
    def odd_output() -> None:
        print(json.dumps({"nan": float("nan")}), flush=True)
        os.write(1, b"\xff\xfe invalid \n")
        print('{"long": "' + "x" * 10_000_000 + '"}')
        for number in range(100_000):
            print("line", number)
        print(json.dumps({"after": 1}))

    @task.step
    def by_mlflow(password: str = "hunter2") -> None:
        import mlflow

        mlflow.log_metric("loss", 0.5, step=3)
        mlflow.log_text("hello", "x.txt")

    @task.step
    def frames():
        import pandas as pd

        return {"train": pd.DataFrame({"x": [1, 2, 3]}), "n": 3}

    @task.step
    def reads(data) -> int:
        return int(data["train"].x.sum()) + data["n"]

    @task.step(multiple_outputs=True)
    def parts() -> dict:
        return {"many": list(range(10_000)), "one": 1}

    @task.step
    def reads_part(many: list[int], one: int, *more: int, limit: int = 5) -> int:
        return len(many) + one + sum(more) + limit

    @task.step
    def arguments() -> list[dict]:
        return [{"text": "x" * 20_000}, {"text": "y"}]

    @task.step
    def takes(text: str) -> int:
        return len(text)

    @task.step
    def odd_error() -> None:
        raise ValueError("bad byte \0 and half a pair \ud800")

    @task.step
    def leaves_a_child() -> None:
        import subprocess

        subprocess.Popen(["sleep", "20"])

    takes.expand_kwargs(arguments())
    split = parts()
    reads_part(split["many"], split["one"], 3, 4, limit=6)
    odd_error()
    leaves_a_child()
    total(double.expand(number=numbers()))
    second_try()
    dies()
    too_slow()
    returns_a_generator()
    odd_output()
    by_mlflow()
    reads(frames())


zoo()
