"""Airflow's cluster policies: what Skyrail does to every pod of a step. Airflow imports this in all its processes."""

from __future__ import annotations

import logging
from typing import Any

from airflow.policies import hookimpl

from skyrail.errors import SkyrailError
from skyrail.kubernetes.growth import asks_to_grow, grown, selector_of_last_try

log = logging.getLogger(__name__)


class PodTemplateError(SkyrailError):
    """The executor is about to start a task in a pod without its template."""


@hookimpl
def pod_mutation_hook(pod: Any) -> None:
    """Refuse a pod whose template is gone, and give a step that ran out of memory a larger one.

    Airflow calls this in the scheduler, for each pod of its KubernetesExecutor, and in a task for each pod that an
    operator makes; those are not touched.
    """
    labels = pod.metadata.labels or {}
    if labels.get("kubernetes_executor") != "True":
        return
    require_template(pod)
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


def _grow(pod: Any) -> None:
    # Both are there wherever this executor runs, and nowhere else.
    from airflow.providers.cncf.kubernetes.kube_client import get_kube_client
    from airflow.providers.cncf.kubernetes.pod_generator import PodGenerator

    from skyrail.settings import ResourceSettings, load
    from skyrail.steps.resources.classes import load_classes
    from skyrail.steps.resources.site import classes_file

    plain = PodGenerator.serialize_pod(pod)
    selector = selector_of_last_try(plain)
    listed = get_kube_client().list_namespaced_pod(pod.metadata.namespace, label_selector=selector)
    earlier = [PodGenerator.serialize_pod(one) for one in listed.items]
    larger = grown(plain, earlier, load_classes(classes_file(load(ResourceSettings))))
    if larger is not plain:
        new = PodGenerator.deserialize_model_dict(larger)
        pod.metadata, pod.spec = new.metadata, new.spec
