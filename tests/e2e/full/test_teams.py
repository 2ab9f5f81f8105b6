"""Two teams, each with a namespace for its steps, on an install whose parts speak TLS to one another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.e2e.cluster import Namespace, Release, finish, run, tasks, trigger, wait_until
from tests.e2e.conftest import RESTRICTED
from tests.e2e.full.conftest import SECRET, storage
from tests.e2e.test_install_command import check
from tests.e2e.test_network_policies import TRY

RISK, ADS = Namespace("skyrail-e2e-risk"), Namespace("skyrail-e2e-ads")


@pytest.fixture(scope="module")
def team_values(values: Path, bucket: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values: all flights belong to one team and all else to the other, which may have one pod at once."""
    said: dict[str, Any] = {**yaml.safe_load(values.read_text()), "executor": "KubernetesExecutor"}
    said.pop("workers")
    said["teams"] = [
        {"name": "risk", "namespace": RISK.name, "dags": ["flights_*"]},
        {"name": "ads", "namespace": ADS.name, "dags": ["*"], "quota": {"pods": "1"}},
    ]
    said["storage"] = storage(bucket)
    said["environment"] = {"AWS_DEFAULT_REGION": "us-east-1"}
    said["tls"] = {"enabled": True, "web": True}
    file = tmp_path_factory.mktemp("teams") / "values.yaml"
    file.write_text(yaml.safe_dump(said))
    return file


@pytest.fixture(scope="module")
def shared(team_values: Path) -> Iterator[Release]:
    """The install."""
    space = Namespace("skyrail-e2e-teams")
    for each in (space, RISK, ADS):
        each.create(RESTRICTED)
        each.apply(SECRET)
    installed = Release(space, "shared", scheme="https")
    try:
        installed.helm("install", team_values)
        authority = space.get("secret", "shared-tls")["data"]["ca.crt"]
        for team in (RISK, ADS):
            metadata = {"name": "shared-tls"}
            team.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"ca.crt": authority}})
        yield installed
    finally:
        for each in (space, RISK, ADS):
            run("kubectl", "delete", "namespace", each.name, "--wait=true", seconds=300)


@pytest.fixture
def api(shared: Release) -> Iterator[httpx.Client]:
    """Airflow's API as whoever followed the sign-in link."""
    with shared.api() as client:
        yield client


def test_steps_run_in_their_teams_namespace(shared: Release, api: httpx.Client, bucket: Any):
    """The pods of a team's DAG are in its namespace; their results and logs are in the bucket."""
    started = trigger(api, "flights_short")
    wait_until("a pod of the team runs", lambda: RISK.pods(**{"skyrail.dev/team": "risk"}), 120)
    assert not shared.space.pods(component="steps")
    assert not ADS.pods(component="steps")
    done = finish(api, "flights_short", started, 400)
    assert {each["state"] for each in done.values()} == {"success"}
    said = api.get(f"/api/v2/dags/flights_short/dagRuns/{started}/taskInstances/judge/logs/1").text
    assert "brier" in said
    found = [each["Key"] for each in bucket.list_objects_v2(Bucket="team", Prefix="skyrail/")["Contents"]]
    assert [each for each in found if "/logs/" in each]
    assert [each for each in found if each.endswith(".parquet")]


def test_a_quota_is_waited_for_and_others_are_out_of_reach(shared: Release, api: httpx.Client):
    """Of four steps one runs at a time, and none fails; meanwhile it reaches what steps may, and no other."""
    run_id = trigger(api, "steady", {"worker_steps": 0, "pod_steps": 4, "seconds": 15})
    services = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in shared.space.get("services")["items"]}
    services["cluster"] = Namespace("default").get("service", "kubernetes")["spec"]["clusterIP"]
    ports = {
        "shared-api-server": 8080,
        "shared-mlflow": 5000,
        "shared-pgbouncer": 6432,
        "shared-postgresql": 5432,
        "cluster": 443,
    }
    address = {f"{services[name]}:{port}": name for name, port in ports.items()}

    def step() -> str:
        over = ("Succeeded", "Failed")
        pods = [each for each in ADS.pods(component="steps") if each["status"]["phase"] not in over]
        assert len(pods) <= 1
        up = [each["metadata"]["name"] for each in pods if each["status"]["phase"] == "Running"]
        running = {each["task_id"] for each in tasks(api, "steady", run_id).values() if each["state"] == "running"}
        return up[0] if up and "in_pod" in running else ""

    pod = wait_until("a step runs", step, 180)
    said = ADS.kubectl("exec", pod, "-c", "base", "--", "bash", "-c", TRY, "try", *address)
    assert {address[line] for line in said.split()} == {"shared-api-server", "shared-mlflow"}
    done = finish(api, "steady", run_id, 600)
    assert done["in_pod"]["state"] == "success"


def test_all_connections_to_the_database_are_encrypted(shared: Release):
    """Nobody is connected to PostgreSQL over the network without TLS."""
    query = "select count(*) filter (where ssl), count(*) from pg_stat_ssl join pg_stat_activity using (pid) \
where client_addr is not null"
    where = ("-h", "/tmp/postgres", "-U", "postgres", "-At", "-F", " ", "-c", query)
    said = shared.space.kubectl("exec", "shared-postgresql-0", "--", "psql", *where)
    encrypted, all_of_them = map(int, said.split())
    assert all_of_them
    assert encrypted == all_of_them


def test_what_is_installed_for_teams_passes_and_would_not_change(shared: Release, team_values: Path):
    """The cluster itself is asked about objects of three namespaces at once."""
    done = check(shared.space.name, "--release", shared.name, "--values", str(team_values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Nothing would change in {shared.name}." in done.stdout
    for team in (RISK, ADS):
        assert f"Teams: {team.name} is there, and enforces restricted." in done.stdout
