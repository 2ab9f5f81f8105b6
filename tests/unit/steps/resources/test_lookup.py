"""A step is found by what people write."""

from __future__ import annotations

import pytest

from skyrail.errors import StepError
from skyrail.steps.resources.lookup import reason, split

DAGS = ("flights", "flights.training")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        pytest.param("flights.load", ("flights", "load"), id="00 plain"),
        pytest.param("flights.training.fit", ("flights.training", "fit"), id="10 a DAG with a dot: the longest name"),
        pytest.param("flights.group.load", ("flights", "group.load"), id="20 a step in a group"),
    ],
)
def test_dag_and_step(name: str, found: tuple[str, str]):
    """Both may have dots."""
    assert split(name, DAGS, {}) == found


@pytest.mark.parametrize(
    ("name", "errors", "message", "fix"),
    [
        pytest.param(
            "flight.load", {}, "There is no DAG for 'flight.load'.", "Did you mean 'flights'?", id="00 nearest"
        ),
        pytest.param(
            "x.load", {}, "There is no DAG for 'x.load'.", "There are flights, flights.training.", id="01 none near"
        ),
        pytest.param("flights", {}, "'flights' is a DAG, and its step is missing.", "flights.STEP", id="10 no step"),
        pytest.param(
            "new.load",
            {"new.py": "Traceback…\nValueError: boom"},
            "These files are refused:\nnew.py: boom",
            "Correct them.",
            id="20 a file that cannot be read",
        ),
    ],
)
def test_not_found(name: str, errors: dict[str, str], message: str, fix: str):
    """The error names what is near, or what stands in the way."""
    with pytest.raises(StepError) as error:
        split(name, DAGS, errors)
    assert message in error.value.message
    assert fix in error.value.fix


def test_the_reason_is_the_message_alone():
    """A traceback is for whoever wrote the library."""
    text = (
        "Traceback (most recent call last):\n"
        '  File "a.py", line 3, in <module>\n'
        "skyrail.steps.resources.errors.ResourceError: Step 'fit' asks for 1 GPU, and there are 0 here.\n"
        "Run it on a machine that has them.\n"
    )
    assert reason(text) == "Step 'fit' asks for 1 GPU, and there are 0 here.\nRun it on a machine that has them."
