"""Steps on the running platform: each attempt has its record, and the record says what happened."""

from __future__ import annotations

import math
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from skyrail.tracking import names


@pytest.fixture(scope="module")
def zoo(finished) -> dict[tuple[str, int], Any]:
    """One run of all the steps in dags/zoo.py."""
    return finished("zoo")


@pytest.fixture(scope="module")
def records(zoo, mlflow_client) -> dict[tuple[str, int, int], Any]:
    """The MLflow run of each attempt, by task, map index and try, once the flusher has sent them all."""
    attempts = sum(instance["try_number"] for instance in zoo.values())
    deadline = time.monotonic() + 90
    while True:
        experiment = mlflow_client.get_experiment_by_name("zoo")
        found = mlflow_client.search_runs([experiment.experiment_id]) if experiment else []
        if len(found) == attempts and all(run.info.status != "RUNNING" for run in found):
            break
        assert time.monotonic() < deadline, [(run.info.run_name, run.info.status) for run in found]
        time.sleep(0.5)
    tags = [run.data.tags for run in found]
    keys = [(tag[names.TASK_ID], int(tag[names.MAP_INDEX]), int(tag[names.TRY_NUMBER])) for tag in tags]
    return dict(zip(keys, found, strict=True))


@pytest.mark.parametrize(
    ("key", "status", "ended", "error", "metrics"),
    [
        pytest.param(("numbers", -1, 1), "FINISHED", "succeeded", "", {}, id="00 a step"),
        pytest.param(("double", 0, 1), "FINISHED", "succeeded", "", {"doubled": 2.0}, id="01 mapped, first"),
        pytest.param(("double", 2, 1), "FINISHED", "succeeded", "", {"doubled": 6.0}, id="02 mapped, last"),
        pytest.param(("second_try", -1, 1), "FAILED", "failed", "ValueError: not yet", {"loss": 1.0}, id="10 a try"),
        pytest.param(("second_try", -1, 2), "FINISHED", "succeeded", "", {"loss": 1.0}, id="11 second try"),
        pytest.param(("dies", -1, 1), "KILLED", "killed", "The process disappeared", {"before": 1.0}, id="20 kill -9"),
        pytest.param(("too_slow", -1, 1), "FAILED", "failed", "Took longer than", {}, id="21 out of time"),
        pytest.param(
            ("returns_a_generator", -1, 1), "FAILED", "failed", "ArtifactError: A result of type generator", {},
            id="22 a result that cannot be kept",
        ),
        pytest.param(
            ("odd_error", -1, 1), "FAILED", "failed", "ValueError: bad byte \N{REPLACEMENT CHARACTER}", {},
            id="23 an error that no database takes",
        ),
        pytest.param(("leaves_a_child", -1, 1), "FINISHED", "succeeded", "", {}, id="24 a child left running"),
        pytest.param(("by_mlflow", -1, 1), "FINISHED", "succeeded", "", {"loss": 0.5}, id="30 by MLflow's client"),
        pytest.param(("reads", -1, 1), "FINISHED", "succeeded", "", {}, id="31 reading what another made"),
    ],
)  # fmt: skip
def test_each_attempt_has_its_record(
    records, key: tuple[str, int, int], status: str, ended: str, error: str, metrics: dict[str, float]
):
    """Mapped, retried, failed, killed: one run an attempt, and it says how it ended."""
    run = records[key]
    assert run.info.status == status
    assert run.data.tags[names.ENDED] == ended
    assert run.data.tags.get(names.ERROR, "").startswith(error)
    assert run.data.metrics == metrics


def test_odd_output_harms_nothing(records, zoo, api: httpx.Client):
    """NaN, invalid UTF-8, a line of 10 MB and 100,000 others: recorded as far as they go, and all in the log."""
    run = records["odd_output", -1, 1]
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.metrics["after"] == 1.0
    assert run.data.tags[names.NOTICE_PREFIX + "lines"].startswith("1 lines")
    assert zoo["odd_output", -1]["state"] == "success"


def test_the_record_names_the_version(records, platform):
    """Commit, clean tree, source and environment are on each attempt; equal functions have equal hashes."""
    head = subprocess.run(
        ["git", "-C", str(platform.dags), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    for run in records.values():
        assert (run.data.tags[names.COMMIT], run.data.tags[names.DIRTY]) == (head, "false")
    hashes = {key: run.data.tags[names.SOURCE_SHA256] for key, run in records.items()}
    assert hashes["double", 0, 1] == hashes["double", 1, 1] != hashes["numbers", -1, 1]
    assert len({run.data.tags[names.ENVIRONMENT_SHA256] for run in records.values()}) == 1


def test_parameters_are_recorded_and_secrets_are_not(records):
    """Arguments from upstream and defaults are parameters; what Airflow masks is masked."""
    assert records["double", 1, 1].data.params == {"number": "2"}
    assert records["by_mlflow", -1, 1].data.params == {"password": "***"}
    assert records["reads_part", -1, 1].data.params == {"one": "1", "more.0": "3", "more.1": "4", "limit": "6"}


def test_results_reach_the_next_step_whatever_their_size(zoo, api: httpx.Client):
    """Parts of a dict, arguments of a mapped step, defaults and the rest: as with Airflow's own @task."""
    run = zoo["reads_part", -1]["dag_run_id"]
    for task, index, expected in (("reads_part", -1, 10_014), ("takes", 0, 20_000), ("takes", 1, 1)):
        entry = f"/api/v2/dags/zoo/dagRuns/{run}/taskInstances/{task}/xcomEntries/return_value"
        assert api.get(entry, params={"map_index": index}).json()["value"] == expected


def test_lineage_goes_both_ways(records):
    """What a step read names the attempt that made it, by the same hash on both sides."""
    import json

    made = json.loads(records["frames", -1, 1].data.tags[names.OUTPUT_PREFIX + "return_value"])
    read = json.loads(records["reads", -1, 1].data.tags[names.INPUT_PREFIX + "data.train"])
    assert made == read
    assert read["attempt"] == records["frames", -1, 1].data.tags[names.ATTEMPT_ID]
    assert (Path(made["uri"]).name, made["summary"]) == (f"{made['sha256']}.parquet", "3 rows, 1 columns")


def test_nothing_stays_in_the_spool(records, platform):
    """Once sent, an attempt leaves no files behind."""
    waiting = [path.name for path in (platform.home / "spool").iterdir() if path.name.startswith(".rejected")]
    assert waiting == []
    sent = {run.data.tags["skyrail.local_id"] for run in records.values()}
    assert [path for path in (platform.home / "spool").iterdir() if path.name.partition("-")[2] in sent] == []


def test_a_broken_dag_file_is_named_and_holds_up_no_other(api: httpx.Client):
    """A syntax error is an import error with file and line in Airflow's UI; everything else runs."""
    deadline = time.monotonic() + 60
    while not (errors := api.get("/api/v2/importErrors").json()["import_errors"]):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    [error] = errors
    assert error["filename"].endswith("broken.py")
    assert "SyntaxError" in error["stack_trace"]
    assert "line 3" in error["stack_trace"]
