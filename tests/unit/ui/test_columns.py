"""Which columns a table has, what is in a cell, and the address that says so."""

from __future__ import annotations

from typing import Any

import pytest

from skyrail.tracking import names, rows
from skyrail.tracking.filters import FilterError, Name
from skyrail.tracking.paging import Order
from skyrail.ui import columns
from skyrail.ui.addresses import View, view
from skyrail.ui.columns import Cell


def row(metrics: dict[str, Any] | None = None, params: dict[str, str] | None = None, **tags: str) -> rows.AttemptRow:
    """Return an attempt with these."""

    def pairs(items: dict[str, Any]) -> list[dict[str, Any]]:
        return [{"key": key, "value": value} for key, value in items.items()]

    data = {"metrics": pairs(metrics or {}), "params": pairs(params or {}), "tags": pairs(tags)}
    return rows.attempt({"info": {"run_id": "a", "experiment_id": "1", "start_time": 0}, "data": data})


@pytest.mark.parametrize(
    ("metrics", "expected"),
    [
        pytest.param([], None, id="00 no runs"),
        pytest.param([{}, {}], None, id="10 no metrics"),
        pytest.param([{"auc": 1}, {"auc": 2, "loss": 1}, {"auc": 3}], ["auc"], id="20 what half of them have"),
        pytest.param([{"a": 1}, {"b": 1}, {"c": 1}], None, id="30 nothing in common"),
        pytest.param(
            [{"f": 1, "e": 1, "d": 1, "c": 1, "b": 1, "a": 1}], ["a", "b", "c", "d", "e"], id="40 five at most"
        ),
    ],
)
def test_the_columns_of_a_dag_are_what_its_runs_have_in_common(metrics: list[dict], expected: list[str] | None):
    """Nothing in common: no columns with holes, but what each run has."""
    found = columns.default([row(each) for each in metrics])
    assert (found and [column.key for column in found]) == expected


def test_a_person_chooses_from_what_is_there_and_what_was_chosen():
    """A column that no run has stays in the list, or it could not be taken away."""
    found = columns.offered(
        [row({"auc": 1}, {"seed": "7"}, **{names.PYTHON: "3.11", names.TASK_ID: "train"})], [Name("metric", "gone")]
    )
    assert {title: [each.word for each in group] for title, group in found.items()} == {
        "Metrics": ["m.auc", "m.gone"],
        "Parameters": ["p.seed"],
        "Version and place": ["python"],
    }


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("m.auc", Cell("0.7213", "0.721345"), id="00 metric"),
        pytest.param("p.seed", Cell("7", "7"), id="10 parameter"),
        pytest.param("environment", Cell("e" * 12, "e" * 64), id="20 hash"),
        pytest.param("t.skyrail.value.best", Cell("lbfgs", '"lbfgs"'), id="30 value"),
        pytest.param("m.seed", None, id="40 nothing"),
        pytest.param("started", Cell("1970-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00"), id="50 start"),
    ],
)
def test_a_cell_shows_what_matters_and_keeps_the_whole(word: str, expected: Cell | None):
    """The whole is what a pointer over it shows."""
    tags = {names.VERSION_ENVIRONMENT: "e" * 64, names.VALUE_PREFIX + "best": '"lbfgs"'}
    [column] = columns.read([word])
    assert columns.cell(row({"auc": 0.721345}, {"seed": "7"}, **tags), column) == expected


def test_columns_are_read_from_lists_and_boxes():
    """Commas and repeated words are the same; doubles count once, and there is an end to it."""
    assert [column.word for column in columns.read(["m.a, p.b", "a", ""])] == ["m.a", "p.b"]
    assert len(columns.read(f"m{number}" for number in range(99))) == columns.MOST
    with pytest.raises(FilterError, match="Nothing can be called"):
        columns.read(["<b>"])


@pytest.mark.parametrize(
    ("changes", "address"),
    [
        pytest.param({}, "runs?dag_id=d&filter=a+%3E+1&sort=-m.a&columns=m.a%2Cp.b", id="00 the first page again"),
        pytest.param({"filter": "", "sort": ""}, "runs?dag_id=d&columns=m.a%2Cp.b", id="10 without"),
        pytest.param({"columns": None, "dag_id": "", "filter": "", "sort": ""}, "runs", id="20 nothing chosen"),
        pytest.param({"columns": (), "dag_id": "", "filter": "", "sort": ""}, "runs?columns=", id="30 no columns"),
        pytest.param(
            {"page": "last", "columns": None}, "runs?dag_id=d&filter=a+%3E+1&sort=-m.a&page=last", id="40 a page"
        ),
    ],
)
def test_an_address_says_all_that_was_chosen(changes: dict[str, Any], address: str):
    """Whatever is changed begins at the first page."""
    said = view("d", "", " a > 1 ", ["m.a", "p.b, m.a"], "-m.a", "last")
    assert said == View("d", "", "a > 1", ("m.a", "p.b"), "-m.a", "last")
    assert said.address(**changes) == address


def test_a_second_click_on_a_head_turns_the_order():
    """The largest first, then the smallest."""
    column = Name("metric", "auc")
    assert View().sorted_by(column, Order()) == "runs?sort=-m.auc"
    assert View().sorted_by(column, Order("auc")) == "runs?sort=m.auc"
