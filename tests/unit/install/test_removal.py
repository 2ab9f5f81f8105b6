"""`skyrail uninstall`: what goes, what stays, and in which order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.render import render
from tests.fakes.cluster_programs import FakeCluster
from typer.testing import CliRunner

from skyrail.cli.main import app
from skyrail.install import chart, programs, removal
from skyrail.install.data import keeps, owned_claims
from skyrail.install.programs import Done, Programs
from skyrail.install.removal import RemovalError

CLAIMS = ["sky-shared", "data-sky-postgresql-0", "data-sky-valkey-0", "spool-sky-workers-default-0"]
OTHERS = ["data-sky-postgresql-backup", "spool-sky-workers-other-0", "data-0", "data-sky-valkey-old-0"]
SECRETS = ["sky-airflow", "sky-broker", "sky-database", "sky-mlflow"]


def volume(name: str) -> dict[str, Any]:
    return {"kind": "PersistentVolumeClaim", "metadata": {"name": name}, "status": {"phase": "Bound"}}


class Installed(FakeCluster):
    """A cluster with a release, whose objects go when they are deleted."""

    def __init__(self, *, keep: bool = False, steps: int = 0) -> None:
        super().__init__()
        self._install({"keepData": keep})
        self.releases = [{"name": "sky", "chart": chart.find().label, "status": "deployed", "revision": "1"}]
        self.objects += [volume(name) for name in CLAIMS + OTHERS]
        self.objects += [{"kind": "Secret", "metadata": {"name": name}} for name in [*SECRETS, "mine"]]
        labels = {"kubernetes_executor": "True", "app.kubernetes.io/instance": "sky"}
        self.objects += [{"kind": "Pod", "metadata": {"name": f"step-{n}", "labels": labels}} for n in range(steps)]

    def _install(self, values: dict[str, Any]) -> None:
        self.manifest = "\n---\n".join(yaml.safe_dump(one) for one in render(values))

    def _helm_upgrade(self, words: list[str], text: str) -> Any:
        self._install({"keepData": "keepData=true" in words})
        return super()._helm_upgrade(words, text)

    def _kubectl_delete(self, words: list[str], text: str) -> Any:
        if words[0] == "pods":
            self.objects = [one for one in self.objects if one["kind"] != "Pod"]
        elif words[0] != "statefulsets":
            kind = {"persistentvolumeclaims": "PersistentVolumeClaim", "secrets": "Secret"}[words[0]]
            names = [word for word in words[1:] if not word.startswith("-")]
            self.objects = [one for one in self.objects if one["kind"] != kind or one["metadata"]["name"] not in names]
        return super()._kubectl_delete(words, text)

    def names(self, kind: str) -> list[str]:
        return [one["metadata"]["name"] for one in self.objects if one["kind"] == kind]


def remove(cluster: Installed, keep: bool | None) -> removal.Removal:
    tools = Programs("team", execute=cluster.execute)
    plan = removal.look(tools, "sky", keep)
    removal.remove(tools, plan, chart.find(), lambda _: None, timeout=10, sleep=lambda _: None)
    return plan


def test_only_its_own_volumes_are_its_own():
    """Those of the StatefulSets by their exact names, and none that merely look alike."""
    claims = [volume(name) for name in CLAIMS + OTHERS]
    assert owned_claims(render(), claims) == sorted(CLAIMS)


@pytest.mark.parametrize("keep", [False, True])
def test_whether_a_release_keeps_its_data_is_read_from_it(keep: bool):
    assert keeps(render({"keepData": keep})) is keep


@pytest.mark.parametrize("kept_now", [False, True])
def test_data_is_deleted_and_nothing_else(kept_now: bool):
    """Whatever keepData said, when deleting was asked for."""
    cluster = Installed(keep=kept_now, steps=2)
    remove(cluster, False)
    assert cluster.names("PersistentVolumeClaim") == OTHERS
    assert cluster.names("Secret") == ["mine"]
    assert cluster.names("Pod") == []


def test_steps_of_teams_are_ended_where_they_run():
    """Helm knows nothing of them, and without the platform they would run into nothing."""
    cluster = Installed(steps=1)
    team = {"name": "risk", "namespace": "risk-steps", "dags": ["*"]}
    cluster._install({"teams": [team], "storage": {"bucket": "s3://b/c"}})
    assert remove(cluster, False).spaces == ("team", "risk-steps")
    asked = [each for each in cluster.commands if "delete pods" in each or "get pods" in each]
    assert any("--namespace risk-steps" in each and "kubernetes_executor=True" in each for each in asked)


def test_data_is_kept_though_it_was_not_installed_so():
    """Helm is told before it uninstalls, since it decides by what was installed last."""
    cluster = Installed(steps=1)
    remove(cluster, True)
    assert cluster.names("PersistentVolumeClaim") == CLAIMS + OTHERS
    assert cluster.names("Secret") == [*SECRETS, "mine"]
    assert cluster.names("Pod") == []
    [upgrade, uninstalled] = [each.split()[1] for each in cluster.commands if each.startswith(("helm up", "helm un"))]
    assert (upgrade, uninstalled) == ("upgrade", "uninstall")


def test_workers_are_told_their_grace_before_helm_tells_them_an_hour():
    """And their StatefulSet is gone by then: it would make them again."""
    cluster = Installed()
    remove(cluster, False)
    told = [each for each in cluster.commands if each.startswith(("kubectl", "helm un")) and " get " not in each]
    assert ["statefulsets" in told[0], "--cascade=orphan" in told[0]] == [True, True]
    assert ["component=workers" in told[1], "--grace-period=30" in told[1]] == [True, True]
    assert told[2].startswith("helm uninstall")


def test_without_a_word_it_is_as_it_was_installed():
    assert remove(Installed(keep=True), None).keep
    assert not remove(Installed(), None).keep


def test_another_version_cannot_mark_data_to_stay():
    """That would be an upgrade."""
    cluster = Installed()
    cluster.releases[0]["chart"] = "skyrail-0.0.9"
    with pytest.raises(RemovalError, match="Use Skyrail of the release's version"):
        remove(cluster, True)
    assert not any("uninstall" in each for each in cluster.commands)


@pytest.mark.parametrize(
    ("releases", "sentence"),
    [
        pytest.param([], "no release sky in the namespace team", id="00 none"),
        pytest.param(
            [{"name": "b", "chart": "skyrail-0.1.0", "status": "deployed"}], "There is b: --release b", id="10 another"
        ),
        pytest.param(
            [{"name": "sky", "chart": "nginx-1.0.0", "status": "deployed"}], "not of Skyrail", id="20 somebody else's"
        ),
    ],
)
def test_what_cannot_be_removed_is_refused(releases: list[dict[str, str]], sentence: str):
    cluster = Installed()
    cluster.releases = releases
    with pytest.raises(RemovalError, match=sentence):
        remove(cluster, None)


def test_a_cluster_that_is_away_is_not_one_without_a_release():
    cluster = Installed()
    unreachable = Done(1, "", "Error: kubernetes cluster unreachable: connection refused")
    cluster._helm_list = lambda *_: unreachable  # type: ignore[method-assign]
    with pytest.raises(RemovalError, match="cannot be seen: Error: kubernetes cluster unreachable"):
        remove(cluster, None)


def test_what_does_not_go_away_is_named(monkeypatch: pytest.MonkeyPatch):
    cluster = Installed(steps=1)
    monkeypatch.setattr(cluster, "_kubectl_delete", FakeCluster._kubectl_delete.__get__(cluster))
    tools = Programs("team", execute=cluster.execute)
    plan = removal.look(tools, "sky", True)
    ticks = iter(range(0, 1000, 5))
    with pytest.raises(RemovalError, match=r"After 10 s there still is pod/step-0"):
        removal.remove(
            tools, plan, chart.find(), lambda _: None, timeout=10, clock=lambda: next(ticks), sleep=lambda _: None
        )


def test_what_is_left_is_said_with_what_removes_it():
    tools = Programs("team", execute=Installed(keep=True).execute)
    plan = removal.look(tools, "sky", None)
    values = {"database": {"host": "pg", "passwordSecret": "p"}, "mlflow": {"passwordSecret": "m"}}
    lines = removal.remaining(tools, plan, {**values, "storage": {"bucket": "s3://b"}})
    assert "secrets of yours: p, m" in lines
    assert f"  kubectl --namespace team delete secrets {' '.join(SECRETS)}" in lines
    assert "the databases on pg, with all that is in them" in lines
    assert lines[-1] == "  kubectl delete namespace team"


def test_it_asks_for_the_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Without a terminal it needs --yes."""
    cluster = Installed()
    monkeypatch.setattr(
        programs, "Programs", lambda namespace, context: Programs(namespace, context, execute=cluster.execute)
    )
    monkeypatch.setattr(Programs, "missing", lambda _: [])
    done = CliRunner().invoke(app, ["uninstall", "-n", "team", "--release", "sky"])
    assert "Add --yes" in str(done.exception)
    assert not cluster.changed()
    done = CliRunner().invoke(app, ["uninstall", "-n", "team", "--release", "sky", "--yes"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "volumes are deleted: data-sky-postgresql-0" in done.output
    assert "What is left:\n  the namespace team" in done.output
