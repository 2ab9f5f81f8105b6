"""What an install consists of."""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

import pytest
import yaml
from tests.chart.render import CHART, files, render

DEFAULT = """
ConfigMap sky-config
ConfigMap sky-environment
ConfigMap sky-pgbouncer
ConfigMap sky-pods
CronJob sky-pod-cleanup
Deployment sky-api-server
Deployment sky-dag-processor
Deployment sky-mlflow
Deployment sky-pgbouncer
Deployment sky-scheduler
Deployment sky-triggerer
Job sky-migrations
Job sky-secrets
NetworkPolicy sky-api-server
NetworkPolicy sky-dag-processor
NetworkPolicy sky-default
NetworkPolicy sky-migrations
NetworkPolicy sky-mlflow
NetworkPolicy sky-pgbouncer
NetworkPolicy sky-pod-cleanup
NetworkPolicy sky-postgresql
NetworkPolicy sky-scheduler
NetworkPolicy sky-secrets
NetworkPolicy sky-steps
NetworkPolicy sky-triggerer
NetworkPolicy sky-valkey
NetworkPolicy sky-workers
PersistentVolumeClaim sky-shared
Role sky-api-server
Role sky-pod-cleanup
Role sky-scheduler
Role sky-secrets
RoleBinding sky-api-server
RoleBinding sky-pod-cleanup
RoleBinding sky-scheduler
RoleBinding sky-secrets
Secret sky-airflow
Secret sky-broker
Secret sky-database
Secret sky-mlflow
Service sky-api-server
Service sky-mlflow
Service sky-pgbouncer
Service sky-postgresql
Service sky-valkey
Service sky-workers-default
ServiceAccount sky-api-server
ServiceAccount sky-dag-processor
ServiceAccount sky-migrations
ServiceAccount sky-mlflow
ServiceAccount sky-pgbouncer
ServiceAccount sky-pod-cleanup
ServiceAccount sky-scheduler
ServiceAccount sky-secrets
ServiceAccount sky-steps
ServiceAccount sky-store
ServiceAccount sky-triggerer
ServiceAccount sky-workers
StatefulSet sky-postgresql
StatefulSet sky-valkey
StatefulSet sky-workers-default
"""
"""Jobs without the hash of what is in them."""

EXTERNAL = {
    "store": {"enabled": False},
    "database": {"host": "db.example.com", "passwordSecret": "db"},
    "broker": {"urlSecret": "queue"},
    "mlflow": {"url": "https://mlflow.example.com"},
    "storage": {"bucket": "s3://bucket/skyrail", "keySecret": "keys"},
    "secrets": {"airflow": "keys-of-airflow"},
    "pgbouncer": {"enabled": False},
}
"""Everything that can be elsewhere."""


def test_the_inventory_of_a_default_install():
    """Nothing comes or goes unnoticed, and there is nothing that reaches beyond the namespace."""
    names = [f"{kind} {name.rpartition('-')[0] if kind == 'Job' else name}" for kind, name in render().names()]
    assert sorted(names) == sorted(DEFAULT.split("\n")[1:-1])


def test_with_everything_elsewhere_only_airflow_is_left():
    """No store, no MLflow, no secrets of the chart's own, and no job that makes them."""
    names = render(EXTERNAL).names()
    left = {name for _, name in names}
    assert not left & {f"sky-{one}" for one in ("mlflow", "postgresql", "valkey", "pgbouncer", "secrets", "store")}
    assert [kind for kind, _ in names if kind == "Secret"] == []


@pytest.mark.parametrize(
    ("executor", "there", "gone"),
    [
        pytest.param("CeleryExecutor", "sky-workers-default", "sky-pods", id="00 Celery alone"),
        pytest.param("KubernetesExecutor", "sky-pods", "sky-workers-default", id="10 Kubernetes alone"),
    ],
)
def test_one_executor_alone(executor: str, there: str, gone: str):
    """What the other one needs is not there: no rights to pods without pods, no broker without workers."""
    found = render({"executor": executor})
    names = {name for _, name in found.names()}
    assert there in names
    assert gone not in names
    assert ("sky-valkey" in names) == (executor == "CeleryExecutor")
    assert bool([role for role in found.kind("Role") if role["metadata"]["name"] == "sky-scheduler"]) == (
        executor == "KubernetesExecutor"
    )


def test_rendered_twice_is_identical():
    """So that Argo CD and Flux find nothing to do, and nothing in it is random."""
    assert files() == files()


def test_the_file_of_values_is_short():
    """A newcomer reads it in one go."""
    assert len((CHART / "values.yaml").read_text().splitlines()) <= 400


def test_generated_files_are_current():
    """`python helm/generate.py` makes them."""
    sys.path.insert(0, str(CHART.parent))
    try:
        import generate  # type: ignore[import-not-found]
    finally:
        sys.path.pop(0)
    for path, text in generate.outputs((CHART / "values.yaml").read_text()).items():
        assert Path(path).read_text() == text, f"{path} is old: python helm/generate.py"
    for key in _all(generate.read((CHART / "values.yaml").read_text())):
        assert key.sentence or len(key.path) > 1, f"{'.'.join(key.path)} has no sentence"


def _all(keys):
    for key in keys:
        yield key
        yield from _all(key.below)


def test_a_render_takes_milliseconds():
    """The bound is on processor time, so that a busy machine does not fail it: 50 ms, the median of five."""
    files()
    taken = []
    for _ in range(5):
        start = time.process_time()
        files()
        taken.append(time.process_time() - start)
    assert statistics.median(taken) <= 0.05, taken


def test_the_chart_reads_the_one_home_of_configuration():
    """What is installed is config/ as it is, whatever the image has."""
    data = render().one("ConfigMap", "config")["data"]
    root = CHART.parents[1]
    assert data["airflow.cfg"].strip() == (root / "config" / "airflow.cfg").read_text().strip()
    assert yaml.safe_load(data["classes.yaml"]) == yaml.safe_load((root / "config" / "classes.yaml").read_text())
