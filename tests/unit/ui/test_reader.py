"""What is read from a real MLflow server, and for whom."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.record import COMMIT, MODEL, Written
from tests.fakes.sinks import http_sink

from skyrail.errors import TrackingError
from skyrail.tracking import names
from skyrail.tracking.paging import Order, Page
from skyrail.tracking.reader import Query, TrackingReader
from skyrail.tracking.rows import ComparisonRow, ModelRef, PromotionRow

READABLE = {"flights_train", "flights_score"}


def ask(address: str, question: Callable[[TrackingReader], Awaitable[Any]]) -> Any:
    """Ask one question and close the connections."""

    async def whole() -> Any:
        reader = TrackingReader(address, seconds=30)
        try:
            return await question(reader)
        finally:
            await reader.close()

    return asyncio.run(whole())


def test_attempts_come_newest_first_in_pages(mlflow_server: str, written: Written):
    """Following the tokens leads through all of them, once."""

    async def all_pages(reader: TrackingReader) -> list[Any]:
        found, token = [], ""
        while True:
            page = await reader.attempts(READABLE, Query(page=Page.read(token)), size=5)
            found += page.rows
            token = page.after
            if not token:
                return found

    rows = ask(mlflow_server, all_pages)
    started = [row.started for row in rows]
    assert started == sorted(started, reverse=True)
    assert len({row.mlflow_run for row in rows}) == len(rows) == 17
    assert {row.ended for row in rows} == {"succeeded", "failed", "killed", "skipped", "running"}


@pytest.fixture(scope="module")
def tied(mlflow_server: str) -> int:
    """Write runs of which many started at one moment, or have one value of a metric, or none; return how many."""
    from mlflow import MlflowClient
    from mlflow.entities import Metric, RunTag

    client = MlflowClient(mlflow_server)
    experiment = client.create_experiment("ties")
    for number in range(40):
        run = client.create_run(experiment, start_time=1_700_000_000_000 + number // 16).info.run_id
        tags = {names.KIND: names.ATTEMPT, names.DAG_ID: "ties", names.ATTEMPT_ID: f"id-{number}"}
        auc = math.nan if number == 20 else math.inf if number == 21 else number % 3 / 2
        metrics = [] if number % 10 == 9 else [Metric("auc", auc, 1, 0)]
        client.log_batch(run, metrics=metrics, tags=[RunTag(name, value) for name, value in tags.items()])
    return 40


@pytest.mark.parametrize(
    ("order", "count"),
    [
        pytest.param(Order(), 40, id="00 newest first"),
        pytest.param(Order(descending=False), 40, id="10 oldest first"),
        pytest.param(Order("auc"), 35, id="20 largest first, without those that have no number"),
        pytest.param(Order("auc", descending=False), 35, id="30 smallest first"),
    ],
)
def test_pages_lead_through_all_runs_both_ways(mlflow_server: str, tied: int, order: Order, count: int):
    """However many share a start or a value, each run is on one page, and the way back shows the same pages."""

    async def walk(reader: TrackingReader) -> tuple[list[list[str]], list[list[str]]]:
        async def pages(token: str, way: str) -> list[list[str]]:
            found = []
            while True:
                query = Query("ties", order=order, page=Page.read(token))
                page = await reader.attempts({"ties"}, query, size=6)
                found.append([row.attempt_id for row in page.rows])
                token = getattr(page, way)
                if not token:
                    return found

        return await pages("", "after"), await pages("last", "before")

    forth, back = ask(mlflow_server, walk)
    whole = [run for page in forth for run in page]
    assert len(whole) == len(set(whole)) == count
    assert [run for page in reversed(back) for run in page] == whole
    assert all(len(page) == 6 for page in forth[:-1])


def test_a_page_shows_the_same_runs_when_new_ones_have_arrived(mlflow_server: str, tied: int):
    """Its address names a run, not a number."""
    from mlflow import MlflowClient

    async def pages(reader: TrackingReader) -> tuple[list[str], list[str]]:
        first = await reader.attempts({"arriving"}, Query("arriving"), size=2)
        second = Query("arriving", page=Page.read(first.after))
        before = await reader.attempts({"arriving"}, second, size=2)
        start(9)
        after = await reader.attempts({"arriving"}, second, size=2)
        return [row.attempt_id for row in before.rows], [row.attempt_id for row in after.rows]

    client = MlflowClient(mlflow_server)
    experiment = client.create_experiment("arriving")

    def start(number: int) -> None:
        tags = {names.KIND: names.ATTEMPT, names.DAG_ID: "arriving", names.ATTEMPT_ID: f"{number}"}
        client.create_run(experiment, start_time=1_700_000_000_000 + number, tags=tags)

    for number in range(4):
        start(number)
    assert ask(mlflow_server, pages) == (["1", "0"], ["1", "0"])


def test_an_attempt_has_everything_that_was_recorded(mlflow_server: str, written: Written):
    """The version, the numbers, the Airflow attempt, and the model that it made."""
    page = ask(mlflow_server, lambda reader: reader.attempts(READABLE, Query("flights_train")))
    [row] = [row for row in page.rows if row.mlflow_run == written.trained[3]]
    assert (row.dag_id, row.task_id, row.map_index, row.try_number) == ("flights_train", "train", -1, 1)
    assert (row.commit, row.dirty, row.seconds) == (COMMIT, True, 12.82)
    assert row.params["learning_rate"] == "0.1"
    assert row.metrics["train_rows"] == 26398.0
    assert row.airflow_path.startswith("dags/flights_train/runs/scheduled__2013-04-01")
    assert row.models == (ModelRef(MODEL, "4"),)


@pytest.mark.parametrize("models", [True, False])
def test_who_wants_no_models_does_not_wait_for_them(
    mlflow_server: str, written: Written, caplog: pytest.LogCaptureFixture, models: bool
):
    """The attempts are the same, and MLflow's registry is asked only for the versions that they made."""
    caplog.set_level(logging.INFO, "httpx")  # a line for each request
    page = ask(mlflow_server, lambda reader: reader.attempts(READABLE, Query("flights_train", models=models)))
    assert written.trained[3] in [row.mlflow_run for row in page.rows]
    assert any(row.models for row in page.rows) is models
    assert ("model-versions/search" in caplog.text) is models
    assert "runs/search" in caplog.text


@pytest.mark.parametrize(
    ("readable", "dag_id", "dags"),
    [
        pytest.param(set(), "", set(), id="00 nothing readable"),
        pytest.param({"flights_train"}, "", {"flights_train"}, id="10 one DAG"),
        pytest.param(READABLE, "flights_score", {"flights_score"}, id="20 filtered"),
        pytest.param({"flights_train"}, "secret_dag", set(), id="30 asking for another by name"),
        pytest.param(READABLE | {"no_record"}, "no_record", set(), id="40 a DAG without a record"),
    ],
)
def test_only_readable_dags_are_shown(
    mlflow_server: str, written: Written, readable: set[str], dag_id: str, dags: set[str]
):
    """What a user may not read is neither listed nor offered as a filter."""
    page = ask(mlflow_server, lambda reader: reader.attempts(readable, Query(dag_id)))
    assert {row.dag_id for row in page.rows} == dags
    assert set(page.dag_ids) <= readable


def test_a_model_has_its_versions_and_its_whole_history(mlflow_server: str, written: Written):
    """Newest first: what was compared, what came of it, and which version is the champion."""
    history = ask(mlflow_server, lambda reader: reader.model(MODEL, READABLE))
    assert (history.model.champion, history.model.latest) == ("2", "4")
    assert [version.version for version in history.versions] == ["4", "3", "2", "1"]
    assert history.versions[2].aliases == ("champion",)
    told = [
        f"{event.to_version} after {event.from_version or 'nobody'}"
        if isinstance(event, PromotionRow)
        else event.verdict
        for event in history.events
    ]
    assert told == ["FAIL", "INCONCLUSIVE", "2 after 1", "PASS", "1 after nobody", "PASS"]
    newest = history.events[0]
    assert isinstance(newest, ComparisonRow)
    assert (newest.candidate, newest.champion, newest.metric, newest.numbers["high"]) == ("4", "2", "log loss", -0.0098)


def test_decisions_of_unreadable_dags_are_left_out(mlflow_server: str, written: Written):
    """The versions are there, the DAG's decisions are not."""
    history = ask(mlflow_server, lambda reader: reader.model(MODEL, {"flights_score"}))
    assert history.events == ()


@pytest.mark.parametrize("name", ["nothing", "it's", "both ' and \"", "x/y", "ü", "%"])
def test_a_model_that_does_not_exist_is_nothing(mlflow_server: str, name: str):
    """Whatever its name, it is no error."""
    assert ask(mlflow_server, lambda reader: reader.model(name, READABLE)) is None


def test_a_server_that_is_away_is_named():
    """The error says which server, and that nothing is lost."""
    with pytest.raises(TrackingError, match=r"http://127.0.0.1:1 does not answer") as caught:
        ask("http://127.0.0.1:1", lambda reader: reader.models())
    assert "is kept and appears here" in caught.value.fix


@pytest.mark.parametrize("status", [200, 404, 500])
def test_what_is_no_mlflow_is_an_error_or_empty(status: int):
    """Another program on the port never breaks a page."""
    with http_sink(status) as other:
        address = f"http://127.0.0.1:{other.port}"
        if status == 200:
            assert ask(address, lambda reader: reader.models()) == ()
        else:
            with pytest.raises(TrackingError, match="refused"):
                ask(address, lambda reader: reader.models())
