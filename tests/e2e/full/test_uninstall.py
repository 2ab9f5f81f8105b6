"""What an uninstall leaves: nothing, or the data, to which a later install comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.cluster import Namespace, Release, finish, run, trigger
from tests.e2e.conftest import RESTRICTED

KINDS = (
    "all,configmaps,secrets,serviceaccounts,roles,rolebindings,networkpolicies,persistentvolumeclaims,"
    "poddisruptionbudgets"
)


def left(release: Release) -> set[str]:
    """Return what there is in the namespace beyond what Kubernetes itself puts there."""
    kept = ("ConfigMap/kube-root-ca.crt", "ServiceAccount/default")
    found = {f"{each['kind']}/{each['metadata']['name']}" for each in release.space.get(KINDS)["items"]}
    return {each for each in found if each not in kept}


@pytest.fixture
def celery(values: Path, tmp_path: Path) -> Path:
    """The values of an install with CeleryExecutor alone, that keeps its data."""
    said: dict[str, Any] = {**yaml.safe_load(values.read_text()), "executor": "CeleryExecutor", "keepData": True}
    said["resourceClasses"] = [*said["resourceClasses"][:1], {"name": "large", "cpu": 0.5, "memory": "1500Mi"}]
    file = tmp_path / "celery.yaml"
    file.write_text(yaml.safe_dump(said))
    return file


def test_celery_alone_comes_back_to_its_data(celery: Path):
    """With `keepData` volumes and secrets stay, and an install of that name goes on with them; else nothing stays."""
    space = Namespace("skyrail-e2e-third")
    space.create(RESTRICTED)
    release = Release(space, "third")
    uninstall = ("helm", "uninstall", release.name, "--namespace", space.name, "--wait")
    try:
        release.helm("install", celery)
        with release.api() as api:
            first = trigger(api, "flights_short")
            done = finish(api, "flights_short", first)
            worker = space.pods(component="workers")[0]["metadata"]["name"]
            assert {(each["state"], each["hostname"]) for each in done.values()} == {("success", worker)}
        run(*uninstall, seconds=300)
        assert {each.partition("/")[0] for each in left(release)} == {"PersistentVolumeClaim", "Secret"}
        release.helm("install", celery)
        with release.api() as api:
            found = api.get(f"/api/v2/dags/flights_short/dagRuns/{first}")
            assert found.json()["state"] == "success"
        release.helm("upgrade", celery, "--set", "keepData=false")
        run(*uninstall, seconds=300)
        assert not left(release)
    finally:
        run("kubectl", "delete", "namespace", space.name, "--wait=true", seconds=300)
