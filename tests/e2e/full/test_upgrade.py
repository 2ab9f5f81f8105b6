"""An upgrade under load loses no task, changes no secret, and can be taken back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.cluster import Release, run, wait_until
from tests.e2e.full.load import Load, repeated

NEXT = os.environ.get("SKYRAIL_E2E_NEXT", "")
"""The tag of a second build of the images, which the nodes have, too."""


def secrets(release: Release) -> dict[str, Any]:
    """Return the data of all Secrets but Helm's."""
    found = release.space.get("secrets")["items"]
    return {each["metadata"]["name"]: each.get("data") for each in found if each["type"] == "Opaque"}


def images(release: Release) -> set[str]:
    """Return the images of Airflow's parts."""
    pods = release.space.pods(**{"app.kubernetes.io/instance": release.name})
    return {
        container["image"]
        for pod in pods
        if pod["metadata"]["labels"]["app.kubernetes.io/component"]
        in ("api-server", "scheduler", "workers", "triggerer")
        for container in pod["spec"]["containers"]
    }


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(["--set", "scheduler.parallelism=48"], id="values"),
        pytest.param(
            ["--set", f"image.tag={NEXT}", "--set", f"mlflow.image.tag={NEXT}", "--set", f"store.image.tag={NEXT}"],
            id="image",
            marks=pytest.mark.skipif(not NEXT, reason="SKYRAIL_E2E_NEXT names no second build"),
        ),
    ],
)
def test_an_upgrade_under_load_loses_nothing(release: Release, values: Path, more: list[str]):
    """`helm upgrade --wait` replaces every part while steps run, and `helm rollback --wait` puts the old ones back."""
    before = secrets(release)
    first = images(release)
    load = Load.start(release, worker_steps=40, pod_steps=8)
    release.helm("upgrade", values, *more)
    steps = load.finish()
    assert not load.lost(steps)
    assert not repeated(steps), "a step was interrupted"
    assert secrets(release) == before
    if NEXT in str(more) and NEXT:
        assert all(image.endswith(f":{NEXT}") for image in images(release))
    load = Load.start(release, worker_steps=40, pod_steps=8)
    run("helm", "rollback", release.name, "--namespace", release.space.name, "--wait", "--timeout", "600s", seconds=660)
    steps = load.finish()
    assert not load.lost(steps)
    assert not repeated(steps), "a step was interrupted"
    assert secrets(release) == before
    assert images(release) == first


def test_the_same_upgrade_again_changes_nothing(release: Release, values: Path):
    """No pod starts again, and no object but Helm's own has a new version."""
    release.helm("upgrade", values)

    def versions() -> dict[str, int]:
        kinds = "deployments,statefulsets,jobs,configmaps,services,networkpolicies,roles,serviceaccounts"
        found = release.space.get(kinds)["items"]
        return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"].get("generation", 1) for each in found}

    before, kept = versions(), secrets(release)
    release.helm("upgrade", values)
    assert versions() == before
    assert secrets(release) == kept


@pytest.mark.skipif(not NEXT, reason="SKYRAIL_E2E_NEXT names no second build")
def test_an_older_schema_is_migrated(release: Release, values: Path):
    """A database of an earlier Airflow is brought to the schema of a newer image, and a run goes on after it."""
    load = Load.start(release, worker_steps=20, pod_steps=4)
    kept = ("postgresql", "valkey", "pgbouncer")
    for kind in ("deployments", "statefulsets"):
        for each in release.space.get(kind)["items"]:
            name = each["metadata"]["name"]
            if not name.endswith(kept):
                release.space.kubectl("scale", f"{kind}/{name}", "--replicas=0")
    component = "app.kubernetes.io/component in (api-server,scheduler,dag-processor,triggerer,workers)"
    wait_until("the platform has stopped", lambda: not release.space.get("pods", "-l", component)["items"], 300)
    downgrade(release, "3.2.0")
    release.helm("upgrade", values, "--set", f"image.tag={NEXT}")
    steps = load.finish()
    assert not load.lost(steps)


def downgrade(release: Release, version: str) -> None:
    """Give the database the schema of an earlier Airflow, by a pod like the one that migrates."""
    [job, *_] = release.space.get("jobs", "-l", "app.kubernetes.io/component=migrations")["items"]
    spec = job["spec"]["template"]["spec"]
    spec["restartPolicy"] = "Never"
    spec["containers"][0]["args"] = ["airflow", "db", "downgrade", "--to-version", version, "--yes"]
    labels = {key: value for key, value in job["spec"]["template"]["metadata"]["labels"].items() if "batch" not in key}
    labels.pop("controller-uid", None)
    labels.pop("job-name", None)
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "downgrade", "labels": labels}, "spec": spec}
    release.space.apply(pod)
    try:
        release.space.kubectl(
            "wait", "pod/downgrade", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=180s", seconds=190
        )
    except AssertionError as error:
        raise AssertionError(release.space.kubectl("logs", "downgrade", check=False)) from error
    finally:
        release.space.kubectl("delete", "pod", "downgrade", "--wait=false")


def test_rendered_twice_is_identical(release: Release, values: Path):
    """What is rendered depends on the values alone."""
    chart = str(Path(__file__).parents[3] / "helm" / "skyrail")
    command = ["helm", "template", release.name, chart, "--namespace", release.space.name, "--values", str(values)]
    first, second = (subprocess.run(command, capture_output=True, check=True).stdout for _ in range(2))
    assert first == second
