"""Nodes: is there room, and where would a step with a GPU run?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from skyrail.install.checks import Check, ok, unknown, warn
from skyrail.install.manifests import Object, amount, needs, pod_needs, pods, said


def usable(nodes: Iterable[Object]) -> list[Object]:
    """Return the nodes that take pods: neither cordoned nor kept for others by a taint."""
    return [each for each in nodes if not each["spec"].get("unschedulable") and not _taints(each)]


def _taints(node: Object) -> list[Object]:
    return [each for each in node["spec"].get("taints") or [] if each["effect"] in ("NoSchedule", "NoExecute")]


def room(objects: Sequence[Object], nodes: Sequence[Object] | None) -> list[Check]:
    """Compare what the platform reserves with what nodes can give.

    It is no refusal: what other pods have is not counted, and nodes may be added when they are needed.
    """
    if nodes is None:
        return [unknown("Nodes", "You may not list nodes.")]
    free = usable(nodes)
    asked = needs(objects)
    rows = []
    for resource in ("cpu", "memory"):
        have = sum(amount(each["status"]["allocatable"][resource]) for each in free)
        want = asked.get(f"requests.{resource}", 0)
        if want > have:
            rows.append(
                warn(
                    "Nodes",
                    f"The platform reserves {said(want, resource)} of {resource}, and all nodes have"
                    f" {said(have, resource)}.",
                    "Add nodes, or make `resources` smaller.",
                )
            )
            continue
        largest = max((amount(each["status"]["allocatable"][resource]) for each in free), default=0)
        for name, template, _ in pods(objects):
            want = pod_needs(template["spec"], "requests").get(resource, 0)
            if want > largest and not template["spec"].get("nodeSelector"):
                rows.append(
                    warn(
                        "Nodes",
                        f"A pod of {name} reserves {said(want, resource)} of {resource}; the largest node has"
                        f" {said(largest, resource)}.",
                        "Make its `resources` smaller, or add a larger node.",
                    )
                )
    if free and not any(_label(each, "kubernetes.io/arch") in ("amd64", "") for each in free):
        rows.append(warn("Nodes", "No node is amd64, for which the images are built.", "Build them for yours."))
    reserved = f"{said(asked.get('requests.cpu', 0), 'cpu')} CPUs and {said(asked.get('requests.memory', 0), 'memory')}"
    return rows or [ok("Nodes", f"{len(free)} take pods; the platform reserves {reserved}.")]


def gpus(classes: Sequence[Mapping[str, Any]], nodes: Sequence[Object] | None) -> list[Check]:
    """Look for nodes with the GPUs that resource classes offer. None now is no refusal: they may start when needed."""
    asking = [each for each in classes if each.get("gpu") and not each.get("retired")]
    if not asking:
        return [ok("GPUs", "No resource class has one.")]
    if nodes is None:
        return [unknown("GPUs", "You may not list nodes.")]
    rows = []
    for one in asking:
        resource, selector = one.get("gpu_resource", "nvidia.com/gpu"), one.get("node_selector") or {}
        fit = [
            node
            for node in nodes
            if amount(node["status"]["allocatable"].get(resource, 0)) >= one["gpu"]
            and all(_label(node, key) == value for key, value in selector.items())
        ]
        if not fit:
            wanted = " and ".join([resource, *(f"{key}={value}" for key, value in selector.items())])
            rows.append(
                warn(
                    "GPUs",
                    f"No node has what the class {one['name']} asks for ({wanted}): its steps wait until there is one.",
                    "Fine if nodes are added when needed. Without GPUs: --no-gpu; other ones: resourceClasses.",
                )
            )
    return rows or [ok("GPUs", f"There are nodes for {', '.join(each['name'] for each in asking)}.")]


def _label(node: Object, key: str) -> str:
    return str((node["metadata"].get("labels") or {}).get(key, ""))
