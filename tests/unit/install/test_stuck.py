"""What is stuck and why, from statuses and events as clusters write them."""

from __future__ import annotations

from typing import Any

import pytest

from skyrail.install.logs import diagnosed, waiting_for_database
from skyrail.install.stuck import NEVER, SOON, UNTIL_DEADLINE, Stuck, stuck, unready
from skyrail.operations import schema
from skyrail.operations.database import DatabaseError, problem

IMAGE = "reg.example.com/sky/skyrail:0.1.0"
Object = dict[str, Any]


def pod(*containers: Object, start: tuple[Object, ...] = (), **status: Any) -> Object:
    labels = {"app.kubernetes.io/component": "scheduler"}
    said = {"phase": "Pending", "initContainerStatuses": list(start), "containerStatuses": list(containers), **status}
    return {"kind": "Pod", "metadata": {"name": "sky-scheduler-0", "labels": labels}, "status": said}


def container(state: Object, name: str = "scheduler", restarts: int = 0, **more: Any) -> Object:
    return {"name": name, "image": IMAGE, "ready": False, "restartCount": restarts, "state": state, **more}


def waiting(reason: str, message: str = "") -> Object:
    return {"waiting": {"reason": reason, **({"message": message} if message else {})}}


def event(kind: str, name: str, reason: str, message: str, at: str = "2026-01-01T00:00:00Z") -> Object:
    about = {"kind": kind, "name": name, "namespace": "team"}
    return {"kind": "Event", "involvedObject": about, "reason": reason, "message": message, "lastTimestamp": at}


def claim(name: str) -> Object:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "status": {"phase": "Pending"}}


def job(**status: Any) -> Object:
    return {"kind": "Job", "metadata": {"name": "sky-migrations-1a2b"}, "spec": {}, "status": status}


def condition(kind: str, message: str, status: str = "True") -> Object:
    return {"type": kind, "status": status, "message": message, "reason": "Reason"}


PULL = f'failed to pull and unpack image "{IMAGE}": failed to resolve reference "{IMAGE}": {IMAGE}: not found'
DENIED = (
    f'failed to resolve reference "{IMAGE}": pull access denied, repository does not exist or may require authorization'
)
RPC = f'Failed to pull image "{IMAGE}": rpc error: code = NotFound desc = {PULL}'
BACK_OFF = f'Back-off pulling image "{IMAGE}"'
CRASHED = {"terminated": {"exitCode": 1, "reason": "Error"}}
QUOTA = (
    'pods "sky-scheduler-6b7-x2k" is forbidden: exceeded quota: small, requested: requests.memory=700Mi, '
    "used: requests.memory=4Gi, limited: requests.memory=4Gi"
)
SECURITY = (
    'pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile (pod or container "x" must set …)'
)


@pytest.mark.parametrize(
    ("pods", "workloads", "claims", "events", "reason", "patience"),
    [
        pytest.param(
            [pod(container(waiting("InvalidImageName", 'Failed to apply default image tag "a b"')))], [], [], [],
            f"{IMAGE} is no name of an image.", NEVER, id="00 the name is none",
        ),
        pytest.param(
            [pod(container(waiting("ErrImagePull", RPC)))], [], [], [],
            f"The image {IMAGE} cannot be fetched: {PULL}", SOON, id="10 the registry has none",
        ),
        pytest.param(
            [pod(container(waiting("ImagePullBackOff", BACK_OFF)))], [], [],
            [event("Pod", "sky-scheduler-0", "Failed", "Error: ErrImagePull"),
             event("Pod", "sky-scheduler-0", "Failed", RPC, "2026-01-01T00:00:01Z")],
            f"The image {IMAGE} cannot be fetched: {PULL}", SOON, id="20 an older cluster says it in an event",
        ),
        pytest.param(
            [pod(container(waiting("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {DENIED}")))], [], [], [],
            "pull access denied", SOON, id="30 the registry wants a password",
        ),
        pytest.param(
            [pod(container(waiting("ErrImagePull", "dial tcp 10.0.0.1:443: connect: connection refused")))], [], [], [],
            "connection refused", UNTIL_DEADLINE, id="40 the registry is away",
        ),
        pytest.param(
            [pod(start=(container(waiting("ErrImagePull", RPC), "wait"),))], [], [], [],
            "cannot be fetched", SOON, id="50 the start's image",
        ),
        pytest.param(
            [pod(conditions=[condition("PodScheduled", "0/1 nodes are available: 1 Insufficient memory.", "False")])],
            [], [], [], "No node takes it: 0/1 nodes are available: 1 Insufficient memory.", UNTIL_DEADLINE,
            id="60 no room",
        ),
        pytest.param(
            [pod(container(waiting("CrashLoopBackOff", "back-off 10s"), restarts=1, lastState=CRASHED))],
            [], [], [], "scheduler ends with exit code 1, 2 times.", UNTIL_DEADLINE, id="70 it crashed",
        ),
        pytest.param(
            [pod(container(waiting("CrashLoopBackOff", "back-off 1m20s"), restarts=5, lastState=CRASHED))],
            [], [], [], "exit code 1, 6 times", NEVER, id="80 it crashes all the time",
        ),
        pytest.param(
            [pod(container(waiting("CrashLoopBackOff"), restarts=1,
                           lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))],
            [], [], [], "ended for its memory", UNTIL_DEADLINE, id="90 its memory",
        ),
        pytest.param(
            [pod(container(waiting("CreateContainerConfigError", "couldn't find key url in Secret team/broker")))],
            [], [], [], "couldn't find key url in Secret team/broker", 2 * SOON, id="100 a key is missing",
        ),
        pytest.param(
            [pod(container(waiting("ContainerCreating")))], [], [],
            [event("Pod", "sky-scheduler-0", "FailedMount", 'MountVolume.SetUp failed: secret "tls" not found')],
            'secret "tls" not found', UNTIL_DEADLINE, id="110 a volume is not mounted",
        ),
        pytest.param(
            [], [{"kind": "Deployment", "metadata": {"name": "sky-scheduler"}, "spec": {"replicas": 1},
                  "status": {"conditions": [condition("ReplicaFailure", QUOTA)]}}], [], [],
            "exceeded quota: small", SOON, id="120 a quota",
        ),
        pytest.param(
            [], [{"kind": "StatefulSet", "metadata": {"name": "sky-valkey"}, "spec": {"replicas": 1}}],
            [], [event("StatefulSet", "sky-valkey", "FailedCreate", SECURITY)],
            "violates PodSecurity", SOON, id="130 Pod Security",
        ),
        pytest.param(
            [], [job(failed=7, conditions=[condition("Failed", "Job has reached the specified limit")])], [], [],
            "The job failed for good: Job has reached", NEVER, id="140 a job gave up",
        ),
        pytest.param(
            [], [], [claim("sky-shared")],
            [event("PersistentVolumeClaim", "sky-shared", "ProvisioningFailed",
                   "failed to provision volume: NodePath only supports ReadWriteOnce access modes")],
            "The volume cannot be made: failed to provision volume: NodePath only supports", SOON, id="150 a volume",
        ),
    ],
)  # fmt: skip
def test_it_says_what_and_why(pods, workloads, claims, events, reason: str, patience: float):
    [found] = stuck(pods, workloads, claims, events)
    assert reason in found.reason
    assert found.patience == patience


@pytest.mark.parametrize(
    ("pods", "workloads", "claims", "events"),
    [
        pytest.param([pod(container(waiting("ContainerCreating")))], [], [], [], id="00 it is being made"),
        pytest.param([pod(container(waiting("PodInitializing")))], [], [], [], id="10 its start is at work"),
        pytest.param([pod(container({"running": {}}), phase="Running")], [], [], [], id="20 it starts"),
        pytest.param([pod(phase="Succeeded")], [], [], [], id="30 it is done"),
        pytest.param(
            [], [], [claim("x")],
            [event("PersistentVolumeClaim", "x", "WaitForFirstConsumer", "waiting for first consumer")],
            id="40 a volume that waits for its pod",
        ),
        pytest.param([], [job(active=1)], [], [event("Job", "sky-migrations-1a2b", "FailedCreate", QUOTA)],
                     id="50 a refusal of before"),
    ],
)  # fmt: skip
def test_what_only_takes_its_time_is_not_stuck(pods, workloads, claims, events):
    assert stuck(pods, workloads, claims, events) == []


@pytest.mark.parametrize(
    ("log", "fix", "patience"),
    [
        pytest.param(
            'FATAL:  password authentication failed for user "airflow"', "database.passwordSecret", SOON,
            id="00 password",
        ),
        pytest.param('FATAL:  database "airflow" does not exist', "database.name", SOON, id="10 no such database"),
        pytest.param(
            'could not translate host name "pg" to address: Name or service not known', "database.host", 2 * SOON,
            id="20 no such host",
        ),
        pytest.param("server at 10.0.0.9 failed: Connection refused", "firewall", UNTIL_DEADLINE, id="30 away"),
        pytest.param(
            "CommandError: Can't locate revision identified by 'abc'", "another release of Airflow", NEVER,
            id="50 Alembic says so",
        ),
    ],
)  # fmt: skip
def test_last_lines_are_understood(log: str, fix: str, patience: float):
    found = diagnosed(Stuck("pod/x", "It ends.", log=("x",)), f"first\n{log}\n")
    assert log in found.reason
    assert fix in found.fix
    assert found.patience == patience


def test_all_that_the_migration_job_gives_up_on_is_understood():
    """Each sentence has its own fix, and waiting would not change it: the job has waited already."""
    texts = [  # as PostgreSQL, PgBouncer and libpq say it
        'FATAL:  password authentication failed for user "airflow"', "FATAL:  SSL required",
        'no pg_hba.conf entry for host "10.0.0.1", user "a", database "b", SSL encryption', "FATAL:  no such user",
        'FATAL:  database "b" does not exist', "server does not support SSL", "certificate verify failed",
    ]  # fmt: skip
    problems = [problem(Exception(text), "postgresql://a@pg/b") for text in texts]
    assert all(each.lasting for each in problems)
    errors = [*schema._NEVER.values(), *(DatabaseError(each.message, fix=each.fix) for each in problems)]
    for error in errors:
        found = diagnosed(Stuck("pod/x", "It ends.", log=("x",)), f"waiting\nError: {error}\n")
        assert error.message in found.reason
        assert (found.fix, found.patience) == (error.fix, NEVER)


def test_migrations_that_run_are_asked_what_they_wait_for():
    """While they wait nothing fails: only their log says that the database does not answer."""
    one = pod(container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "migrations"))
    one["metadata"]["labels"]["app.kubernetes.io/component"] = "migrations"
    [found] = waiting_for_database([one])
    assert found.log == ("sky-scheduler-0", "--container", "migrations")


def test_the_topic_stays_while_a_back_off_counts():
    first, second = (Stuck("pod/x", f"a ends with exit code 1, {n} times.") for n in (2, 3))
    assert first.topic == second.topic


def test_what_runs_and_does_not_answer_is_named_with_its_probe():
    one = pod(container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}), phase="Running")
    probe = event(
        "Pod", "sky-scheduler-0", "Unhealthy", "Startup probe failed: No SchedulerJob has ever sent a heartbeat."
    )
    [found] = unready([one], [probe])
    assert found.reason == (
        "scheduler runs and is not ready: Startup probe failed: No SchedulerJob has ever sent a heartbeat."
    )
    assert unready([one], []) == []


def test_an_image_has_waited_as_long_between_two_tries():
    """Clusters write another sentence then, and it would be a new reason with a minute of its own."""
    states = [waiting("ErrImagePull", PULL), waiting("ImagePullBackOff", f"{BACK_OFF}: ErrImagePull: {PULL}")]
    first, second = [stuck([pod(container(state))], [], [], [])[0] for state in states]
    assert first == second


def test_a_registry_whose_name_nobody_knows_is_not_waited_for():
    said = "dial tcp: lookup registry.exmaple.com on 10.0.0.10:53: no such host"
    assert stuck([pod(container(waiting("ErrImagePull", said)))], [], [], [])[0].patience == SOON


def test_all_that_wait_for_the_database_are_named_when_migrations_are_over():
    """PgBouncer may have another password than they had."""
    waits = pod(start=(container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "wait"),))
    migrations = pod(phase="Running")
    migrations["metadata"] = {"name": "sky-migrations-1", "labels": {"app.kubernetes.io/component": "migrations"}}
    assert waiting_for_database([waits, migrations]) == []
    migrations["status"]["phase"] = "Succeeded"
    assert [each.name for each in waiting_for_database([waits, migrations])] == ["pod/sky-scheduler-0"]
