"""Airflow's cluster policies: what Skyrail does to every pod of a step. Airflow imports this in all its processes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from airflow.policies import hookimpl

from skyrail.errors import SkyrailError
from skyrail.kubernetes.growth import asks_to_grow, grown, selector_of_last_try

log = logging.getLogger(__name__)


class PodTemplateError(SkyrailError):
    """The executor is about to start a task in a pod without its template."""


class TeamError(SkyrailError):
    """A DAG's file asks for the namespace of another team."""


@hookimpl
def pod_mutation_hook(pod: Any) -> None:
    """Refuse a pod whose template is gone, send a team's to its namespace, enlarge one that ran out of memory.

    Airflow calls this in the scheduler, for each pod of its KubernetesExecutor, and in a task for each pod that an
    operator makes; those are not touched.
    """
    labels = pod.metadata.labels or {}
    if labels.get("kubernetes_executor") != "True":
        return
    require_template(pod)
    to_its_team(pod)
    labels = pod.metadata.labels or {}
    if not asks_to_grow(labels, pod.metadata.annotations or {}):
        return
    try:
        _grow(pod)
    except Exception:
        # The step may well do with what its class has; not to start it at all would be worse.
        log.exception("Cannot find out how the last try of this task ended; it gets the size that its template says.")


def require_template(pod: Any) -> None:
    """Refuse a pod that was made without a template, which is without limits and restarted for ever.

    Airflow's executor only logs that the file is missing, and goes on with an empty pod.

    Raises:
        PodTemplateError: Airflow fails the task with it.
    """
    if pod.spec.restart_policy is None:
        raise PodTemplateError(
            f"The pod template of task {pod.metadata.annotations['task_id']!r} of DAG "
            f"{pod.metadata.annotations['dag_id']!r} is not there: its resource class was taken away while it waited.",
            fix="Run the DAG anew, which finds another class, or put the class back. A class is first retired.",
        )


def to_its_team(pod: Any) -> None:
    """Send the pod of a step to the namespace of its team, if there are teams and one of them has its DAG.

    Raises:
        TeamError: the DAG's file asks for another namespace. Airflow fails the task with it.
        SettingsError: the teams cannot be read.
    """
    from skyrail.settings import ResourceSettings, load

    if not (file := load(ResourceSettings).teams):
        return
    from airflow.configuration import conf

    from skyrail.kubernetes.teams import load_teams, moved, team_of

    dag = pod.metadata.annotations["dag_id"]
    team = team_of(dag, load_teams(Path(file)))
    home = conf.get("kubernetes_executor", "namespace")
    asked = pod.metadata.namespace
    if asked not in (home, team.namespace if team else home):
        raise TeamError(
            f"DAG {dag!r} asks by pod_override for the namespace {asked!r}, and "
            + (f"its team {team.name!r} has {team.namespace!r}." if team else "no team has this DAG."),
            fix="Take metadata.namespace out of the pod_override: the chart's value `teams` says whose DAGs run where.",
        )
    if team:
        _replace(pod, moved(_plain(pod), team))


def _plain(pod: Any) -> dict[str, Any]:
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    return PodGenerator.serialize_pod(pod)


def _replace(pod: Any, by: dict[str, Any]) -> None:
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    new = PodGenerator.deserialize_model_dict(by)
    pod.metadata, pod.spec = new.metadata, new.spec


def _grow(pod: Any) -> None:
    # It is there wherever this executor runs, and nowhere else.
    from airflow.providers.cncf.kubernetes.kube_client import get_kube_client

    from skyrail.settings import ResourceSettings, load
    from skyrail.steps.resources.classes import load_classes
    from skyrail.steps.resources.site import classes_file

    plain = _plain(pod)
    selector = selector_of_last_try(plain)
    listed = get_kube_client().list_namespaced_pod(pod.metadata.namespace, label_selector=selector)
    earlier = [_plain(one) for one in listed.items]
    larger = grown(plain, earlier, load_classes(classes_file(load(ResourceSettings))))
    if larger is not plain:
        _replace(pod, larger)
