"""Airflow's KubernetesExecutor for an installation whose teams have namespaces of their own.

Pods get there by Skyrail's pod policy. This class is needed for one thing: Airflow looks for the pod of a running task,
whose log it shows, where the task's `pod_override` says, and nothing else tells it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.cncf.kubernetes.executors import kubernetes_executor

from skyrail.kubernetes.teams import load_teams, team_of
from skyrail.settings import ResourceSettings, load


# By the same name, by which resource classes and DAGs know it.
class KubernetesExecutor(kubernetes_executor.KubernetesExecutor):
    """Find the pods of tasks in the namespaces of their teams."""

    def _get_pod_namespace(self, ti: Any) -> str:
        file = load(ResourceSettings).teams
        team = team_of(ti.dag_id, load_teams(Path(file))) if file else None
        return team.namespace if team else str(self.conf.get("kubernetes_executor", "namespace"))
