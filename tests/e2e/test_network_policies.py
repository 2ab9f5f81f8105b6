"""On the live cluster, each part reaches what it needs, and nothing else."""

from __future__ import annotations

import pytest
from tests.e2e.cluster import Namespace, Release

TARGETS = {
    "api-server": 8080,
    "mlflow": 5000,
    "pgbouncer": 6432,
    "postgresql": 5432,
    "valkey": 6379,
}

CLUSTER = "kubernetes.default.svc.cluster.local"
"""The cluster's API, at port 443."""

# Bash opens the connections, since the store's image has no Python; all at once, since what is dropped takes its time.
TRY = """for target in "$@"; do
  (timeout 4 bash -c "exec 3<>/dev/tcp/${target%:*}/${target#*:}" 2>/dev/null && echo "$target") &
done; wait"""


@pytest.mark.parametrize(
    ("component", "allowed"),
    [
        pytest.param("api-server", {"pgbouncer", "mlflow", CLUSTER}, id="00 api-server"),
        pytest.param("scheduler", {"pgbouncer", "valkey", CLUSTER}, id="01 scheduler, which starts pods"),
        pytest.param("dag-processor", {"pgbouncer"}, id="02 dag-processor"),
        pytest.param("triggerer", {"pgbouncer"}, id="03 triggerer"),
        pytest.param("workers", {"api-server", "mlflow", "valkey"}, id="04 workers: no database"),
        pytest.param("mlflow", {"postgresql"}, id="10 mlflow"),
        pytest.param("pgbouncer", {"postgresql"}, id="11 pgbouncer"),
        pytest.param("postgresql", set(), id="12 postgresql calls nobody"),
        pytest.param("valkey", set(), id="13 valkey calls nobody"),
    ],
)
def test_who_reaches_whom(release: Release, component: str, allowed: set[str]):
    """Allowed targets answer; all others do not."""
    pod = release.space.pods(component=component)[0]["metadata"]["name"]
    named = {f"{release.name}-{target}:{port}": target for target, port in TARGETS.items() if target != component}
    named[f"{CLUSTER}:443"] = CLUSTER
    # A pod that may call nobody may not ask for names either: it gets addresses.
    services = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in release.space.get("services")["items"]}
    services[CLUSTER] = Namespace("default").get("service", "kubernetes")["spec"]["clusterIP"]
    address = {f"{services[where.partition(':')[0]]}:{where.partition(':')[2]}": to for where, to in named.items()}
    said = release.space.kubectl("exec", pod, "--", "bash", "-c", TRY, "try", *address)
    assert {address[line] for line in said.split()} == allowed
