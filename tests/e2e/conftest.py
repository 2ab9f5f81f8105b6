"""One install of the chart, shared by all checks, with DAGs from a git server in the cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.e2e.cluster import ROOT, Namespace, Release, run

import skyrail

VALUES = Path(__file__).with_name("values.yaml")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what needs a cluster when there is none; where a cluster is required, fail."""
    missing = [name for name in ("kubectl", "helm") if shutil.which(name) is None]
    if not missing and os.environ.get("KUBECONFIG"):
        return
    reason = "KUBECONFIG names no cluster" if not missing else f"{' and '.join(missing)} not found"
    if os.environ.get("SKYRAIL_REQUIRE_ALL") == "1":
        raise pytest.UsageError(f"End-to-end tests cannot run: {reason}.")
    for item in items:
        item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def git_server() -> Iterator[str]:
    """The address of a repository on a git server in the cluster, with the DAGs of these tests."""
    space = Namespace("skyrail-e2e-git")
    space.create({})
    serve = "git init -q --bare -b main /tmp/dags.git && exec /usr/lib/git-core/git-daemon --verbose --export-all \
--enable=receive-pack --reuseaddr --base-path=/tmp /tmp"
    container = {"name": "git", "image": f"skyrail/skyrail:{skyrail.__version__}", "command": ["sh", "-c", serve]}
    labels = {"app": "git"}
    pod = {"metadata": {"name": "git", "labels": labels}, "spec": {"containers": [container]}}
    port = {"selector": labels, "ports": [{"port": 9418}]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "git"}, "spec": port}
    space.apply({"apiVersion": "v1", "kind": "Pod", **pod}, service)
    space.kubectl("wait", "pod/git", "--for=condition=Ready", "--timeout=120s", seconds=130)
    yield f"git://git.{space.name}.svc.cluster.local/dags.git"
    space.delete()


@pytest.fixture(scope="session")
def dags(git_server: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of the repository, pushed."""
    folder = tmp_path_factory.mktemp("dags")
    shutil.copytree(ROOT / "dags" / "flights", folder / "flights", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(Path(__file__).with_name("dags"), folder, dirs_exist_ok=True)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for arguments in (["init", "-qb", "main"], ["add", "-A"], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    with Namespace("skyrail-e2e-git").forward("pod/git", 9418) as local:
        run("git", "-C", str(folder), "push", "-q", f"git://127.0.0.1:{local}/dags.git", "main")
    return folder


@pytest.fixture(scope="session")
def values(git_server: str, dags: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The values of the install: those in the file beside this one, and where the DAGs are, once they are pushed."""
    del dags
    said: dict[str, Any] = yaml.safe_load(VALUES.read_text())
    said["dags"] = {"git": {"repository": git_server, "refreshSeconds": 5, "port": 9418}}
    file = tmp_path_factory.mktemp("values") / "values.yaml"
    file.write_text(yaml.safe_dump(said))
    return file


@pytest.fixture(scope="session")
def release(values: Path) -> Iterator[Release]:
    """The install, in a namespace that enforces Pod Security's level "restricted"."""
    space = Namespace("skyrail-e2e")
    space.create(RESTRICTED)
    installed = Release(space)
    installed.helm("upgrade", values, "--install")
    yield installed
    if os.environ.get("SKYRAIL_E2E_KEEP") != "1":
        run("helm", "uninstall", installed.name, "--namespace", space.name, "--wait", seconds=300)
        space.delete()


@pytest.fixture(scope="session")
def api(release: Release) -> Iterator[httpx.Client]:
    """Airflow's API as whoever followed the sign-in link."""
    with release.api() as client:
        yield client
