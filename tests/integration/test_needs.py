"""Steps that say what they need, on the running platform."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest

from skyrail.tracking import names


@pytest.fixture(scope="module")
def needs(finished) -> dict[tuple[str, int], Any]:
    """One run of all the steps in dags/needs.py."""
    return finished("needs")


@pytest.fixture(scope="module")
def records(needs, mlflow_client) -> dict[tuple[str, int], Any]:
    """The MLflow run of each attempt, by task and map index, once the flusher has sent them all."""
    deadline = time.monotonic() + 90
    while True:
        experiment = mlflow_client.get_experiment_by_name("needs")
        found = mlflow_client.search_runs([experiment.experiment_id]) if experiment else []
        if len(found) == len(needs) and all(run.info.status != "RUNNING" for run in found):
            break
        assert time.monotonic() < deadline, [(run.info.run_name, run.info.status) for run in found]
        time.sleep(0.5)
    return {(run.data.tags[names.TASK_ID], int(run.data.tags[names.MAP_INDEX])): run for run in found}


def test_everything_ran_except_what_was_to_fail(needs):
    assert {key for key, instance in needs.items() if instance["state"] != "success"} == {("fails", -1)}


def test_twenty_parameter_sets_are_twenty_runs(records):
    """Each has its own parameters and metrics, and what it needed."""
    attempts = [records["attempt", index] for index in range(20)]
    assert [run.data.metrics["loss"] for run in attempts] == [number / 100 for number in range(20)]
    assert {run.data.tags[names.NEEDS] for run in attempts} == {json.dumps({"cpu": 0.5, "memory": 64 * 2**20})}
    assert len({run.data.tags[names.VERSION_PARAMETERS] for run in attempts}) == 20
    assert len({run.data.tags[names.VERSION_CODE] for run in attempts}) == 1


def test_needs_are_slots_of_one_pool(needs, api: httpx.Client):
    pool = api.get("/api/v2/pools/skyrail").json()
    assert pool["slots"] == 100
    assert {instance["pool"] for instance in needs.values()} == {"skyrail"}
    assert needs["attempt", 0]["pool_slots"] > needs["settings", -1]["pool_slots"] == 1


def test_two_steps_of_one_run_have_conflicting_versions(records, needs, api: httpx.Client):
    assert records["older", -1].data.metrics == {"major": 23.0}
    assert records["newer", -1].data.metrics == {"major": 24.0}
    locks = {records[task, -1].data.tags[names.LOCK_SHA256] for task in ("older", "newer")}
    assert len(locks) == 2
    run = needs["newer", -1]["dag_run_id"]
    xcom = api.get(f"/api/v2/dags/needs/dagRuns/{run}/taskInstances/newer/xcomEntries/return_value").json()
    assert xcom["value"] in (["23.2", "24.1"], '["23.2", "24.1"]')


def test_programs_in_other_languages_are_recorded_alike(records):
    """A shell script counts three pairs of quotes in JSON, a Perl program doubles what it found."""
    shell, perl, fails = records["shell", -1], records["perl", -1], records["fails", -1]
    assert shell.data.metrics == {"answer": 28.0}
    assert shell.data.params["scale"] == "7"
    made = json.loads(shell.data.tags[names.OUTPUT_PREFIX + "deep/answer.json"])
    read = json.loads(perl.data.tags[names.INPUT_PREFIX + "counted"])
    assert read["sha256"] == made["sha256"]
    assert perl.data.metrics == {"doubled": 56.0}
    assert perl.data.tags[names.READS] == shell.data.tags[names.ATTEMPT_ID]
    assert fails.info.status == "FAILED"
    assert fails.data.metrics == {"before": 1.0}
    assert "3" in fails.data.tags[names.ERROR]
