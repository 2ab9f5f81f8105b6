"""What Airflow's scheduler gets of a DAG with needs, for each place that it can run in: compared whole."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization

DAGS = Path(__file__).parents[3] / "dags"
PLACE = ("pool", "pool_slots", "queue", "executor", "executor_config")


def stored_places(monkeypatch: pytest.MonkeyPatch, **options: str) -> dict[str, dict[str, Any]]:
    """Return the place of each task of the search, mapped ones too, out of the serialized DAG."""
    for name, value in options.items():
        monkeypatch.setenv(f"AIRFLOW__SKYRAIL_RESOURCES__{name.upper()}", value)
    monkeypatch.syspath_prepend(str(DAGS))
    spec = importlib.util.spec_from_file_location("searching", DAGS / "03_flights_search.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    places = {}
    for task in DagSerialization.to_dict(module.flights_search())["dag"]["tasks"]:
        values = task["__var"]
        values |= values.get("partial_kwargs", {})
        found = {name: values[name] for name in PLACE if values.get(name)}
        if config := found.pop("executor_config", {}).get("__var"):
            found["executor_config"] = config
        places[values["task_id"]] = found
    return places


SMALL = {"pod_template_file": "/templates/small.yaml"}


@pytest.mark.parametrize(
    ("options", "usual", "attempt"),
    [
        pytest.param(
            {"target": "local", "pool_cpu": "4", "pool_memory": "2Gi"},
            {"pool": "skyrail"},  # one slot is Airflow's default, and not stored
            {"pool": "skyrail", "pool_slots": 50},
            id="00 this machine: half of its memory is the largest share",
        ),
        pytest.param(
            {"target": "celery", "pool_cpu": "10", "pool_memory": "64Gi"},
            {"pool": "skyrail"},
            {"pool": "skyrail", "pool_slots": 10},
            id="10 Celery: a tenth of the CPUs",
        ),
        pytest.param(
            {"target": "kubernetes", "pod_templates": "/templates"},
            {"executor": "KubernetesExecutor", "executor_config": SMALL},
            {"executor": "KubernetesExecutor", "executor_config": SMALL},
            id="20 Kubernetes: a pod by the class's template, and no pool",
        ),
    ],
)
def test_the_search_is_placed(
    options: dict[str, str], usual: dict[str, Any], attempt: dict[str, Any], monkeypatch: pytest.MonkeyPatch
):
    """Each task has its place, the mapped one too."""
    places = stored_places(monkeypatch, **options)
    assert places == {"prepare": usual, "attempt": attempt, "table": usual, "report": usual}
