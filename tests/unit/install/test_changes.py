"""What an upgrade would change, and what somebody changed by hand."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.chart.render import render

from skyrail.install.changes import Change, changes, drift


def test_the_same_is_no_change():
    assert changes(render(), render()) == []


def test_what_is_added_changed_and_removed_is_named():
    before, after = render(), render({"scheduler": {"replicas": 2}, "mlflow": {"url": "https://mlflow.example.com"}})
    found = {(each.what, each.kind, each.name): each for each in changes(before, after)}
    assert ("added", "PodDisruptionBudget", "sky-scheduler") in found
    assert ("removed", "Deployment", "sky-mlflow") in found
    scheduler = found["changed", "Deployment", "sky-scheduler"]
    assert "spec.replicas: 1 → 2" in scheduler.details
    assert scheduler.restarts
    environment = found["changed", "ConfigMap", "sky-environment"]
    assert not environment.restarts
    assert "data.AIRFLOW__SKYRAIL_TRACKING__SERVER: http://sky-mlflow:5000 → https://mlflow.example.com" in (
        environment.details
    )


def _one(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize(
    ("installed", "live", "details"),
    [
        pytest.param(_one(replicas=1), _one(replicas=3), ["spec.replicas: 1 → 3"], id="00 scaled"),
        pytest.param(_one(replicas=1), _one(replicas=1, strategy={"type": "x"}), [], id="10 a default"),
        pytest.param(_one(cpu="0.5", memory="1024Mi"), _one(cpu="500m", memory="1Gi"), [], id="20 another spelling"),
        pytest.param(_one(ports=[{"port": 1}]), _one(ports=[{"port": 1, "protocol": "TCP"}]), [], id="30 in a list"),
        pytest.param(
            _one(ports=[{"port": 1}]), _one(ports=[{"port": 2}]), ["spec.ports[0].port: 1 → 2"], id="40 there"
        ),
        pytest.param(_one(labels={}), _one(), [], id="50 nothing was said"),
    ],
)
def test_what_was_changed_by_hand_is_found(installed: dict, live: dict, details: list[str]):
    assert [line for each in drift([installed], [live]) for line in each.details] == details


def test_what_is_gone_is_found():
    assert drift([_one()], []) == [Change("gone", "Deployment", "a")]


def test_a_secret_that_was_filled_is_as_it_was_installed():
    installed = render().kind("Secret")
    live = copy.deepcopy(installed)
    for one in live:
        one["data"] = {"password": "c2VjcmV0"}
    assert drift(installed, live) == []


def test_objects_of_the_same_name_in_the_namespace_of_a_team_are_others():
    team = {"name": "risk", "namespace": "risk-steps", "dags": ["*"]}
    values = {"teams": [team], "storage": {"bucket": "s3://b/c"}}
    found = changes(render(values), render({**values, "environment": {"A": "1"}}))
    changed = [(each.name, each.namespace) for each in found if each.kind == "ConfigMap" and each.what == "changed"]
    assert changed == [("sky-environment", "risk-steps"), ("sky-environment", "team")]
