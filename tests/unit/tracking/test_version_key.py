"""A version says which of its parts differs: a change of one thing changes exactly its part, and the key."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyrail.tracking import names
from skyrail.tracking.version_key import Made, results, version

MADE = Made(
    revision="c0ffee",
    source_sha256="a",
    packages_sha256="b",
    python="3.11.7",
    platform="linux-x86_64",
    parameters={"rate": "0.1", "params.month": "2013-01"},
    inputs={"frame": "d"},
)

CODE, ENVIRONMENT, PARAMETERS, DATA = names.VERSION_PARTS


@pytest.mark.parametrize(
    ("change", "part"),
    [
        pytest.param({"revision": "beef"}, CODE, id="00 another commit"),
        pytest.param({"patch_sha256": "e"}, CODE, id="01 files that differ from it"),
        pytest.param({"source_sha256": "x"}, CODE, id="02 the function"),
        pytest.param({"command": '["train.sh"]'}, CODE, id="03 the command that runs instead"),
        pytest.param({"packages_sha256": "x"}, ENVIRONMENT, id="10 a package, or the lock"),
        pytest.param({"image": "r/x@sha256:1"}, ENVIRONMENT, id="11 the image"),
        pytest.param({"python": "3.12.1"}, ENVIRONMENT, id="12 Python"),
        pytest.param({"platform": "linux-aarch64"}, ENVIRONMENT, id="13 the machine's architecture"),
        pytest.param({"parameters": {"rate": "0.2", "params.month": "2013-01"}}, PARAMETERS, id="20 an argument"),
        pytest.param({"parameters": {"rate": "0.1"}}, PARAMETERS, id="21 a parameter less"),
        pytest.param({"parameters": {"rate": "2013-01", "params.month": "0.1"}}, PARAMETERS, id="22 values swapped"),
        pytest.param({"inputs": {"frame": "x"}}, DATA, id="30 the content of an input"),
        pytest.param({"inputs": {"table": "d"}}, DATA, id="31 what it is read as"),
        pytest.param({"inputs": {}}, DATA, id="32 an input less"),
    ],
)
def test_a_change_differs_in_exactly_its_part(change: dict, part: str):
    """One can say which part differs, and the key differs with it."""
    one, two = version(MADE), version(replace(MADE, **change))
    assert {name for name in one if one[name] != two[name]} == {part, names.VERSION}


def test_the_order_of_names_is_no_difference():
    """Parameters and inputs are sets of names and values."""
    assert version(replace(MADE, parameters=dict(reversed(MADE.parameters.items())))) == version(MADE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"patch_sha256": None}, id="00 nobody knows how files differ from the commit"),
        pytest.param({"source_sha256": ""}, id="10 a function without source"),
        pytest.param({"revision": ""}, id="20 files that are in no repository"),
    ],
)
def test_what_is_not_known_is_not_called_equal(change: dict):
    """Without the code there is no key: two attempts of unknown code must not look the same."""
    tags = version(replace(MADE, **change))
    assert set(tags) == {ENVIRONMENT, PARAMETERS, DATA}


def test_a_command_is_code_enough():
    """A program that runs instead of a function needs no function's source."""
    assert names.VERSION in version(replace(MADE, source_sha256="", command="[]"))


@given(st.dictionaries(st.text(), st.text()), st.dictionaries(st.text(), st.text()))
def test_no_parameter_looks_like_an_input(parameters: dict[str, str], inputs: dict[str, str]):
    """Whatever the names: the key is equal only when each part is."""
    one = version(replace(MADE, parameters=parameters, inputs=inputs))
    two = version(replace(MADE, parameters=inputs, inputs=parameters))
    assert (one[names.VERSION] == two[names.VERSION]) == (parameters == inputs)


@pytest.mark.parametrize(
    ("outputs", "metrics", "equal"),
    [
        pytest.param({"return_value": "a"}, {"auc": 0.5}, True, id="00 the same"),
        pytest.param({"return_value": "b"}, {"auc": 0.5}, False, id="10 another output"),
        pytest.param({"return_value": "a"}, {"auc": 0.6}, False, id="11 another metric"),
        pytest.param({"return_value": "a"}, {"auc": float("nan")}, False, id="12 a metric that is no number"),
    ],
)
def test_what_came_of_it(outputs: dict[str, str], metrics: dict[str, float], equal: bool):
    """Results differ when an output or a metric does."""
    assert (results(outputs, metrics) == results({"return_value": "a"}, {"auc": 0.5})) == equal


def test_no_number_is_one_result():
    """NaN equals itself here."""
    assert results({}, {"x": float("nan")}) == results({}, {"x": float("nan")})
