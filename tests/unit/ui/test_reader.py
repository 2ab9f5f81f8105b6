"""What is read from a real MLflow server, and for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.record import COMMIT, MODEL, Written
from tests.fakes.sinks import http_sink

from skyrail.errors import TrackingError
from skyrail.tracking.reader import TrackingReader
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
            page = await reader.attempts(READABLE, page=token, size=5)
            found += page.rows
            token = page.older
            if not token:
                return found

    rows = ask(mlflow_server, all_pages)
    started = [row.started for row in rows]
    assert started == sorted(started, reverse=True)
    assert len({row.mlflow_run for row in rows}) == len(rows) == 17
    assert {row.ended for row in rows} == {"succeeded", "failed", "killed", "skipped", "running"}


def test_an_attempt_has_everything_that_was_recorded(mlflow_server: str, written: Written):
    """The version, the numbers, the Airflow attempt, and the model that it made."""
    page = ask(mlflow_server, lambda reader: reader.attempts(READABLE, dag_id="flights_train"))
    [row] = [row for row in page.rows if row.mlflow_run == written.trained[3]]
    assert (row.dag_id, row.task_id, row.map_index, row.try_number) == ("flights_train", "train", -1, 1)
    assert (row.commit, row.dirty, row.seconds) == (COMMIT, True, 12.82)
    assert row.params["learning_rate"] == "0.1"
    assert row.metrics["train_rows"] == 26398.0
    assert row.airflow_path.startswith("dags/flights_train/runs/scheduled__2013-04-01")
    assert row.models == (ModelRef(MODEL, "4"),)


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
    page = ask(mlflow_server, lambda reader: reader.attempts(readable, dag_id=dag_id))
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
