"""A larger pod for a step that ran out of memory: decided from the pod of the try before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrail.kubernetes.pods import ANNOTATION_LARGER, CONTAINER, LABEL_CLASS, Pod, sized
from skyrail.steps.resources.classes import ResourceClass

KILLED = 137
"""Exit code of a process that SIGKILL ended, which is what running out of memory does."""

ANNOTATION_GREW = "skyrail.dev/grew-from"


def asks_to_grow(labels: Mapping[str, str], annotations: Mapping[str, str]) -> bool:
    """Whether a pod with these is a later try of a step with `grow_on_oom`."""
    return ANNOTATION_LARGER in annotations and _try(labels) > 1


def selector_of_last_try(pod: Pod) -> str:
    """Return the label selector that finds the pods of the try before."""
    labels = pod["metadata"]["labels"]
    own = ("kubernetes_executor", "dag_id", "task_id", "run_id", "map_index")
    last = {**{name: labels[name] for name in own if name in labels}, "try_number": _try(labels) - 1}
    return ",".join(f"{name}={value}" for name, value in last.items())


def grown(pod: Pod, earlier: Sequence[Pod], classes: Sequence[ResourceClass]) -> Pod:
    """Return the pod with the size that this try should have.

    One class larger than the try before, if that ran out of memory; else the size of the try before, so that what was
    gained is kept. A try whose pod is gone cannot be known: then the size is that of the template.

    Args:
        pod: the pod about to be made.
        earlier: the pods of the try before, there may be several when one could not start.
        classes: all resource classes; one that is not there any more is passed over.
    """
    known = {one.name: one for one in classes}
    annotations = pod["metadata"]["annotations"]
    start = pod["metadata"]["labels"][LABEL_CLASS]
    ladder = [start, *(name for name in annotations[ANNOTATION_LARGER].split(",") if name in known)]
    places = [
        ladder.index(name) + ran_out_of_memory(each)
        for each in earlier
        if (name := (each["metadata"].get("labels") or {}).get(LABEL_CLASS)) in ladder
    ]
    name = ladder[min(max(places, default=0), len(ladder) - 1)]
    if name == start:
        return pod
    larger = sized(pod, known[name])
    larger["metadata"] = {**larger["metadata"], "annotations": {**annotations, ANNOTATION_GREW: start}}
    return larger


def ran_out_of_memory(pod: Pod) -> bool:
    """Whether the step's container in a pod, as the cluster reports it, was killed for its memory."""
    return any(
        ended.get("reason") == "OOMKilled" or ended.get("exitCode") == KILLED
        for container in (pod.get("status") or {}).get("containerStatuses") or []
        if container["name"] == CONTAINER
        for ended in [_terminated(container)]
    )


def _terminated(container: Mapping[str, Any]) -> Mapping[str, Any]:
    return (container.get("state") or {}).get("terminated") or {}


def _try(labels: Mapping[str, str]) -> int:
    return int(labels.get("try_number", 1))
