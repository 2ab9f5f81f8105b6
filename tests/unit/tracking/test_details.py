"""An attempt in full, read from whatever its record holds."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking import names
from skyrail.tracking.details import Made, detail, made, value


def run(**tags: str) -> dict[str, Any]:
    """Return MLflow's JSON of a run with these tags."""
    data = {"tags": [{"key": key, "value": text} for key, text in tags.items()]}
    return {"info": {"run_id": "a1", "experiment_id": "1", "start_time": 0}, "data": data}


@pytest.mark.parametrize(
    ("made_by", "expected"),
    [
        pytest.param("d/r/t/-1/2", Made("id", "d", "r", "t", -1, 2), id="00 a task"),
        pytest.param("d/a/b/c/t/3/1", Made("id", "d", "a/b/c", "t", 3, 1), id="10 a run with slashes"),
        pytest.param("d/r/t/x/y", Made("id", "d", "r", "t", -1, 1), id="20 no numbers"),
        pytest.param("somebody", Made("id"), id="30 something else"),
        pytest.param("", Made("id"), id="40 nothing"),
    ],
)
def test_who_made_it_is_read_from_its_reference(made_by: str, expected: Made):
    """`dag/run/task/map index/try`."""
    assert made(made_by, "id") == expected


@pytest.mark.parametrize(
    ("text", "table"),
    [
        pytest.param("[[1, 2], [3, 4]]", ((1, 2), (3, 4)), id="00 a table"),
        pytest.param('[["", "no"], ["no"]]', (("", "no"), ("no", "")), id="10 rows of different lengths"),
        pytest.param("[1, 2]", (), id="20 a list"),
        pytest.param("[[]]", (), id="30 empty rows"),
        pytest.param("[[1, {}]]", (), id="40 something inside"),
        pytest.param(str([[1] * 31]), (), id="50 too wide"),
        pytest.param("[[1", (), id="60 cut off"),
    ],
)
def test_a_small_list_of_lists_is_a_table(text: str, table: tuple):
    """Anything else stays as it was written."""
    assert value("confusion", text).table == table


TAGS = ("reads", "needs", "input.rows", "output.x", "value.v", "peak_memory_bytes", "seconds", "map_index")
ODD = ["[1]", "{}", '{"bytes": "x"}', '{"bytes": 1e400, "uri": 3}', '{"bytes": -1}', "null", "NaN", "inf"]


@given(st.dictionaries(st.sampled_from(TAGS), st.text(max_size=30) | st.sampled_from(ODD)))
def test_no_record_breaks_the_page(tags: dict[str, str]):
    """Any tag may hold anything: somebody else may have written it."""
    found = detail(run(**{f"skyrail.{name}": text for name, text in tags.items()}))
    assert found.row.seconds is None or math.isfinite(found.row.seconds)
    assert all(isinstance(each.sha256, str) and (each.bytes is None or each.bytes >= 0) for each in found.inputs)


def test_ids_of_what_was_read_come_once():
    """In the order they were read in."""
    assert detail(run(**{names.READS: "b,a,,b"})).reads == ("b", "a")
