"""Why a pod waits, in words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from skyrail.kubernetes.waiting import log_line, reason

NO_GPU = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."


def scheduled(status: str, **more: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": status, **more}]}


def waiting(kind: str, why: str | None, message: str | None = None, image: str = "team/a:1") -> dict[str, Any]:
    said = {key: value for key, value in (("reason", why), ("message", message)) if value is not None}
    return {**scheduled("True"), kind: [{"name": "base", "image": image, "state": {"waiting": said}}]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        pytest.param({}, None, id="00 nobody has looked yet"),
        pytest.param(scheduled("True"), None, id="01 placed"),
        pytest.param(waiting("containerStatuses", "ContainerCreating"), None, id="02 ordinary"),
        pytest.param(waiting("containerStatuses", "PodInitializing"), None, id="03 ordinary, with a sidecar"),
        pytest.param(waiting("containerStatuses", None), None, id="04 waits, and nothing is said"),
        pytest.param(
            scheduled("False", reason="Unschedulable", message=NO_GPU),
            f"Waiting for a node that has what this step needs. The cluster says: {NO_GPU}",
            id="10 no GPU",
        ),
        pytest.param(
            scheduled("False", reason="SchedulingGated"),
            "Waiting for a node that has what this step needs. The cluster says: SchedulingGated",
            id="11 a gate",
        ),
        pytest.param(
            waiting("containerStatuses", "ErrImagePull", "not found"),
            "The image team/a:1 of this step cannot be fetched, which is tried again. not found",
            id="20 no image",
        ),
        pytest.param(
            waiting("initContainerStatuses", "ImagePullBackOff", "Back-off"),
            "The image team/a:1 of this step cannot be fetched, which is tried again. Back-off",
            id="21 no image of the sidecar",
        ),
        pytest.param(
            waiting("containerStatuses", "CreateContainerConfigError", 'secret "warehouse" not found'),
            'The container base does not start: CreateContainerConfigError. secret "warehouse" not found',
            id="30 no Secret",
        ),
    ],
)
def test_the_reason(status: dict[str, Any], said: str | None):
    found = reason({"status": status})
    assert (found and found[1]) == said


def test_an_image_that_is_tried_again_is_one_reason():
    """Two states take turns, and the log is not to grow with them."""
    one, two = (waiting("containerStatuses", why, why) for why in ("ErrImagePull", "ImagePullBackOff"))
    assert reason({"status": one})[0] == reason({"status": two})[0]  # type: ignore[index]


def test_a_line_of_the_log_is_one_json_object():
    line = log_line('a "b"\nc', datetime(2026, 1, 2, tzinfo=UTC))
    assert line.count("\n") == 1
    assert json.loads(line)["event"] == 'a "b"\nc'


def test_the_log_of_a_task_says_once_why_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A line in the log that Airflow shows for the queued task, and an event; again only for another reason."""
    client = pytest.importorskip("kubernetes.client")
    from airflow.models.taskinstancekey import TaskInstanceKey

    from skyrail.executors import KubernetesExecutor

    executor = KubernetesExecutor()
    monkeypatch.setattr(executor, "conf", SimpleNamespace(get=lambda *_: str(tmp_path)))
    key = TaskInstanceKey("flights", "train", "r1", 1, -1)
    executor.running, executor.scheduler_job_id = {key}, "1"
    executor._logs[key] = "dag_id=flights/attempt=1.log"
    annotations = {"dag_id": "flights", "task_id": "train", "run_id": "r1", "try_number": "1"}

    def pod(message: str) -> Any:
        condition = client.V1PodCondition(type="PodScheduled", status="False", message=message)
        metadata = client.V1ObjectMeta(name="p", annotations=annotations)
        return client.V1Pod(metadata=metadata, status=client.V1PodStatus(phase="Pending", conditions=[condition]))

    api = client.CoreV1Api()
    executor.kube_client = api
    for message in (NO_GPU, NO_GPU, "0/1 nodes are available: 1 Too many pods."):
        found = client.V1PodList(items=[pod(message)])
        monkeypatch.setattr(api, "list_namespaced_pod", lambda *_, found=found, **__: found)
        executor._say_who_waits()
    lines = (tmp_path / "dag_id=flights/attempt=1.log").read_text().splitlines()
    assert [json.loads(line)["event"].rpartition(": ")[2] for line in lines] == [
        "1 Insufficient nvidia.com/gpu.",
        "1 Too many pods.",
    ]
    assert [event.event for event in executor._task_event_logs] == ["waits", "waits"]
    executor.running = set()
    executor._say_who_waits()
    assert executor._said == {}
    assert executor._logs == {}
