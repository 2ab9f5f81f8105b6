"""What Skyrail does to a pod before it is made, on an object as Airflow's executor hands it over."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from skyrail import policies
from skyrail.policies import PodTemplateError, pod_mutation_hook

TASK = {"dag_id": "flights", "task_id": "train"}


def pod(*, executor: str | None = "True", restart: str | None = "Never", larger: str = "", tries: str = "1"):
    labels = {"try_number": tries, **({"kubernetes_executor": executor} if executor else {})}
    annotations = {**TASK, **({"skyrail.dev/larger": larger} if larger else {})}
    metadata = SimpleNamespace(labels=labels, annotations=annotations, namespace="steps")
    return SimpleNamespace(metadata=metadata, spec=SimpleNamespace(restart_policy=restart))


@pytest.mark.parametrize(
    ("made", "refused"),
    [
        pytest.param(pod(), False, id="00 from its template"),
        pytest.param(pod(restart=None), True, id="10 without one"),
        pytest.param(pod(restart=None, executor=None), False, id="20 of an operator: none of ours"),
    ],
)
def test_a_pod_without_its_template_is_refused(made: SimpleNamespace, refused: bool):
    """It would have no limits, and be started for ever; the executor fails the task with the sentence."""
    if not refused:
        pod_mutation_hook(made)
        return
    with pytest.raises(PodTemplateError) as error:
        pod_mutation_hook(made)
    assert "The pod template of task 'train' of DAG 'flights' is not there" in error.value.message
    assert "retired" in error.value.fix


@pytest.mark.parametrize(
    ("made", "asked"),
    [
        pytest.param(pod(larger="large", tries="2"), 1, id="00 a later try that may grow"),
        pytest.param(pod(larger="large"), 0, id="10 a first try"),
        pytest.param(pod(tries="2"), 0, id="20 one that may not"),
    ],
)
def test_the_cluster_is_asked_only_when_it_matters(made: SimpleNamespace, asked: int, monkeypatch: pytest.MonkeyPatch):
    """The scheduler waits for the answer."""
    calls: list[object] = []
    monkeypatch.setattr(policies, "_grow", calls.append)
    pod_mutation_hook(made)
    assert calls == [made] * asked


def test_a_cluster_that_does_not_answer_stops_no_step(caplog: pytest.LogCaptureFixture):
    """The try gets the size of its template. Here even the client is missing."""
    made = pod(larger="large", tries="2")
    with caplog.at_level(logging.ERROR):
        pod_mutation_hook(made)
    assert "it gets the size that its template says" in caplog.text
    assert made.metadata.labels == {"try_number": "2", "kubernetes_executor": "True"}


def test_airflow_takes_the_policy():
    """The module is what Airflow's entry point `airflow.policy` wants."""
    import pluggy
    from airflow import policies as specifications

    manager = pluggy.PluginManager("airflow.policy")
    manager.add_hookspecs(specifications)
    manager.register(policies)
    manager.check_pending()
    with pytest.raises(PodTemplateError):
        manager.hook.pod_mutation_hook(pod=pod(restart=None))
