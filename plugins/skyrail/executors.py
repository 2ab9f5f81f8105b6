"""Airflow's KubernetesExecutor for an installation whose teams have namespaces of their own.

Pods get there by Skyrail's pod policy. This class does three things that the policy cannot. Airflow looks for the pod
of a running task, whose log it shows, where the task's `pod_override` says, and nothing else tells it. A `pod_override`
wins over what Airflow writes on the pod, by which the policy knows whose it is. And a pod template is read before the
policy is asked: any path of the scheduler's machine that a task names, and one that holds no pod ends the scheduler.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.executors import kubernetes_executor

from skyrail.kubernetes.teams import load_teams, team_of
from skyrail.settings import ResourceSettings, load

OF_AIRFLOW = ("dag_id", "kubernetes_executor")
"""Labels and annotations from which the pod policy learns that a pod is a task's, and of which DAG."""


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
    """Keep teams apart, and find the pods of their tasks."""

    def execute_async(
        self, key: Any, command: Any, queue: str | None = None, executor_config: Any | None = None
    ) -> None:
        """Start a task, unless it says that it is another's, or names a template that is not the platform's."""
        if reason := refusal(executor_config):
            self.log.error("Not started: %s %s", key, reason)
            self.fail(key=key, info=reason)
            return
        super().execute_async(key=key, command=command, queue=queue, executor_config=executor_config)

    def _get_pod_namespace(self, ti: Any) -> str:
        file = load(ResourceSettings).teams
        team = team_of(ti.dag_id, load_teams(Path(file))) if file else None
        return team.namespace if team else str(self.conf.get("kubernetes_executor", "namespace"))
