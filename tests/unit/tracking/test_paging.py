"""Addresses of pages and orders: read as they are written, and refused when somebody changed them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking import rows
from skyrail.tracking.filters import FilterError
from skyrail.tracking.paging import Order, Page, address
from skyrail.tracking.rows import AttemptRow


def row(run: str, started: int, **metrics: float) -> AttemptRow:
    """Return an attempt that started so many milliseconds after 1970."""
    info = {"run_id": run, "experiment_id": "1", "start_time": started}
    data = {"metrics": [{"key": key, "value": value} for key, value in metrics.items()]}
    return rows.attempt({"info": info, "data": data})


@pytest.mark.parametrize(
    ("word", "order", "written"),
    [
        pytest.param("", Order(), "", id="00 the newest first"),
        pytest.param("-started", Order(), "", id="10 said in words"),
        pytest.param("started", Order(descending=False), "started", id="20 the oldest first"),
        pytest.param("-m.auc", Order("auc"), "-m.auc", id="30 the largest first"),
        pytest.param("val.loss", Order("val.loss", descending=False), "m.val.loss", id="40 the smallest first"),
    ],
)
def test_an_order_is_written_as_it_is_read(word: str, order: Order, written: str):
    """One way to write each."""
    assert Order.read(word) == order
    assert order.word == written


@pytest.mark.parametrize("word", ["p.seed", "task", "-t.team"])
def test_what_mlflow_keeps_as_text_is_not_sorted(word: str):
    """There 10 comes before 9."""
    with pytest.raises(FilterError, match="10 comes before 9"):
        Order.read(word)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("after", id="00 nothing after it"),
        pytest.param("after:x:abc", id="10 no time"),
        pytest.param("beside:1:abc", id="20 no side"),
        pytest.param("after:1:a' OR '1", id="30 no run"),
        pytest.param("after:1:abc:high", id="40 no number"),
        pytest.param("after:1:abc:inf", id="50 an infinite one"),
        pytest.param("eyJvZmZzZXQiOiA1MH0=", id="60 another program's"),
    ],
)
def test_a_page_that_was_changed_is_refused(text: str):
    """With what to do next."""
    with pytest.raises(FilterError) as caught:
        Page.read(text)
    assert "first page" in caught.value.fix


ROWS = st.lists(
    st.tuples(st.uuids(), st.integers(0, 5), st.integers(0, 3) | st.floats(allow_nan=False, allow_infinity=False)),
    min_size=1,
    max_size=30,
    unique_by=lambda one: one[0],
)


@given(ROWS, st.sampled_from([Order(), Order(descending=False), Order("m"), Order("m", descending=False)]), st.data())
def test_a_page_ends_where_the_next_begins(drawn: list, order: Order, data: st.DataObject):
    """However many runs share a value or a start: what is before a run and what is after it are all others."""
    every = sorted((row(uuid.hex, at, m=value) for uuid, at, value in drawn), key=order.place)
    index = data.draw(st.integers(0, len(every) - 1))
    after, before = (Page.read(address(side, every[index], order)) for side in ("after", "before"))
    assert after.beyond(every, order) == every[index + 1 :]
    assert before.beyond(every, order) == every[:index]


def test_mlflow_is_asked_from_the_place_of_the_page_on():
    """The order has no ties, and backwards is its exact reverse."""
    page = Page.read(address("after", row("ab12", 1700, auc=0.9), Order("auc")))
    assert page.clauses(Order("auc")) == ["metrics.`auc` <= 0.9"]
    assert Order("auc").clauses(backwards=False) == [
        "metrics.`auc` DESC", "attributes.start_time DESC", "attributes.run_id ASC",
    ]  # fmt: skip
    assert Order("auc").clauses(backwards=True) == [
        "metrics.`auc` ASC", "attributes.start_time ASC", "attributes.run_id DESC",
    ]  # fmt: skip
    assert Page.read("before:1700:ab12").clauses(Order()) == ["attributes.start_time >= 1700"]
    assert Page.read("").clauses(Order()) == []
    assert row("ab12", 1700).started == datetime.fromtimestamp(1.7, tz=UTC)
