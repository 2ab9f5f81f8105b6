"""Two installs in one cluster, one of them as Argo CD and Flux apply it, leave each other alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.cluster import ROOT, Namespace, Release, finish, run, trigger
from tests.e2e.conftest import RESTRICTED
from tests.e2e.test_network_policies import TARGETS, TRY

CHART = str(ROOT / "helm" / "skyrail")


class GitOps(Release):
    """An install without Helm: what Helm renders without a connection is applied on the server's side."""

    def apply(self, values: Path) -> str:
        """Apply it as Argo CD and Flux do, and return what kubectl says."""
        space = self.space
        rendered = run("helm", "template", self.name, CHART, "--namespace", space.name, "--values", str(values))
        return space.kubectl("apply", "--server-side", "--field-manager=argocd-controller", "-f", "-", text=rendered)

    def wait(self) -> None:
        """Wait until all parts are ready, by what a GitOps tool looks at."""
        for kind in ("deployments", "statefulsets"):
            for each in self.space.get(kind)["items"]:
                where = f"{kind}/{each['metadata']['name']}"
                self.space.kubectl("rollout", "status", where, "--timeout=300s", seconds=310)
        self.space.kubectl("wait", "jobs", "--all", "--for=condition=Complete", "--timeout=120s", seconds=130)

    def versions(self) -> dict[str, str]:
        """Return the version of each object that no controller writes to by itself."""
        kinds = "configmaps,secrets,services,serviceaccounts,networkpolicies,roles,rolebindings,persistentvolumeclaims"
        found = self.space.get(kinds, "-l", "app.kubernetes.io/name=skyrail")["items"]
        return {f"{each['kind']}/{each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}


@pytest.fixture(scope="module")
def second_values(values: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values of the second install: KubernetesExecutor alone."""
    said: dict[str, Any] = {**yaml.safe_load(values.read_text()), "executor": "KubernetesExecutor"}
    said.pop("workers")
    file = tmp_path_factory.mktemp("second") / "values.yaml"
    file.write_text(yaml.safe_dump(said))
    return file


@pytest.fixture(scope="module")
def second(release: Release, second_values: Path) -> Iterator[GitOps]:
    """The second install, beside the first."""
    space = Namespace("skyrail-e2e-second")
    space.create(RESTRICTED)
    installed = GitOps(space, release.name)
    installed.apply(second_values)
    installed.wait()
    yield installed
    run("kubectl", "delete", "namespace", space.name, "--wait=true", seconds=300)


def test_applied_again_it_is_in_sync(second: GitOps, second_values: Path):
    """Nothing is taken back or written again, though a job has filled the Secrets meanwhile."""
    before = second.versions()
    assert len(before) > 20
    assert all(each.get("data") for each in second.space.get("secrets")["items"])
    second.apply(second_values)
    assert second.versions() == before


def test_kubernetes_executor_alone(second: GitOps):
    """Without workers and broker every step is a pod."""
    assert not second.space.pods(component="workers")
    assert not second.space.pods(component="valkey")
    with second.api() as api:
        done = finish(api, "flights_short", trigger(api, "flights_short"), 400)
    assert {each["state"] for each in done.values()} == {"success"}
    assert all(each["hostname"].startswith("flights-short-") for each in done.values())


def test_each_reaches_only_its_own(release: Release, second: GitOps):
    """From the scheduler of one install nothing of the other answers, and what is secret differs."""
    services = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in release.space.get("services")["items"]}
    others = [f"{services[f'{release.name}-{name}']}:{port}" for name, port in TARGETS.items()]
    pod = second.space.pods(component="scheduler")[0]["metadata"]["name"]
    assert second.space.kubectl("exec", pod, "--", "bash", "-c", TRY, "try", *others).split() == []
    ours, theirs = (
        {value for each in space.get("secrets")["items"] if each["type"] == "Opaque" for value in each["data"].values()}
        for space in (release.space, second.space)
    )
    assert len(ours) >= 4
    assert not ours & theirs
    with release.api() as api:
        assert finish(api, "flights_short", trigger(api, "flights_short"))["judge"]["state"] == "success"
