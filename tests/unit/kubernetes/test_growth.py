"""After a try that ran out of memory, the next one gets more."""

from __future__ import annotations

from typing import Any

import pytest

from skyrail.kubernetes.growth import asks_to_grow, grown, ran_out_of_memory, selector_of_last_try
from skyrail.kubernetes.pods import template
from skyrail.steps.resources.classes import ResourceClass

GIB = 1024**3
SMALL, MEDIUM, LARGE = (
    ResourceClass(name, 1, memory * GIB) for name, memory in (("small", 2), ("medium", 8), ("large", 16))
)
CLASSES = (SMALL, MEDIUM, LARGE)


def pod(try_number: int, one: ResourceClass = SMALL, map_index: str | None = None) -> dict[str, Any]:
    """The pod of a try as Airflow's executor makes it from a template."""
    made = template(one, larger=(MEDIUM, LARGE))
    made["metadata"]["labels"] |= {
        "dag_id": "flights",
        "task_id": "train",
        "run_id": "manual-1",
        "try_number": str(try_number),
        "kubernetes_executor": "True",
        "airflow-worker": "7",
        **({"map_index": map_index} if map_index else {}),
    }
    return made


def ended(one: ResourceClass, code: int, reason: str = "Error", *, container: str = "base") -> dict[str, Any]:
    """The pod of the try before, as the cluster reports it."""
    state = {"terminated": {"exitCode": code, "reason": reason}}
    return {**pod(1, one), "status": {"containerStatuses": [{"name": container, "state": state}]}}


@pytest.mark.parametrize(
    ("earlier", "name"),
    [
        pytest.param([ended(SMALL, 137, "OOMKilled")], "medium", id="00 out of memory"),
        pytest.param([ended(SMALL, 137)], "medium", id="01 killed"),
        pytest.param([ended(MEDIUM, 137)], "large", id="02 again"),
        pytest.param([ended(LARGE, 137)], "large", id="03 at the largest"),
        pytest.param([ended(SMALL, 1)], "small", id="10 failed in another way"),
        pytest.param([ended(MEDIUM, 1)], "medium", id="11 failed in another way, after it grew"),
        pytest.param([ended(SMALL, 137, container="sidecar")], "small", id="12 a sidecar was killed"),
        pytest.param([], "small", id="20 the pod is gone"),
        pytest.param([{**pod(1), "status": {}}], "small", id="21 it never started"),
        pytest.param([{**pod(1), "status": {}}, ended(SMALL, 137)], "medium", id="22 it started at the second go"),
        pytest.param([ended(ResourceClass("gone", 1, GIB), 137)], "small", id="30 of a class that is gone"),
    ],
)
def test_the_size_of_the_next_try(earlier: list[dict[str, Any]], name: str):
    """One class more for each death by memory; what was gained is kept."""
    made = grown(pod(2), earlier, CLASSES)
    assert made["metadata"]["labels"]["skyrail.dev/class"] == name
    [container] = made["spec"]["containers"]
    memory = {"small": "2Gi", "medium": "8Gi", "large": "16Gi"}[name]
    assert container["resources"]["limits"]["memory"] == memory
    assert {"name": "SKYRAIL_RESOURCE_CLASS", "value": name} in container["env"]
    assert made["metadata"]["annotations"].get("skyrail.dev/grew-from") == (None if name == "small" else "small")


def test_a_larger_pod_is_that_of_the_larger_class():
    """Whole: nothing else of it changes."""
    expected = pod(2, MEDIUM)
    expected["metadata"]["annotations"]["skyrail.dev/grew-from"] = "small"
    assert grown(pod(2), [ended(SMALL, 137)], CLASSES) == expected


def test_a_class_that_is_gone_is_passed_over():
    """The next that is there takes its place."""
    made = grown(pod(2), [ended(SMALL, 137)], (SMALL, LARGE))
    assert made["metadata"]["labels"]["skyrail.dev/class"] == "large"


@pytest.mark.parametrize(
    ("labels", "annotations", "asks"),
    [
        pytest.param({"try_number": "2"}, {"skyrail.dev/larger": "large"}, True, id="00 a second try"),
        pytest.param({"try_number": "1"}, {"skyrail.dev/larger": "large"}, False, id="10 a first try"),
        pytest.param({"try_number": "2"}, {}, False, id="20 without grow_on_oom"),
        pytest.param({}, {"skyrail.dev/larger": "large"}, False, id="30 no try at all"),
    ],
)
def test_who_asks(labels: dict[str, str], annotations: dict[str, str], asks: bool):
    """Later tries of steps with `grow_on_oom`: for all others the cluster is not asked."""
    assert asks_to_grow(labels, annotations) is asks


@pytest.mark.parametrize(
    ("made", "selector"),
    [
        pytest.param(
            pod(2), "kubernetes_executor=True,dag_id=flights,task_id=train,run_id=manual-1,try_number=1", id="00"
        ),
        pytest.param(
            pod(3, map_index="4"),
            "kubernetes_executor=True,dag_id=flights,task_id=train,run_id=manual-1,map_index=4,try_number=2",
            id="10 mapped",
        ),
    ],
)
def test_how_the_try_before_is_found(made: dict[str, Any], selector: str):
    """By the labels that Airflow's executor gives to all pods of a task, whichever scheduler made them."""
    assert selector_of_last_try(made) == selector


def test_a_pod_without_a_status_has_not_died():
    """As it is before it starts."""
    assert not ran_out_of_memory(pod(1))
