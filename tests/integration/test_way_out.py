"""A DAG outlives Skyrail: with `@task` instead of `@task.step` it runs on Airflow as it comes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DAG = """
import json
from airflow.sdk import dag, task

@dag(schedule=None)
def leaving():
    @task.step(cpu=1, memory="1Gi", timeout="5m")
    def numbers(count: int = 3) -> list[int]:
        return list(range(count))

    @task.step
    def square(number: int) -> int:
        print(json.dumps({"squared": number**2}))
        return number**2

    @task.step(
        grow_on_oom=True,
    )
    def total(squares) -> int:
        return sum(squares)

    total(square.expand(number=numbers()))

running = leaving()
"""

STOCK = """
import sys

# As if it had never been installed: neither its modules nor its entry points are there.
class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "skyrail":
            raise ImportError("Skyrail is gone")

sys.meta_path.insert(0, Gone())
import importlib.metadata, importlib_metadata
for module in (importlib.metadata, importlib_metadata):
    every = module.distributions
    module.distributions = lambda every=every, **how: (d for d in every(**how) if d.metadata["Name"] != "skyrail")
sys.path.insert(0, sys.argv[1])
from airflow.utils.db import initdb
initdb()
import leaving
run = leaving.running.test()
print("STATE", run.state, [ti.xcom_pull(task_ids="total") for ti in run.get_task_instances() if ti.task_id == "total"])
print("SKYRAIL", [name for name in sys.modules if name.startswith("skyrail")])
"""


def without_skyrail(source: str) -> str:
    """Return what the manual says to do: `@task.step` and all in its brackets becomes `@task`."""
    return re.sub(r"@task\.step(\((?:[^()]|\([^()]*\))*\))?", "@task", source)


@pytest.mark.timeout(240)
def test_a_dag_runs_on_stock_airflow_once_step_is_taken_away(tmp_path: Path) -> None:
    dags = tmp_path / "airflow" / "dags"
    dags.mkdir(parents=True)
    (dags / "leaving.py").write_text(without_skyrail(DAG))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SKYRAIL"))}
    home = {"AIRFLOW_HOME": str(tmp_path / "airflow"), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    done = subprocess.run(
        [sys.executable, "-c", STOCK, str(dags)],
        env={**kept, **home},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "STATE success [5]" in done.stdout, done.stdout[-2000:] + done.stderr[-4000:]
    assert "SKYRAIL []" in done.stdout
