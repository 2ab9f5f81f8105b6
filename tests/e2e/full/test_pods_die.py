"""Each pod may die once under load, and nobody has to do anything."""

from __future__ import annotations

import json
import time

import pytest
from tests.e2e.cluster import Release, trigger, wait_until
from tests.e2e.full.load import Load, repeated

PARTS = [
    "api-server",
    "scheduler",
    "dag-processor",
    "triggerer",
    "workers",
    "mlflow",
    "pgbouncer",
    "postgresql",
    "valkey",
    "steps",
]


@pytest.fixture(scope="module")
def load(release: Release) -> Load:
    """A run that is under way for as long as these tests kill."""
    return Load.start(release, worker_steps=80, pod_steps=16)


@pytest.mark.parametrize("component", PARTS)
def test_a_part_dies(release: Release, load: Load, component: str):
    """Kubernetes makes the pod again, and it is ready; the pod of a step is made again by its next try."""
    pod, *_ = wait_until(
        f"a pod of {component} runs",
        lambda: [each for each in release.space.pods(component=component) if each["status"]["phase"] == "Running"],
    )
    release.space.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force", "--wait=true")
    if component == "steps":
        return

    def ready() -> bool:
        found = release.space.pods(component=component)
        return bool(found) and all(
            each["metadata"]["uid"] != pod["metadata"]["uid"]
            and each["status"].get("containerStatuses")
            and all(container["ready"] for container in each["status"]["containerStatuses"])
            for each in found
        )

    wait_until(f"{component} is ready again", ready, 300)


def test_nothing_was_lost(load: Load):
    """Every step of the run succeeded in the end, with the tries that its author allowed."""
    assert not load.lost(load.finish(1200))


def test_an_evicted_step_starts_again(release: Release):
    """A drained node evicts pods: a worker finishes what it has, and a step's pod is started by its next try."""
    load = Load.start(release, worker_steps=6, pod_steps=2, seconds=25)
    time.sleep(5)  # its function has begun
    chosen = [release.space.pods(component="workers")[0], release.space.pods(component="steps", dag_id="steady")[0]]
    for pod in chosen:
        name = pod["metadata"]["name"]
        where = f"/api/v1/namespaces/{release.space.name}/pods/{name}/eviction"
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        release.space.kubectl("create", "--raw", where, "-f", "-", text=json.dumps(eviction))
    steps = load.finish(280)  # less than Airflow waits for the heartbeat of a task that said nothing
    assert not load.lost(steps)
    assert not repeated([each for each in steps if each["task_id"] == "on_worker"]), "a worker was cut off"
    assert repeated(steps), "no step was evicted"


def test_a_step_whose_pod_died_before_it_began(release: Release):
    """What never began is no failed try: its pod is made again."""
    with release.api() as api:
        run_id = trigger(api, "steady", {"worker_steps": 0, "pod_steps": 1, "seconds": 1})
        [pod] = wait_until("its pod is made", lambda: release.space.pods(component="steps", dag_id="steady"), every=0.2)
        release.space.kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    steps = [each for each in Load(release, run_id, 1).finish() if each["task_id"] == "in_pod"]
    assert [(each["state"], each["try_number"]) for each in steps] == [("success", 1)]
    assert steps[0]["hostname"] != pod["metadata"]["name"]
