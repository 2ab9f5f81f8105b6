"""Waiting for a release: it ends when all is ready, at its deadline, or when nothing can heal."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.cluster_programs import FakeCluster

from skyrail.install import progress
from skyrail.install.programs import Done, Programs
from skyrail.install.progress import Progress, StuckError, part
from skyrail.operations.database import DatabaseError, problem

Object = dict[str, Any]
LABELS = {"app.kubernetes.io/instance": "sky"}


def workload(kind: str, *, ready: bool, name: str = "sky-a", **spec: Any) -> Object:
    status: Object = {"observedGeneration": 2}
    if ready:
        status |= {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1, "succeeded": 1}
        status |= {"currentRevision": "r", "updateRevision": "r"}
    metadata = {"name": name, "generation": 2, "labels": LABELS}
    return {"kind": kind, "metadata": metadata, "spec": {"replicas": 1, **spec}, "status": status}


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "Job"])
def test_a_workload_is_ready_or_not(kind: str):
    assert part(workload(kind, ready=True)).ready
    assert not part(workload(kind, ready=False)).ready


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"observedGeneration": 1}, id="00 the change was not seen yet"),
        pytest.param({"updatedReplicas": 0}, id="10 the pod is the one of before"),
        pytest.param({"replicas": 2}, id="20 one of before still runs"),
        pytest.param({"currentRevision": "old"}, id="30 not all were replaced"),
        pytest.param({"readyReplicas": 0}, id="40 it is not ready"),
    ],
)
def test_an_upgrade_is_not_done_before_its_pods_run(change: Object):
    one = workload("StatefulSet", ready=True)
    one["status"] |= change
    assert not part(one).ready


def wait(cluster: FakeCluster, objects: list[Object], timeout: float = 900) -> tuple[list[Progress], list[float]]:
    shown: list[Progress] = []
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    tools = Programs("team", execute=cluster.execute)
    progress.wait(tools, "sky", objects, shown.append, timeout=timeout, clock=lambda: now[0], sleep=sleep)
    return shown, now


def test_it_returns_when_all_is_ready():
    cluster = FakeCluster()
    ready = [workload("Deployment", ready=True), workload("Job", ready=True, name="sky-job")]
    cluster.objects += ready
    shown, _ = wait(cluster, ready)
    assert shown[-1].done


def test_it_gives_up_at_its_deadline_and_names_what_is_not_ready():
    cluster = FakeCluster()
    cluster.objects.append(workload("Deployment", ready=False))
    with pytest.raises(StuckError, match=r"not ready after 60 s.\n  deployment/sky-a: 0/1 ready") as caught:
        wait(cluster, cluster.objects[-1:], timeout=60)
    assert "skyrail uninstall --namespace team --release sky" in caught.value.fix


def _pod(name: str, state: Object, component: str = "api-server", **more: Object) -> Object:
    container = {"name": component, "image": "reg/x:1", "restartCount": 0, "state": state, **more}
    labels = {**LABELS, "app.kubernetes.io/component": component}
    status = {"phase": "Pending", "containerStatuses": [container]}
    return {"kind": "Pod", "metadata": {"name": name, "labels": labels}, "status": status}


def test_what_cannot_heal_ends_the_wait_at_once():
    cluster = FakeCluster()
    cluster.objects.append(workload("Deployment", ready=False))
    cluster.objects.append(_pod("sky-a-1", {"waiting": {"reason": "InvalidImageName"}}))
    with pytest.raises(StuckError, match=r"pod/sky-a-1: reg/x:1 is no name of an image"):
        wait(cluster, cluster.objects[-2:-1])
    assert sum("get deployments" in each for each in cluster.commands) == 1


def test_an_image_that_is_not_there_gets_a_minute():
    cluster = FakeCluster()
    cluster.objects.append(workload("Deployment", ready=False))
    cluster.objects.append(_pod("sky-a-1", {"waiting": {"reason": "ErrImagePull", "message": "reg/x:1: not found"}}))
    with pytest.raises(StuckError, match="cannot be fetched"):
        wait(cluster, cluster.objects[-2:-1])
    assert sum("get deployments" in each for each in cluster.commands) == 31


def test_what_migrations_wait_for_is_shown():
    cluster = FakeCluster()
    cluster.objects.append(workload("Job", ready=False, name="sky-migrations"))
    running = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    cluster.objects.append(_pod("sky-migrations-1", running, "migrations"))
    cluster.logs["sky-migrations-1"] = "The database at pg:5432 does not answer; waiting for it."
    with pytest.raises(StuckError, match=r"not ready after 30 s(.|\n)*pg:5432 does not answer"):
        wait(cluster, cluster.objects[-2:-1], timeout=30)


def test_a_wrong_password_ends_the_wait_once_the_job_says_so():
    """The job has given it a minute, and says in its last lines what to do."""
    cluster = FakeCluster()
    cluster.objects.append(workload("Job", ready=False, name="sky-migrations"))
    back_off, ended = {"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}}
    cluster.objects.append(_pod("sky-migrations-1", back_off, "migrations", lastState=ended))
    found = problem(Exception("password authentication failed"), "postgresql://airflow@pg/airflow")
    cluster.logs["sky-migrations-1"] = f"Error: {DatabaseError(found.message, fix=found.fix)}"
    with pytest.raises(StuckError, match=r"refuses the password of the user 'airflow'(.|\n)*→ See that the Secret"):
        wait(cluster, cluster.objects[-2:-1])
    assert sum("get deployments" in each for each in cluster.commands) == 1


def test_a_step_that_waits_for_a_gpu_does_not_matter():
    cluster = FakeCluster()
    pod = _pod("dag-step", {"waiting": {"reason": "InvalidImageName"}}, "steps")
    pod["metadata"]["labels"]["kubernetes_executor"] = "True"
    cluster.objects += [workload("Deployment", ready=False), pod]
    with pytest.raises(StuckError, match="not ready after 10 s"):
        wait(cluster, cluster.objects[-2:-1], timeout=10)


def test_a_cluster_that_is_away_for_a_moment_is_waited_for():
    cluster = FakeCluster()
    ready = [workload("Deployment", ready=True)]
    cluster.objects += ready
    answers = [Done(1, "", "The connection to the server 10.0.0.1:6443 was refused")] * 6
    execute = cluster.execute
    cluster.execute = lambda *call: answers.pop() if answers else execute(*call)  # type: ignore[method-assign]
    shown, _ = wait(cluster, ready)
    assert [each.done for each in shown] == [False] * 6 + [True]
    assert [bool(each.stuck) for each in shown] == [False] * 5 + [True, False]
    assert "does not answer" in shown[5].stuck[0].reason


def test_what_passes_by_itself_is_not_shown():
    """All parts start at once, and wait for a moment for the job that makes secrets, or for a node."""
    cluster = FakeCluster()
    cluster.objects.append(workload("Deployment", ready=False))
    state = {"waiting": {"reason": "CreateContainerConfigError", "message": "couldn't find key password"}}
    cluster.objects.append(_pod("sky-a-1", state))
    shown = []
    tools = Programs("team", execute=cluster.execute)
    ticks = iter(range(0, 100, 4))
    names = cluster.objects[-2:-1]
    with pytest.raises(StuckError, match="cannot start: couldn't find key password"):
        progress.wait(tools, "sky", names, shown.append, timeout=20, clock=lambda: next(ticks), sleep=lambda _: None)
    assert [bool(each.stuck) for each in shown] == [False, False, False, True, True]


def test_pods_that_an_upgrade_replaces_do_not_matter():
    """Those of a wrong image are there until the right one works."""
    cluster = FakeCluster()
    cluster.objects.append(workload("Deployment", ready=False))
    for name, made, state in (
        ("sky-a-old", "2026-01-01T00:00:00Z", {"waiting": {"reason": "InvalidImageName"}}),
        ("sky-a-new", "2026-01-01T00:05:00Z", {"waiting": {"reason": "ContainerCreating"}}),
    ):
        pod = _pod(name, state)
        pod["metadata"] |= {
            "creationTimestamp": made,
            "labels": {**pod["metadata"]["labels"], "pod-template-hash": name},
        }
        cluster.objects.append(pod)
    with pytest.raises(StuckError, match="not ready after 10 s"):
        wait(cluster, cluster.objects[-3:-2], timeout=10)


def test_what_crashes_again_and_again_has_not_healed_between():
    """A pod that starts anew is not stuck for as long as it runs."""
    cluster = FakeCluster()
    cluster.objects.append(workload("Job", ready=False, name="sky-migrations"))
    pod = _pod("sky-migrations-1", {"running": {}}, "migrations")
    [container] = pod["status"]["containerStatuses"]
    container["lastState"] = {"terminated": {"exitCode": 1}}
    cluster.objects.append(pod)
    cluster.logs["sky-migrations-1"] = "The database at pg:5432 refuses the password of the user 'airflow'."
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        container["state"] = {"running": {}} if now[0] % 60 < 30 else {"waiting": {"reason": "CrashLoopBackOff"}}

    tools = Programs("team", execute=cluster.execute)
    with pytest.raises(StuckError, match=r"refuses the password(.|\n)*database.passwordSecret"):
        progress.wait(
            tools, "sky", cluster.objects[-2:-1], lambda _: None, timeout=900, clock=lambda: now[0], sleep=sleep
        )
    assert now[0] <= 120
