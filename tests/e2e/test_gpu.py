"""A step waits for a GPU with its reason in sight, and runs once there is one."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from tests.e2e.cluster import Release, finish, run, trigger, wait_until

RESOURCE = "nvidia.com~1gpu"


@pytest.fixture
def node() -> Iterator[str]:
    """The name of the node, which loses its GPU afterwards."""
    name = run("kubectl", "get", "nodes", "-o", "name").split()[0].partition("/")[2]
    yield name
    patch = json.dumps([{"op": "remove", "path": f"/status/capacity/{RESOURCE}"}])
    run("kubectl", "patch", "node", name, "--subresource=status", "--type=json", "-p", patch, check=False)


def test_a_gpu_is_waited_for(release: Release, api: httpx.Client, node: str):
    """Pod and log of the task say that nvidia.com/gpu is missing, until a node has it."""
    started = trigger(api, "needs_gpu")
    labels = {"dag_id": "needs_gpu"}
    pod = wait_until("the pod is made", lambda: release.space.pods(**labels), 90)[0]

    def why() -> str:
        [now] = release.space.pods(**labels)
        return next((each.get("message", "") for each in now["status"].get("conditions", [])), "")

    assert "nvidia.com/gpu" in wait_until("the scheduler says why", why, 60)
    where = f"/api/v2/dags/needs_gpu/dagRuns/{started}/taskInstances/learn/logs/1"
    wait_until("the task's log says why", lambda: "Insufficient nvidia.com/gpu" in api.get(where).text, 60)
    limits = pod["spec"]["containers"][0]["resources"]["limits"]
    assert limits["nvidia.com/gpu"] == "1"
    patch = json.dumps([{"op": "add", "path": f"/status/capacity/{RESOURCE}", "value": "1"}])
    run("kubectl", "patch", "node", node, "--subresource=status", "--type=json", "-p", patch)
    assert finish(api, "needs_gpu", started)["learn"]["state"] == "success"
