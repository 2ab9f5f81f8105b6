"""The pods of steps: one base from the chart, a template for each class from the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from tests.chart.render import KUBERNETES, render
from typer.testing import CliRunner

from skyrail.cli.main import app

CLASSES = [
    {"name": "small", "cpu": 1, "memory": "2Gi", "identities": ["trainer", "cloud"]},
    {
        "name": "mig",
        "cpu": 2,
        "memory": "8Gi",
        "gpu": 1,
        "gpu_type": "a100-1g",
        "gpu_resource": "nvidia.com/mig-1g.5gb",
        "runtime_class": "nvidia",
        "priority_class": "training",
        "shared_memory": "1Gi",
        "node_selector": {"nvidia.com/gpu.product": "A100"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    },
]
IDENTITIES = [
    {"name": "trainer", "aws": "arn:aws:iam::1:role/trainer", "gke": "t@p.iam.gserviceaccount.com"},
    {"name": "cloud", "azure": "11111111-2222"},
]


def _templates(tmp_path: Path, values: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = render(values)
    for name, text in {**found.one("ConfigMap", "pods")["data"], **found.one("ConfigMap", "config")["data"]}.items():
        (tmp_path / name).write_text(text)
    arguments = ["--base", "base.yaml", "--identities", "identities.yaml", "--classes", "classes.yaml", "--out", "out"]
    paths = [part if part.startswith("--") else str(tmp_path / part) for part in arguments]
    done = CliRunner().invoke(app, ["pod-templates", *paths], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return {file.name: yaml.safe_load(file.read_text()) for file in sorted((tmp_path / "out").iterdir())}


def test_there_is_a_template_for_each_class_and_identity(tmp_path: Path):
    found = _templates(tmp_path, {"resourceClasses": CLASSES, "pods": {"identities": IDENTITIES}})
    assert set(found) == {
        "default.yaml", "mig.yaml", "small.yaml", "small.cloud.yaml", "small.trainer.yaml"
    }  # fmt: skip
    for pod in found.values():
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def test_templates_of_the_default_classes_are_complete(tmp_path: Path):
    """Image, flusher, variables, folders, security: nothing is left to the namespace's defaults."""
    for name, pod in _templates(tmp_path, {}).items():
        spec = pod["spec"]
        assert spec["serviceAccountName"] == "sky-steps", name
        assert spec["automountServiceAccountToken"] is False
        [flusher] = spec["initContainers"]
        assert flusher["restartPolicy"] == "Always"
        [step] = spec["containers"]
        assert step["name"] == "base"
        assert step["image"] == "skyrail/skyrail:0.1.0"
        assert step["securityContext"]["readOnlyRootFilesystem"] is True
        assert step["envFrom"] == [{"configMapRef": {"name": "sky-environment"}}]
        assert {mount["mountPath"] for mount in step["volumeMounts"]} >= {"/opt/airflow", "/opt/airflow/spool", "/tmp"}
        assert step["resources"]["limits"]["memory"]
        labels = pod["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == "steps"
        assert labels["skyrail.dev/class"] == (name.split(".")[0] if name != "default.yaml" else "small")


def test_a_class_with_a_part_of_a_gpu(tmp_path: Path):
    """Its device, nodes, runtime, priority and shared memory."""
    spec = _templates(tmp_path, {"resourceClasses": CLASSES, "pods": {"identities": IDENTITIES}})["mig.yaml"]["spec"]
    assert spec["containers"][0]["resources"] == {
        "requests": {"cpu": "2", "memory": "8Gi", "nvidia.com/mig-1g.5gb": "1"},
        "limits": {"memory": "8Gi", "nvidia.com/mig-1g.5gb": "1"},
    }
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["priorityClassName"] == "training"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "A100"}
    assert spec["tolerations"] == CLASSES[1]["tolerations"]
    assert {"name": "shared-memory", "mountPath": "/dev/shm"} in spec["containers"][0]["volumeMounts"]


def test_identities_of_clouds(tmp_path: Path):
    """Annotations of the service account, and Azure's label of the pod."""
    values = {"resourceClasses": CLASSES, "pods": {"identities": IDENTITIES}}
    accounts = {
        one["metadata"]["name"]: one["metadata"].get("annotations") for one in render(values).kind("ServiceAccount")
    }
    assert accounts["trainer"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/trainer",
        "iam.gke.io/gcp-service-account": "t@p.iam.gserviceaccount.com",
    }
    assert accounts["cloud"] == {"azure.workload.identity/client-id": "11111111-2222"}
    found = _templates(tmp_path, values)
    assert found["small.cloud.yaml"]["spec"]["serviceAccountName"] == "cloud"
    assert found["small.cloud.yaml"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert "azure.workload.identity/use" not in found["small.trainer.yaml"]["metadata"]["labels"]


def test_a_worker_group_of_a_class():
    """Nodes, device and queue of the class; the group's own size if it says one."""
    classes = [{**CLASSES[1], "queue": "gpu"}, CLASSES[0]]
    found = render(
        {
            "resourceClasses": classes,
            "pods": {"identities": IDENTITIES},
            "workers": {"groups": [{"name": "gpu", "class": "mig", "replicas": 2}]},
        }
    )
    one = found.one("StatefulSet", "workers-gpu")
    spec = one["spec"]["template"]["spec"]
    assert spec["containers"][0]["args"][-4:] == ["--queues", "gpu", "--concurrency", "4"]
    assert spec["containers"][0]["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/mig-1g.5gb": 1}
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["nodeSelector"] == {"nvidia.com/gpu.product": "A100"}
    assert found.one("PodDisruptionBudget", "workers-gpu")["spec"]["maxUnavailable"] == 1
