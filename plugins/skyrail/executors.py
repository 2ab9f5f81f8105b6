"""Airflow's KubernetesExecutor, which also says why a step waits, and keeps teams apart.

A pod that finds no node, or whose image is not there, waits without a word in Airflow. Here its reason becomes a line
in the log of the task, which Airflow's pages show while it is queued, and an event of the task.

With teams that have namespaces of their own, pods get there by Skyrail's pod policy. Three things it cannot do. Airflow
looks for the pod of a running task, whose log it shows, where the task's `pod_override` says, and nothing else tells
it. A `pod_override` wins over what Airflow writes on the pod, by which the policy knows whose it is. And a pod template
is read before the policy is asked: any path of the scheduler's machine that a task names, and one that holds no pod
ends the scheduler.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.executors import kubernetes_executor
from airflow.providers.cncf.kubernetes.kubernetes_helper_functions import annotations_to_key

from skyrail.kubernetes.teams import load_teams, team_of
from skyrail.kubernetes.waiting import log_line, reason
from skyrail.settings import ResourceSettings, load

OF_AIRFLOW = ("dag_id", "kubernetes_executor")
"""Labels and annotations from which the pod policy learns that a pod is a task's, and of which DAG."""


LOOK_SECONDS = 10
"""Time between two looks at the pods that wait."""


def claimed(executor_config: Any) -> list[str]:
    """Return those of Airflow's own labels and annotations that a task's `pod_override` sets."""
    metadata = getattr((executor_config or {}).get("pod_override"), "metadata", None)
    set_by_it = {*(getattr(metadata, "labels", None) or {}), *(getattr(metadata, "annotations", None) or {})}
    return [name for name in OF_AIRFLOW if name in set_by_it]


def foreign_template(executor_config: Any) -> str:
    """Return the pod template that a task names, if it is none of the platform's; else nothing."""
    named = str((executor_config or {}).get("pod_template_file") or "")
    return named if named and Path(named).parent != Path(load(ResourceSettings).pod_templates) else ""


def refusal(executor_config: Any) -> str:
    """Return why a task is not started, and what its author can do; nothing if it may."""
    if names := claimed(executor_config):
        return (
            f"The pod_override of this task sets {' and '.join(names)}, by which the platform knows whose it is. "
            "Take it out of metadata.labels and metadata.annotations."
        )
    if named := foreign_template(executor_config):
        return (
            f"This task names the pod template {named}, which is none of the platform's. "
            "Take pod_template_file out of its executor_config: what a step needs chooses its template."
        )
    return ""


# By the same name, by which resource classes and DAGs know it.
class KubernetesExecutor(kubernetes_executor.KubernetesExecutor):
    """Say why steps wait, keep teams apart, and find the pods of their tasks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._looked = 0.0
        self._logs: dict[Any, str] = {}
        self._said: dict[Any, str] = {}

    def sync(self) -> None:
        """Do what Airflow does, and look every few seconds which pods wait."""
        super().sync()
        if self.running and time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            try:
                self._say_who_waits()
            except Exception:
                self.log.warning("It cannot be seen which pods wait, and why", exc_info=True)

    def _say_who_waits(self) -> None:
        """Write each new reason for which a pod waits into the log of its task."""
        for of_tasks in (self._logs, self._said):
            for key in of_tasks.keys() - self.running:
                del of_tasks[key]
        client: Any = self.kube_client
        selector = f"kubernetes_executor=True,airflow-worker={self.scheduler_job_id}"
        for namespace in self._namespaces():
            found = client.list_namespaced_pod(
                namespace, label_selector=selector, field_selector="status.phase=Pending", resource_version="0"
            )
            for pod in found.items:
                why = reason(client.api_client.sanitize_for_serialization(pod))
                if why is None:
                    continue
                key = annotations_to_key(pod.metadata.annotations)
                if key in self.running and self._said.get(key) != why[0]:
                    self._said[key] = why[0]
                    self._say(key, why[1])

    def _say(self, key: Any, sentence: str) -> None:
        self.log.warning("%s waits: %s", key, sentence)
        self.log_task_event(event="waits", extra=sentence, ti_key=key)
        if not self._logs.get(key):  # another scheduler started it
            return
        file = Path(str(self.conf.get("logging", "base_log_folder")), self._logs[key])
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a") as log:
                log.write(log_line(sentence, datetime.now(UTC)))
        except OSError as error:
            self.log.warning("That cannot be written to %s: %s", file, error)

    def _namespaces(self) -> list[str]:
        if self.kube_config.multi_namespace_mode:
            return list(self.kube_config.multi_namespace_mode_namespace_list or ())
        return [str(self.kube_config.kube_namespace)]

    def execute_async(
        self, key: Any, command: Any, queue: str | None = None, executor_config: Any | None = None
    ) -> None:
        """Start a task; with teams, not one that says it is another's, or names a template of its own."""
        if load(ResourceSettings).teams and (refused := refusal(executor_config)):
            self.log.error("Not started: %s %s", key, refused)
            self.fail(key=key, info=refused)
            return
        if command:
            self._logs[key] = getattr(command[0], "log_path", None) or ""
        super().execute_async(key=key, command=command, queue=queue, executor_config=executor_config)

    def _get_pod_namespace(self, ti: Any) -> str:
        file = load(ResourceSettings).teams
        team = team_of(ti.dag_id, load_teams(Path(file))) if file else None
        return team.namespace if team else str(self.conf.get("kubernetes_executor", "namespace"))
