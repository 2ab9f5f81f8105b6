"""How values look: decision tables."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest

from skyrail.ui.inbox import Message, read_inbox
from skyrail.ui.interval import WIDTH, drawing
from skyrail.ui.links import Decider, decided_by, mlflow_run
from skyrail.ui.show import MARKS, MINUS, duration, mark, number, plain, short, size, tone, when


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(0.0, "0", id="00 zero"),
        pytest.param(26398.0, "26,398", id="10 a count"),
        pytest.param(0.431234, "0.4312", id="20 a loss"),
        pytest.param(-0.012, f"{MINUS}0.012", id="30 negative"),
        pytest.param(1.23456e-12, "1.235e-12", id="40 tiny"),
        pytest.param(12345.678, "12,345.7", id="50 large"),
        pytest.param(1.5e15, "1.5e+15", id="60 huge"),
        pytest.param(math.nan, "not a number", id="70 NaN"),
        pytest.param(math.inf, "∞", id="80 infinite"),
        pytest.param(-1.7976931348623157e308, f"{MINUS}∞", id="90 infinite, as MLflow keeps it"),
    ],
)
def test_a_number_reads_well(value: float, text: str):
    """As many digits as matter."""
    assert number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(0.004, "4 ms", id="00 nothing much"),
        pytest.param(2.46, "2.5 s", id="10 seconds"),
        pytest.param(61.0, "1 min 1 s", id="20 minutes"),
        pytest.param(119.7, "2 min 0 s", id="30 rounded up"),
        pytest.param(7261.0, "2 h 1 min", id="40 hours"),
    ],
)
def test_a_duration_has_the_units_that_matter(seconds: float, text: str):
    """Never more than two units."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        pytest.param(None, "\N{EN DASH}", id="00 unknown"),
        pytest.param(0, "0 B", id="10 nothing"),
        pytest.param(1023, "1023 B", id="20 bytes"),
        pytest.param(1024, "1.0 KiB", id="30 the next unit"),
        pytest.param(48_234_567, "46.0 MiB", id="40 a frame"),
        pytest.param(5 * 2**50, "5120.0 TiB", id="50 beyond the last unit"),
    ],
)
def test_a_size_has_the_unit_that_fits(count: int | None, text: str):
    """1024 to the next."""
    assert size(count) == text


def test_no_state_is_told_by_colour_alone():
    """Each state has a mark, and its word is always printed beside it."""
    assert all(len(sign) == 1 and colours for sign, colours in MARKS.values())
    assert (mark("from a later version"), tone("from a later version")) == ("•", "plain")


def test_small_texts():
    """Times are in UTC until the browser knows better; JSON text loses its quotes; long text its end."""
    assert when(datetime(2013, 2, 1, 12, tzinfo=UTC)) == "2013-02-01 12:00:00 UTC"
    assert [plain('"LGA"'), plain("[1, 2]"), plain("{broken")] == ["LGA", "[1, 2]", "{broken"]
    assert [short("x" * 5, 5), short("x" * 6, 5)] == ["xxxxx", "xxxx…"]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        pytest.param("ada", Decider("ada"), id="00 a person"),
        pytest.param("", Decider(""), id="10 unknown"),
        pytest.param("team/ada", Decider("team/ada"), id="20 a person with a slash"),
        pytest.param("d/r/t", Decider("d · t", "r", "dags/d/runs/r/tasks/t"), id="30 a task"),
        pytest.param("d/r/1+x/t", Decider("d · t", "r/1+x", "dags/d/runs/r%2F1%2Bx/tasks/t"), id="40 odd run names"),
    ],
)
def test_who_decided_is_a_task_or_a_person(by: str, expected: Decider):
    """A task is linked to its page in Airflow."""
    assert decided_by(by) == expected


def test_a_link_cannot_leave_its_place():
    """Whatever an id contains stays inside its part of the address."""
    assert mlflow_run("http://m", "1", "../../x?y#z") == "http://m/#/experiments/1/runs/..%2F..%2Fx%3Fy%23z"


def test_an_interval_is_drawn_to_scale():
    """Zero, the three numbers and the bound (the margin below zero) are in place, and the words say the same."""
    place = drawing({"low": -1.0, "difference": 0.5, "high": 1.0, "margin": 0.25})
    assert place is not None
    assert (place.low, place.zero, place.margin, place.point, place.high) == (14.0, 120.0, 93.5, 173.0, 226.0)
    assert (place.difference, place.ends) == ("+0.50", (f"{MINUS}1.00", "+1.00"))
    assert place.words == f"Difference +0.50, interval from {MINUS}1.00 to +1.00, lower bound for a pass {MINUS}0.25"


@pytest.mark.parametrize(
    ("numbers", "drawn"),
    [
        pytest.param({}, False, id="00 nothing measured"),
        pytest.param({"low": 0.1, "high": 0.2}, False, id="10 no difference"),
        pytest.param({"low": math.nan, "difference": 0.1, "high": 0.2}, False, id="20 not a number"),
        pytest.param({"low": -math.inf, "difference": 0.1, "high": 0.2}, False, id="30 infinite"),
        pytest.param({"low": 0.0, "difference": 0.0, "high": 0.0}, True, id="40 no difference on any row"),
        pytest.param({"low": 5.0, "difference": 6.0, "high": 7.0}, True, id="50 far from zero"),
        pytest.param({"low": -1e-9, "difference": 2e-9, "high": 3e-9, "margin": math.nan}, True, id="60 tiny"),
    ],
)
def test_only_what_can_be_drawn_is_drawn(numbers: dict[str, float], drawn: bool):
    """Nothing ever falls outside the picture."""
    place = drawing(numbers)
    assert (place is not None) is drawn
    if place:
        assert all(0 <= at <= WIDTH for at in (place.zero, place.low, place.point, place.high))


def test_the_inbox_is_read_from_its_end(tmp_path: Path):
    """Newest first, and a damaged line costs only itself."""
    file = tmp_path / "inbox.jsonl"
    good = {"at": "2026-01-01T00:00:00+00:00", "severity": "info", "title": "first", "message": "m", "link": "/x"}
    bad = {"at": 5, "severity": None, "title": "second", "link": "javascript:alert(1)"}
    file.write_bytes(
        b"\n".join([b"{cut off", json.dumps(good).encode(), b"\xff\xfe", b"[]", json.dumps(bad).encode(), b'{"a'])
    )
    assert read_inbox(str(file)) == (
        Message(None, "", "second", "", ""),
        Message(datetime(2026, 1, 1, tzinfo=UTC), "info", "first", "m", "/x"),
    )
    assert [message.title for message in read_inbox(str(file), limit=1)] == ["second"]
    assert read_inbox(str(tmp_path / "none")) == read_inbox("") == ()


def test_a_large_inbox_costs_no_more_than_its_end(tmp_path: Path):
    """A year of messages is not read for each page."""
    file = tmp_path / "inbox.jsonl"
    file.write_text("".join(json.dumps({"title": f"{i}", "message": "x" * 1000}) + "\n" for i in range(2000)))
    assert [message.title for message in read_inbox(str(file), limit=2)] == ["1999", "1998"]
    assert len(read_inbox(str(file), limit=10_000)) < 200
