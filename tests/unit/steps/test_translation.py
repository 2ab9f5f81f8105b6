"""What a step asks for becomes arguments of Airflow when the DAG file is read, or a sentence that says why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup, task

from skyrail.errors import SkyrailError
from skyrail.steps.decorator import StepOperator
from skyrail.steps.options import StepOptions
from skyrail.steps.translation import duration, translate


def train(rows: int = 1) -> int:
    """Stand for the author's function."""
    return rows


def empty(rows: int = 1): ...


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param(90, 90, id="00 seconds"),
        pytest.param(0.5, 0.5, id="01 a part of one"),
        pytest.param("90s", 90, id="10 text"),
        pytest.param("45m", 2700, id="11 minutes"),
        pytest.param("1.5 h", 5400, id="12 hours"),
        pytest.param("1d", 86400, id="13 days"),
        pytest.param(timedelta(minutes=2), 120, id="20 a timedelta"),
    ],
)
def test_a_timeout_is_a_duration(value: Any, seconds: float) -> None:
    assert duration("train", value) == timedelta(seconds=seconds)


@pytest.mark.parametrize("value", [0, -1, True, "soon", "5", "", timedelta(0), [1], float("nan"), "999999999999d"])
def test_what_is_no_duration_is_refused(value: Any) -> None:
    with pytest.raises(SkyrailError, match="which is no duration"):
        duration("train", value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        pytest.param({"memmory": "4Gi"}, "memmory=, which nothing takes", id="00 misspelt"),
        pytest.param({"package": ["x"]}, "Did you mean packages=", id="01 likewise"),
        pytest.param({"packages": []}, "packages=[]", id="10 no packages"),
        pytest.param({"packages": [1]}, "packages=[1]", id="11 not text"),
        pytest.param({"packages": ["x"], "image": "a/b"}, "packages= beside image=", id="12 of an image"),
        pytest.param({"metrics": "json"}, "metrics='json'", id="20 how metrics are found"),
        pytest.param({"timeout": "5m", "execution_timeout": timedelta(1)}, "which are one thing", id="30 twice"),
        pytest.param({"memory": "16 gigs"}, "16 gigs", id="40 a quantity that is none"),
        pytest.param({"gpu": -1}, "gpu", id="41 less than nothing"),
        pytest.param({"cpu": 100_000}, "100", id="50 more than any class has"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(options: dict[str, Any], sentence: str) -> None:
    function = empty if "image" in options else train
    with pytest.raises(SkyrailError) as refused:
        translate(function, options)
    assert sentence in str(refused.value)
    assert refused.value.fix


def test_a_step_that_asks_for_nothing_is_placed_too() -> None:
    kwargs, outputs = translate(train, {"retries": 3})
    assert kwargs["retries"] == 3
    assert kwargs["pool"] == "skyrail"
    assert kwargs["pool_slots"] == 1
    assert outputs is False


def test_needs_survive_mapping_and_override() -> None:
    """Airflow does not make the operator of a mapped task until it runs: what it needs must be known before."""
    with DAG("d", schedule=None) as dag:
        step = task.step(memory="1Gi", timeout="5m")(train)
        step.override(task_id="one")()
        step.override(task_id="mapped").expand(rows=[1, 2])
        step.override(task_id="more", memory="2Gi")()
    one, mapped, more = (dag.task_dict[name] for name in ("one", "mapped", "more"))
    assert one.execution_timeout == timedelta(minutes=5)
    assert mapped.partial_kwargs["execution_timeout"] == timedelta(minutes=5)
    assert mapped.partial_kwargs["pool"] == one.pool == "skyrail"
    assert mapped.partial_kwargs["pool_slots"] == one.pool_slots
    assert StepOptions.from_dict(mapped.partial_kwargs["step_options"]) == StepOptions.from_dict(one.step_options)
    assert StepOptions.from_dict(more.step_options).needs["memory"] == 2 * 2**30


def test_an_author_who_chooses_a_pool_keeps_it() -> None:
    with DAG("d", schedule=None, default_args={"pool": "theirs"}) as dag:
        task.step(memory="1Gi")(train)()
    assert dag.task_dict["train"].pool == "theirs"
    assert dag.task_dict["train"].pool_slots == 1


def test_defaults_of_a_dag_and_of_a_group_count() -> None:
    """`default_args` may say what all steps need; a step's own word wins, and None takes a default away."""
    with DAG("d", schedule=None, default_args={"memory": "1Gi", "timeout": "5m"}) as dag:
        with TaskGroup("g", default_args={"pool": "theirs"}):
            task.step(train)()
        task.step(memory="2Gi", timeout=None)(train).override(task_id="own")()
    grouped, own = dag.task_dict["g.train"], dag.task_dict["own"]
    assert StepOptions.from_dict(grouped.step_options).needs["memory"] == 2**30
    assert (grouped.pool, grouped.execution_timeout) == ("theirs", timedelta(minutes=5))
    assert StepOptions.from_dict(own.step_options).needs["memory"] == 2 * 2**30
    assert own.execution_timeout is None


def test_an_image_is_refused_where_nothing_would_start_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__SKYRAIL_RESOURCES__TARGET", "kubernetes")
    with pytest.raises(SkyrailError, match="starts no pod of the author's image"):
        translate(empty, {"image": f"team/train@sha256:{'a' * 64}", "command": ["./train.sh"]})


def test_airflow_does_not_await_a_function_that_runs_elsewhere() -> None:
    """It would run it in the task's own process, with the wrong packages."""

    async def fetch() -> int:
        return 1

    with DAG("d", schedule=None) as dag:
        task.step(fetch)()
        task.step(command=["true"])(empty)()
    assert dag.task_dict["fetch"].is_async
    operator = StepOperator(
        task_id="x", python_callable=fetch, op_args=[], op_kwargs={}, step_options={"packages": ["six"]}
    )
    assert not operator.is_async


def test_options_come_back_as_they_were() -> None:
    options = StepOptions(needs={"cpu": 2.0}, packages=("a", "b"), command=("x",), grow_on_oom=True)
    assert StepOptions.from_dict(options.to_dict()) == options
    assert StepOptions().to_dict() == {}
