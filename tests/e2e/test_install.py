"""A default evaluation install on a real cluster works, and nothing in it is open."""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterator

import httpx
from tests.e2e.cluster import Release, finish, run, trigger, wait_until


def test_all_pods_are_ready(release: Release):
    """`helm install --wait` returns with every pod ready and every job done."""
    for pod in release.space.get("pods", "-l", "app.kubernetes.io/component!=steps")["items"]:
        phase = pod["status"]["phase"]
        ready = all(container["ready"] for container in pod["status"].get("containerStatuses", []))
        assert phase == "Succeeded" or (phase == "Running" and ready), pod["metadata"]["name"]


def test_nobody_gets_in_without_a_link(release: Release):
    """No password exists: the API refuses whoever has no session, and a link works once."""
    with release.space.forward(f"service/{release.name}-api-server", 8080) as port:
        base = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{base}/api/v2/dags").status_code == 401
        path = httpx.URL(release.login_link()).raw_path.decode()
        assert "_token" in httpx.get(base + path).cookies
        assert "_token" not in httpx.get(base + path).cookies


def test_nothing_secret_is_in_the_manifest(release: Release):
    """What Helm rendered has no secret; what the job made is in Secrets alone."""
    rendered = run("helm", "get", "manifest", release.name, "--namespace", release.space.name)
    secrets = [each for each in release.space.get("secrets")["items"] if each["type"] == "Opaque"]
    values = [value for each in secrets for value in (each.get("data") or {}).values()]
    assert len(values) >= 4
    assert not [value for value in values if value in rendered or base64.b64decode(value).decode() in rendered]


def test_one_run_on_celery_and_in_pods(release: Release, api: httpx.Client):
    """The steps of one DAG run go where their class says, and each is recorded in MLflow."""
    started = trigger(api, "flights_short")
    done = finish(api, "flights_short", started)
    assert {name: each["state"] for name, each in done.items()} == dict.fromkeys(
        ("extract", "extract_next", "train", "judge"), "success"
    )
    assert {name: each["executor"] or "" for name, each in done.items()}["train"] == "KubernetesExecutor"
    worker = release.space.pods(component="workers")[0]["metadata"]["name"]
    assert done["extract"]["hostname"] == worker
    assert re.match("flights-short-train", done["train"]["hostname"])
    with mlflow(release) as client:
        # What a step logs is sent on from its spool: it is there some seconds after the task ended.
        wait_until("the steps' metrics are in MLflow", lambda: {"rows", "late_share", "brier"} <= metrics(client))


@contextlib.contextmanager
def mlflow(release: Release) -> Iterator[httpx.Client]:
    """Return a client of MLflow's API."""
    with (
        release.space.forward(f"service/{release.name}-mlflow", 5000) as port,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/2.0/mlflow", timeout=30) as client,
    ):
        yield client


def metrics(client: httpx.Client) -> set[str]:
    """Return the names of all metrics that the pipeline's runs have."""
    found = client.get("/experiments/get-by-name", params={"experiment_name": "flights_short"}).json()
    runs = client.post("/runs/search", json={"experiment_ids": [found["experiment"]["experiment_id"]]}).json()
    return {metric["key"] for each in runs["runs"] for metric in each["data"].get("metrics", [])}
