"""Why a pod waits, in words for whoever waits for its step."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

ORDINARY = ("ContainerCreating", "PodInitializing")
"""What every pod goes through."""


def reason(pod: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return why a pod (as Kubernetes' API gives it) waits: what tells the reason from others, and a sentence.

    None while there is nothing to say: it was placed and its images are there, or nobody has looked at it yet.
    """
    status = pod.get("status") or {}
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            said = condition.get("message") or condition.get("reason") or "no reason was given"
            return f"place {said}", f"Waiting for a node that has what this step needs. The cluster says: {said}"
    containers = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
    for container in containers:
        waits = (container.get("state") or {}).get("waiting")
        if not waits or waits.get("reason") in (None, *ORDINARY):
            continue
        why, said = waits["reason"], waits.get("message") or ""
        if why in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
            # The two take turns.
            return (
                f"image {container['image']}",
                f"The image {container['image']} of this step cannot be fetched, which is tried again. {said}".strip(),
            )
        return f"{why} {container['name']}", f"The container {container['name']} does not start: {why}. {said}".strip()
    return None


def log_line(sentence: str, at: datetime) -> str:
    """Return a line of a task's log file as Airflow's pages read it: one JSON object."""
    return json.dumps({
        "timestamp": at.isoformat(),
        "level": "warning",
        "event": sentence,
        "logger": "skyrail.executors",
    }) + "\n"  # fmt: skip
