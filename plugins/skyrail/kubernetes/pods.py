"""Pods of steps: the template of a resource class for Airflow's KubernetesExecutor, and the pod of a step in an image.

A pod is a dict as `kubectl` has it, and fit for Pod Security's level "restricted".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from skyrail.steps.resources.classes import ResourceClass
from skyrail.steps.resources.quantities import cpu_quantity, quantity

CONTAINER = "base"
"""Name of the container of the step, as Airflow's executor wants it."""
LABEL_CLASS = "skyrail.dev/class"
ANNOTATION_LARGER = "skyrail.dev/larger"
"""Names of the classes of later tries, separated by commas, in a template for `grow_on_oom`."""
VARIABLE_CLASS = "SKYRAIL_RESOURCE_CLASS"
"""Environment variable with the name of the class, for the record of the attempt."""
SHARED_MEMORY = "shared-memory"
"""Name of the volume at /dev/shm."""

DEFAULT = "default.yaml"
"""Template of tasks that are no steps: that of the first class."""

Pod = dict[str, Any]


def template(
    one: ResourceClass,
    *,
    identity: str | None = None,
    larger: Sequence[ResourceClass] = (),
    base: Pod | None = None,
    labels: Mapping[str, str] | None = None,
) -> Pod:
    """Return the pod template of a class.

    Airflow's executor sets the image and the arguments, whatever a template says.

    Args:
        one: the class.
        identity: the service account; that of `base`, or of the namespace, if not given.
        larger: the classes of later tries when one runs out of memory.
        base: what all pods of this installation have in common, its first container being that of the step.
        labels: more labels, such as a cloud asks of pods with that identity.
    """
    metadata: Pod = {"labels": dict(labels or {})}
    if larger:
        metadata["annotations"] = {ANNOTATION_LARGER: ",".join(each.name for each in larger)}
    pod = _pod(metadata, {"name": CONTAINER}, identity)
    return sized(_merged(base, pod) if base else pod, one)


def _merged(base: Pod, pod: Pod) -> Pod:
    """Return a pod over what all have in common, which counts where both say something but labels and identity."""
    first, *others = base["spec"]["containers"]
    [own] = pod["spec"]["containers"]
    account = {key: value for key, value in pod["spec"].items() if key == "serviceAccountName"}
    metadata = {
        **base.get("metadata", {}),
        **{
            key: {**(base.get("metadata", {}).get(key) or {}), **pod["metadata"].get(key, {})}
            for key in ("labels", "annotations")
            if base.get("metadata", {}).get(key) or pod["metadata"].get(key)
        },
    }
    spec = {**pod["spec"], **base["spec"], **account, "containers": [{**own, **first}, *others]}
    return {**pod, "metadata": metadata, "spec": spec}


def templates(
    classes: Sequence[ResourceClass],
    base: Pod,
    identities: Mapping[str, Mapping[str, Any]],
    ladder: Callable[[ResourceClass, str | None], Sequence[ResourceClass]],
) -> dict[str, Pod]:
    """Return all pod templates of an installation, by the name of the file that `template_name` gives them.

    Args:
        classes: all of them, retired ones too: what waits for one still finds its template.
        base: what all pods have in common.
        identities: what the pods of a service account need, now `labels`; one that is not there needs nothing.
        ladder: the classes that a class grows into, for a service account.
    """
    found: dict[str, Pod] = {}
    for one in classes:
        for identity in (None, *one.identities):
            labels = identities.get(identity or "", {}).get("labels")
            larger = ladder(one, identity)
            for grow in (False, True) if larger else (False,):
                name = template_name(one, identity=identity, grow=grow)
                found[name] = template(one, identity=identity, larger=larger if grow else (), base=base, labels=labels)
    # For tasks that are no steps.
    smallest = next((one for one in classes if not one.retired), classes[0])
    found[DEFAULT] = template(smallest, base=base)
    return found


def step_pod(
    one: ResourceClass,
    *,
    name: str,
    image: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    folders: Mapping[str, str],
    identity: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> Pod:
    """Return the pod of a step that runs in an image of its author.

    Args:
        one: its class.
        name: of the pod.
        image: by its digest, so that each try runs the same.
        command: the program and its arguments, in place of the image's own.
        environment: variables.
        folders: where the container has each folder for inputs and outputs, by the name of the folder's volume.
        identity: the service account; that of the namespace if not given.
        labels: by which the pod is found.
    """
    container: Pod = {
        "name": CONTAINER,
        "image": image,
        "command": list(command),
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [{"name": volume, "mountPath": path} for volume, path in folders.items()],
    }
    pod = _pod({"name": name, "labels": dict(labels or {})}, container, identity)
    pod["spec"]["volumes"] = [{"name": volume, "emptyDir": {}} for volume in folders]
    return sized(pod, one)


def _pod(metadata: Pod, container: Pod, identity: str | None) -> Pod:
    secured = {
        **container,
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec: Pod = {
        "restartPolicy": "Never",
        # A step calls Airflow, and not the cluster: a token would only serve whoever breaks in.
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [secured],
    }
    if identity:
        spec["serviceAccountName"] = identity
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def sized(pod: Pod, one: ResourceClass) -> Pod:
    """Return a pod with the size of a class, and at its nodes; another size that it had is gone."""
    metadata, spec = pod["metadata"], pod["spec"]
    step, *others = spec["containers"]
    volumes = [volume for volume in spec.get("volumes") or [] if volume["name"] != SHARED_MEMORY]
    mounts = [mount for mount in step.get("volumeMounts") or [] if mount["name"] != SHARED_MEMORY]
    environment = [entry for entry in step.get("env") or [] if entry["name"] not in (VARIABLE_CLASS, _NVIDIA)]
    environment.append({"name": VARIABLE_CLASS, "value": one.name})
    if one.shared_memory:
        limit = quantity(one.shared_memory)
        volumes.append({"name": SHARED_MEMORY, "emptyDir": {"medium": "Memory", "sizeLimit": limit}})
        mounts.append({"name": SHARED_MEMORY, "mountPath": "/dev/shm"})  # noqa: S108
    if not one.gpu:
        # Images made for CUDA ask for all GPUs of the node, and its runtime gives them to whoever asks.
        environment.append({"name": _NVIDIA, "value": "void"})
    step = {**step, "env": environment, "resources": resources(one), "volumeMounts": mounts}
    spec = {**spec, "containers": [step, *others], "volumes": volumes}
    spec |= {"nodeSelector": dict(one.node_selector), "tolerations": [dict(each) for each in one.tolerations]}
    spec |= {"runtimeClassName": one.runtime_class, "priorityClassName": one.priority_class}
    labels = {**(metadata.get("labels") or {}), LABEL_CLASS: one.name}
    return {**pod, "metadata": {**metadata, "labels": labels}, "spec": _without_empty(spec)}


_NVIDIA = "NVIDIA_VISIBLE_DEVICES"


def _without_empty(spec: Pod) -> Pod:
    step, *others = spec["containers"]
    step = {key: value for key, value in step.items() if value != []}
    return {key: value for key, value in {**spec, "containers": [step, *others]}.items() if value not in ([], {}, "")}


def resources(one: ResourceClass) -> Pod:
    """Return what a class reserves, and what it may not exceed.

    Memory and disk are reserved in full: what is lent twice gets steps killed. CPUs have no limit: what is idle may be
    used, and a limit would slow a step down while they are.
    """
    requests = {"cpu": cpu_quantity(one.cpu), "memory": quantity(one.memory)}
    limits = {"memory": quantity(one.memory)}
    if one.disk:
        requests["ephemeral-storage"] = limits["ephemeral-storage"] = quantity(one.disk)
    if one.gpu:
        requests[one.gpu_resource] = limits[one.gpu_resource] = str(one.gpu)
    return {"requests": requests, "limits": limits}


def template_name(one: ResourceClass, *, identity: str | None = None, grow: bool = False) -> str:
    """Return the file of a class's pod template: `large.yaml`, `large.trainer.yaml`, `large.trainer.grow.yaml`."""
    file = Path(one.pod_template or f"{one.name}.yaml")
    return ".".join([file.stem, *([identity] if identity else []), *(["grow"] if grow else []), file.suffix[1:]])
