"""An author's own pool, queue or executor beside needs: obeyed where the needs can still be met, else refused."""

from __future__ import annotations

from typing import Any

import pytest

from skyrail.steps.resources.authors import combine
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.needs import Needs
from skyrail.steps.resources.placement import place

LARGE = {"executor": "KubernetesExecutor", "queue": "large"}
TEMPLATE = {"pod_template_file": "/opt/airflow/pod_templates/large.yaml"}


@pytest.mark.parametrize(
    ("target", "needs", "said", "kwargs", "notice"),
    [
        pytest.param("local", Needs(cpu=2), {}, {"pool": "skyrail", "pool_slots": 25}, None, id="00 nothing said"),
        pytest.param(
            "local", Needs(cpu=2), {"pool": "db"}, {"pool": "db", "pool_slots": 1}, "may get too full", id="10 pool"
        ),
        pytest.param(
            "local",
            Needs(cpu=2),
            {"pool": "db", "pool_slots": 3},
            {"pool": "db", "pool_slots": 3},
            "may get too full",
            id="11 pool and slots",
        ),
        pytest.param("local", Needs(), {"pool": "db"}, {"pool": "db", "pool_slots": 1}, None, id="12 pool, no needs"),
        pytest.param(
            "local", Needs(cpu=2), {"pool": "skyrail"}, {"pool": "skyrail", "pool_slots": 25}, None, id="13 our pool"
        ),
        pytest.param(
            "local",
            Needs(cpu=2),
            {"pool_slots": 3},
            {"pool": "skyrail", "pool_slots": 25},
            None,
            id="14 fewer slots than the needs are",
        ),
        pytest.param(
            "local", Needs(cpu=2), {"pool_slots": 60}, {"pool": "skyrail", "pool_slots": 60}, None, id="15 more"
        ),
        pytest.param(
            "local",
            Needs(cpu=2),
            {"queue": "q"},
            {"pool": "skyrail", "pool_slots": 25, "queue": "q"},
            None,
            id="20 queue",
        ),
        pytest.param(
            "celery",
            Needs(cpu=2),
            {"queue": "q"},
            {"pool": "skyrail", "pool_slots": 25, "queue": "q"},
            "goes to its queue 'q', and not to 'large'",
            id="21 queue of another size",
        ),
        pytest.param("local", Needs(), {"executor": "X"}, {"executor": "X"}, None, id="30 executor, no needs"),
        pytest.param(
            "kubernetes",
            Needs(cpu=2),
            {"executor": "KubernetesExecutor"},
            {**LARGE, "executor_config": TEMPLATE},
            None,
            id="31 the same executor",
        ),
        pytest.param(
            "kubernetes",
            Needs(cpu=2),
            {"pool": "db"},
            {**LARGE, "executor_config": TEMPLATE, "pool": "db", "pool_slots": 1},
            None,
            id="32 a pool is theirs",
        ),
        pytest.param(
            "kubernetes",
            Needs(cpu=2),
            {"executor_config": {"pod_override": "p"}},
            {**LARGE, "executor_config": {**TEMPLATE, "pod_override": "p"}},
            None,
            id="33 more about the pod",
        ),
        pytest.param(
            "kubernetes",
            Needs(),
            {"executor_config": {"pod_template_file": "/mine"}},
            {"executor": "KubernetesExecutor", "executor_config": {"pod_template_file": "/mine"}},
            None,
            id="34 a template of their own, no needs",
        ),
    ],
)
def test_what_becomes_of_an_argument(
    configure: Any, target: str, needs: Needs, said: dict[str, Any], kwargs: dict[str, Any], notice: str | None
):
    """The arguments of the operator, whole."""
    found, notices = combine("train", place("train", needs, target=target), said)
    assert found == kwargs
    assert len(notices) == (0 if notice is None else 1)
    assert notice is None or notice in notices[0]


@pytest.mark.parametrize(
    ("target", "said", "what"),
    [
        pytest.param(
            "local", {"executor": "KubernetesExecutor"}, "executor='KubernetesExecutor'", id="00 another executor"
        ),
        pytest.param("kubernetes", {"executor": "LocalExecutor"}, "executor='LocalExecutor'", id="01 no pod"),
        pytest.param(
            "kubernetes",
            {"executor_config": {"pod_template_file": "/mine"}},
            "executor_config with a pod template",
            id="02 another pod",
        ),
    ],
)
def test_what_would_take_the_needs_away(configure: Any, target: str, said: dict[str, Any], what: str):
    """The error names both."""
    with pytest.raises(ResourceError) as error:
        combine("train", place("train", Needs(cpu=2), target=target), said)
    assert f"Step 'train' says what it needs, and {what} sends it elsewhere" in error.value.message
    assert "'large'" in error.value.message
