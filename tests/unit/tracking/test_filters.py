"""What people write to find runs: what it becomes, what is refused, and that nothing gets out of its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking import filters
from skyrail.tracking.filters import FilterError, Name, clauses, name


def parsed(text: str) -> list[dict[str, object]]:
    """Return the comparisons that MLflow itself reads in our clauses."""
    from mlflow.utils.search_utils import SearchUtils

    return SearchUtils.parse_search_filter(" AND ".join(["tags.`skyrail.kind` = 'attempt'", *clauses(text)]))[1:]


DAY = 1769817600000  # 2026-01-31, UTC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="00 nothing"),
        pytest.param(" , ,", [], id="10 nothing between commas"),
        pytest.param("train", ["attributes.run_name ILIKE '%train%'"], id="20 text"),
        pytest.param("auc > 0.9", ["metrics.`auc` > 0.9"], id="30 a metric"),
        pytest.param(
            "auc>.9,loss<=1e-5", ["metrics.`auc` > 0.9", "metrics.`loss` <= 0.00001"], id="40 two, without spaces"
        ),
        pytest.param("auc > 0.9 and fit", ["metrics.`auc` > 0.9", "attributes.run_name ILIKE '%fit%'"], id="50 and"),
        pytest.param("android", ["attributes.run_name ILIKE '%android%'"], id="60 a word with and in it"),
        pytest.param("rows > 1,204,211", ["metrics.`rows` > 1204211.0"], id="70 thousands"),
        pytest.param("m.a b/c:d = -3", ["metrics.`a b/c:d` = -3.0"], id="80 an odd name"),
        pytest.param("m.task > 3", ["metrics.`task` > 3.0"], id="90 a metric called like a field"),
        pytest.param("p.seed == 7", ["params.`seed` = '7'"], id="100 a parameter"),
        pytest.param('p.path ~ "a, b"', ["params.`path` ILIKE '%a, b%'"], id="110 a part, quoted"),
        pytest.param("ended != failed", ["tags.`skyrail.ended` != 'failed'"], id="120 a field"),
        pytest.param("t.team = a", ["tags.`team` = 'a'"], id="130 a tag"),
        pytest.param("run = it's 5% \\", ["tags.`skyrail.run_id` LIKE 'it_s 5_ _'"], id="140 what cannot be quoted"),
        pytest.param('"a > b"', ["attributes.run_name ILIKE '%a > b%'"], id="150 text with an operator"),
        pytest.param("started > 2026-01-31", [f"attributes.start_time >= {DAY + 86400000}"], id="160 after a day"),
        pytest.param(
            "started = 2026-01-31",
            [f"attributes.start_time >= {DAY}", f"attributes.start_time < {DAY + 86400000}"],
            id="170 on a day",
        ),
        pytest.param(
            "started < 2026-01-31T01:00", [f"attributes.start_time < {DAY + 3600000}"], id="180 before an hour"
        ),
    ],
)
def test_a_filter_is_understood(text: str, expected: list[str]):
    """Each term becomes a clause, and MLflow reads as many comparisons."""
    assert clauses(text) == expected
    assert len(parsed(text)) == len(expected)


@pytest.mark.parametrize(
    ("text", "message", "fix"),
    [
        pytest.param("auc >> 3", "auc >> 3 is not a condition.", "Write, for example: auc > 0.9", id="00 no operator"),
        pytest.param("> 3", "> 3 is not a condition.", "auc > 0.9", id="10 no name"),
        pytest.param("loss <", "loss < is not a condition.", "loss > 0.9", id="20 no value"),
        pytest.param("auc > high", "'high' is not a number", "p.auc = high", id="30 no number"),
        pytest.param("auc > nan", "'nan' is not a number", "m.auc > 0.9", id="40 NaN"),
        pytest.param("auc > inf", "'inf' is not a number", "m.auc > 0.9", id="50 infinity"),
        pytest.param("p.seed > 3", "cannot be asked", "as text: write p.seed = value", id="60 a parameter as a number"),
        pytest.param("class < b", "cannot be asked", "write class = value", id="70 a tag as a number"),
        pytest.param("auc ~ 3", "cannot be asked", "Write m.auc > 0.9", id="80 a part of a number"),
        pytest.param("a`b > 3", "Nothing can be called 'a`b'", "Names have letters", id="90 no name of MLflow's"),
        pytest.param("p.a != it's", "no quotes or backslashes", "p.a ~ it_s", id="100 not a quoted value"),
        pytest.param("started > soon", "'soon' is not a date", "started > 2026-01-31", id="110 no date"),
        pytest.param("started ~ 2026", "cannot be asked", "started > 2026-01-31", id="120 a part of a date"),
        pytest.param("x" * 501, "longer than 500 characters", "shorten", id="130 too long"),
    ],
)
def test_what_is_no_filter_is_refused_with_an_example(text: str, message: str, fix: str):
    """The sentence names the part that is wrong, and says what to write."""
    with pytest.raises(FilterError) as caught:
        clauses(text)
    assert message in caught.value.message
    assert fix in caught.value.fix


TEXT = st.text(max_size=80) | st.text(alphabet="ab'\"\\`%_ =<>~!,;-()*/$", max_size=40)


@given(TEXT)
def test_no_text_becomes_another_clause(text: str):
    """MLflow reads exactly the clauses that we meant, in the kinds that we allow."""
    try:
        meant = clauses(text)
    except FilterError:
        return
    read = parsed(text)
    assert len(read) == len(meant)
    assert {one["type"] for one in read} <= {"metric", "parameter", "tag", "attribute"}
    assert {one["key"] for one in read if one["type"] == "attribute"} <= {"run_name", "start_time"}


@given(TEXT)
def test_no_value_gets_out_of_its_literal(value: str):
    """Whatever an id from an address holds, MLflow reads one comparison with one value, followed by the next clause."""
    from mlflow.utils.search_utils import SearchUtils

    whole = f"{filters.exactly('a.b', value)} AND {filters.contains('c', value)} AND tags.`d` = 'e'"
    first, second, third = SearchUtils.parse_search_filter(whole)
    assert (first["key"], second["key"], third["key"], third["value"]) == ("a.b", "c", "d", "e")
    assert len(str(first["value"])) == len(value)
    assert str(second["value"]) == f"%{filters.wild(value)}%"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_reaches_mlflow_whole(value: float):
    """All its digits, and no exponent, which MLflow's parser reads for some numbers only."""
    from mlflow.utils.search_utils import SearchUtils

    [read] = SearchUtils.parse_search_filter(f"metrics.`a` > {filters.number_literal(value)}")
    assert float(read["value"]) == value


@pytest.mark.parametrize(
    ("text", "expected", "label"),
    [
        pytest.param("auc", Name("metric", "auc"), "auc", id="00 bare"),
        pytest.param("m.val.auc", Name("metric", "val.auc"), "val.auc", id="10 metric"),
        pytest.param("p.seed", Name("param", "seed"), "seed", id="20 parameter"),
        pytest.param("class", Name("tag", "skyrail.class"), "class", id="30 field"),
        pytest.param("t.team", Name("tag", "team"), "team", id="40 tag"),
        pytest.param("val.auc", Name("metric", "val.auc"), "val.auc", id="50 a dot without a prefix"),
    ],
)
def test_a_name_is_written_as_it_is_read(text: str, expected: Name, label: str):
    """An address made from a name says the same name."""
    assert name(text) == expected
    assert name(expected.word) == expected
    assert expected.label == label
