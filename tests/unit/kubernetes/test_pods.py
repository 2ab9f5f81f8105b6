"""The pods of steps, compared whole."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from skyrail.kubernetes.pods import sized, step_pod, template, template_name
from skyrail.steps.resources.classes import ResourceClass

GIB = 1024**3
SMALL = ResourceClass("small", 0.5, 2 * GIB)
LARGE = ResourceClass("large", 4, 16 * GIB, disk=50 * GIB, shared_memory=2 * GIB)
GPU = ResourceClass(
    "gpu",
    8,
    32 * GIB,
    gpu=2,
    gpu_type="t4",
    node_selector={"nvidia.com/gpu.product": "Tesla-T4"},
    tolerations=({"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},),
)
RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_the_least_template():
    """No image: Airflow's executor sets it. No token for the cluster, and no GPU whatever the image asks for."""
    assert template(SMALL) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": {"skyrail.dev/class": "small"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [
                {
                    "name": "base",
                    "securityContext": RESTRICTED,
                    "env": [
                        {"name": "SKYRAIL_RESOURCE_CLASS", "value": "small"},
                        {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
                    ],
                    "resources": {"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}},
                }
            ],
        },
    }


def test_a_template_with_everything():
    """GPUs, their nodes, an identity, and the classes of later tries."""
    assert template(GPU, identity="trainer", larger=(LARGE, SMALL)) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "labels": {"skyrail.dev/class": "gpu"},
            "annotations": {"skyrail.dev/larger": "large,small"},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccountName": "trainer",
            "nodeSelector": {"nvidia.com/gpu.product": "Tesla-T4"},
            "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "containers": [
                {
                    "name": "base",
                    "securityContext": RESTRICTED,
                    "env": [{"name": "SKYRAIL_RESOURCE_CLASS", "value": "gpu"}],
                    "resources": {
                        "requests": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "2"},
                        "limits": {"memory": "32Gi", "nvidia.com/gpu": "2"},
                    },
                }
            ],
        },
    }


def test_the_pod_of_a_step_in_an_image():
    """The author's image by its digest, the command, and folders for what goes in and comes out."""
    image = "registry.example.com/team/train@sha256:" + "ab" * 32
    pod = step_pod(
        LARGE,
        name="flights-train-x1",
        image=image,
        command=["./train.sh", "--rate", "0.1"],
        environment={"SKYRAIL_INPUTS": "/skyrail/inputs"},
        folders={"inputs": "/skyrail/inputs", "outputs": "/skyrail/outputs"},
        identity="trainer",
        labels={"dag_id": "flights"},
    )
    assert pod == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "flights-train-x1", "labels": {"dag_id": "flights", "skyrail.dev/class": "large"}},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccountName": "trainer",
            "volumes": [
                {"name": "inputs", "emptyDir": {}},
                {"name": "outputs", "emptyDir": {}},
                {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}},
            ],
            "containers": [
                {
                    "name": "base",
                    "image": image,
                    "command": ["./train.sh", "--rate", "0.1"],
                    "env": [
                        {"name": "SKYRAIL_INPUTS", "value": "/skyrail/inputs"},
                        {"name": "SKYRAIL_RESOURCE_CLASS", "value": "large"},
                        {"name": "NVIDIA_VISIBLE_DEVICES", "value": "void"},
                    ],
                    "volumeMounts": [
                        {"name": "inputs", "mountPath": "/skyrail/inputs"},
                        {"name": "outputs", "mountPath": "/skyrail/outputs"},
                        {"name": "shared-memory", "mountPath": "/dev/shm"},
                    ],
                    "securityContext": RESTRICTED,
                    "resources": {
                        "requests": {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "50Gi"},
                        "limits": {"memory": "16Gi", "ephemeral-storage": "50Gi"},
                    },
                }
            ],
        },
    }


SIDECAR = {"name": "sidecar", "image": "x"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(SMALL, LARGE, id="00 larger"),
        pytest.param(LARGE, SMALL, id="01 smaller: nothing of the larger stays"),
        pytest.param(SMALL, GPU, id="10 to a GPU"),
        pytest.param(GPU, SMALL, id="11 away from it"),
    ],
)
def test_another_size(before: ResourceClass, after: ResourceClass):
    """A pod of one class becomes that of another, and the pod it was made from stays as it is."""
    pod: dict[str, Any] = template(before)
    pod["spec"]["containers"].append(SIDECAR)
    kept = copy.deepcopy(pod)
    expected = template(after)
    expected["spec"]["containers"].append(SIDECAR)
    assert sized(pod, after) == expected
    assert pod == kept


@pytest.mark.parametrize(
    ("one", "identity", "grow", "file"),
    [
        pytest.param(LARGE, None, False, "large.yaml", id="00 a class"),
        pytest.param(LARGE, "trainer", False, "large.trainer.yaml", id="10 as somebody"),
        pytest.param(LARGE, None, True, "large.grow.yaml", id="20 that grows"),
        pytest.param(LARGE, "trainer", True, "large.trainer.grow.yaml", id="30 both"),
        pytest.param(
            ResourceClass("a", 1, GIB, pod_template="b.yaml"), "c", False, "b.c.yaml", id="40 of another name"
        ),
    ],
)
def test_the_name_of_a_template(one: ResourceClass, identity: str | None, grow: bool, file: str):
    """A file for each pod that differs."""
    assert template_name(one, identity=identity, grow=grow) == file
