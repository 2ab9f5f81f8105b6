"""The flights pipeline on the running platform: verdicts, a champion, scoring, and a refusal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from skyrail.tracking import names

MODEL = "flight_delay"


def wait(what: str, ask: Callable[[], Any], seconds: float = 240) -> Any:
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, what
        time.sleep(0.5)
    return answer


def history(client: Any, kind: str) -> list[Any]:
    """Return the model's history of one kind, oldest first."""
    experiment = client.get_experiment_by_name(names.model_experiment(MODEL))
    if experiment is None:
        return []
    return client.search_runs(
        [experiment.experiment_id],
        f"tags.`{names.KIND}` = '{kind}' and attributes.status = 'FINISHED'",
        order_by=["attributes.start_time"],
    )


@pytest.fixture(scope="module")
def verdicts(platform, mlflow_client) -> list[Any]:
    """The comparisons of the first two months, which `skyrail up` starts by itself."""
    wait("two verdicts", lambda: len(history(mlflow_client, names.COMPARISON)) >= 2)
    return history(mlflow_client, names.COMPARISON)


def test_the_months_are_judged_in_order(verdicts):
    """January is judged on February, February on March, and the record says what the data says."""
    first, second = verdicts[:2]
    assert [run.data.tags[names.EVALUATED_ON] for run in (first, second)] == ["2013-02", "2013-03"]
    assert [run.data.tags[names.VERDICT] for run in (first, second)] == ["INCONCLUSIVE", "PASS"]
    for run in (first, second):
        metrics = run.data.metrics
        assert metrics["low"] <= metrics["difference"] <= metrics["high"]
        assert metrics["difference"] == pytest.approx(metrics["champion_loss"] - metrics["candidate_loss"])
        assert metrics["units"] in (28, 31)
        assert run.data.tags[names.BY].startswith("flights_training/")


def test_the_one_that_passed_is_champion(verdicts, mlflow_client):
    """The promotion is on record with the comparison that allowed it, and the alias is where it says."""
    [promotion, *_] = wait("a promotion", lambda: history(mlflow_client, names.PROMOTION))
    tags = promotion.data.tags
    assert (tags[names.CANDIDATE_VERSION], tags[names.CHAMPION_VERSION]) == ("2", "")
    assert tags[names.COMPARISON_RUN] == verdicts[1].info.run_id
    version = mlflow_client.get_model_version(MODEL, "2")
    assert version.tags[names.ATTEMPT_ID]
    assert len(version.tags[names.MODEL_SHA256]) == 64


def test_the_one_that_did_not_is_an_alert(verdicts, platform):
    """A month that is not promoted reaches someone, with the reason."""
    lines = wait("a message", lambda: platform.home.joinpath("notifications.jsonl").read_text().splitlines())
    message = json.loads(lines[0])
    assert message["title"] == f"{MODEL} version 1 is not promoted: INCONCLUSIVE"
    assert message["message"] == "Not shown to be better than the baseline: the interval includes zero."


def test_a_new_champion_scores_a_day(verdicts, mlflow_client):
    """The scoring DAG runs because of the champion, and each row says which version predicted it."""

    def scored() -> Any:
        experiment = mlflow_client.get_experiment_by_name("flights_scoring")
        return experiment and mlflow_client.search_runs(
            [experiment.experiment_id],
            f"tags.`{names.TASK_ID}` = 'score' and tags.`{names.ENDED}` = 'succeeded'",
            order_by=["attributes.start_time"],
        )

    [run, *_] = wait("scored flights", scored)
    output = json.loads(run.data.tags[names.OUTPUT_PREFIX + "return_value"])
    frame = pd.read_parquet(output["uri"])
    assert set(frame.model_version) == {2}
    assert set(frame.day) == {"2013-04-01"}
    assert frame.late_probability.between(0, 1).all()
    assert len(frame) == run.data.metrics["flights"] > 900


def test_a_candidate_made_worse_on_purpose_is_refused(verdicts, finished, mlflow_client):
    """Trained on shuffled labels, a candidate is worse than the champion, and is not promoted."""

    def spoiled(month: str) -> Any:
        tasks = finished("flights_training", {"month": month, "spoil": True})
        assert tasks["alert", -1]["state"] == "success"
        assert tasks["promote", -1]["state"] == "skipped"
        by = f"flights_training/{tasks['compare', -1]['dag_run_id']}/"
        [run] = [run for run in history(mlflow_client, names.COMPARISON) if run.data.tags[names.BY].startswith(by)]
        return run

    def champion() -> str:
        return str(mlflow_client.get_model_version_by_alias(MODEL, names.CHAMPION_ALIAS).version)

    wait("a promotion", lambda: history(mlflow_client, names.PROMOTION))
    # Months are promoted meanwhile, and no spoiled month is worse beyond doubt than each champion of the year. January
    # is worse than the first one, February's; April is worse than the one that follows, May's.
    run = spoiled("2013-01") if champion() == "2" else None
    if run is None or run.data.tags[names.CHAMPION_VERSION] != "2":
        run = spoiled("2013-04")
    assert run.data.tags[names.VERDICT] == "FAIL"
    assert run.data.metrics["high"] < -run.data.metrics["margin"]
