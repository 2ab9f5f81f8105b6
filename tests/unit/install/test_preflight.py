"""All checks before an install together: what each refuses, and that nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.fakes.cluster_programs import FakeCluster, namespace, node, secret, storage_class

from skyrail.errors import SkyrailError
from skyrail.install import chart, preflight
from skyrail.install.checks import Check, State
from skyrail.install.checks.admission import admission
from skyrail.install.checks.rights import wanted
from skyrail.install.plan import Plan, Request
from skyrail.install.programs import Done, ProgramError, Programs
from skyrail.install.values import Answers


def plan_of(cluster: FakeCluster, values: dict[str, Any] | None = None, **options: Any) -> Plan:
    files = ()
    if values is not None:
        file = Path("mine.yaml")
        file.write_text(yaml.safe_dump(values))
        files = (file,)
    return preflight.check(Programs("team", execute=cluster.execute), Request("sky", chart.find(), files, **options))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and programs of both names."""
    for name in ("kubectl", "helm"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.chdir(tmp_path)


def refused(plan: Plan) -> list[Check]:
    return [each for each in plan.checks if each.state is State.REFUSED]


def test_a_plain_cluster_passes_and_nothing_is_changed():
    cluster = FakeCluster()
    plan = plan_of(cluster)
    assert refused(plan) == []
    assert len(plan.objects) > 30
    assert cluster.changed() == []
    assert plan.to_write is None
    assert plan.files == []


def _set(name: str, value: Any) -> Callable[[FakeCluster], None]:
    return lambda cluster: setattr(cluster, name, value)


def _replace(kind: str, *objects: dict[str, Any]) -> Callable[[FakeCluster], None]:
    def change(cluster: FakeCluster) -> None:
        cluster.objects = [one for one in cluster.objects if one["kind"] != kind] + list(objects)

    return change


def _quota(hard: dict[str, str], used: dict[str, str] | None = None) -> dict[str, Any]:
    quota = {"metadata": {"name": "small"}, "spec": {"hard": hard}, "status": {"hard": hard, "used": used or {}}}
    return {"kind": "ResourceQuota", **quota}


def _limits(**limits: Any) -> dict[str, Any]:
    return {"kind": "LimitRange", "metadata": {"name": "most"}, "spec": {"limits": [{"type": "Container", **limits}]}}


RELEASE = {
    "name": "sky",
    "chart": "skyrail-0.1.0",
    "status": "deployed",
    "revision": "1",
    "updated": "2026-01-01 10:00",
}
EBS = storage_class("gp3", "ebs.csi.aws.com")
PROBLEMS = [
    pytest.param(_set("helm_version", "v3.12.1"), {}, "helm", "v3.12.1; 3.16 or later", id="00 an old Helm"),
    pytest.param(_set("server", "v1.27.9"), {}, "Kubernetes", "needs 1.29 or later", id="10 an old cluster"),
    pytest.param(_set("server", ""), {}, "Cluster", "was refused", id="20 no cluster"),
    pytest.param(
        _set("denied", lambda asked: asked["resource"] == "roles" and asked["verb"] == "create"),
        {},
        "Rights",
        "roles.rbac.authorization.k8s.io: create",
        id="30 no right to make Roles",
    ),
    pytest.param(
        _set("denied", lambda asked: asked["resource"] == "pods" and asked["verb"] == "watch"),
        {},
        "Rights",
        "pods: watch",
        id="40 no right that a Role gives away",
    ),
    pytest.param(
        lambda cluster: setattr(
            cluster,
            "_kubectl_create",
            lambda *_: Done(1, "", "error: You must be logged in to the server"),
        ),
        {},
        "Rights",
        "You must be logged in",
        id="45 nobody is signed in",
    ),
    pytest.param(lambda _: None, {"scheduler": {"replcas": 2}}, "Values", "no key scheduler.replcas", id="50 values"),
    pytest.param(lambda _: None, {"executor": "Foo"}, "Values", "executor: value must be one of", id="55 the schema"),
    pytest.param(
        lambda _: None,
        {"ingress": {"kind": "gateway", "host": "a.b", "gateway": {"name": "web"}}},
        "Kinds",
        "no HTTPRoute (gateway.networking.k8s.io/v1)",
        id="60 no Gateway API",
    ),
    pytest.param(
        _set("api_versions", FakeCluster().api_versions + " gateway.networking.k8s.io/v1"),
        {"ingress": {"kind": "gateway", "host": "a.b", "gateway": {"name": "web", "namespace": "edge"}}},
        "Way in",
        "no Gateway edge/web",
        id="70 no such Gateway",
    ),
    pytest.param(
        lambda _: None,
        {"ingress": {"kind": "ingress", "host": "a.b", "class": "nginx"}},
        "Way in",
        "no IngressClass nginx",
        id="80 no such class of Ingress",
    ),
    pytest.param(_replace("StorageClass"), {}, "Storage", "there is none at all", id="90 no StorageClass"),
    pytest.param(
        lambda _: None,
        {"storage": {"volume": {"class": "efs"}}},
        "Storage",
        "no StorageClass efs; there is standard",
        id="100 another StorageClass",
    ),
    pytest.param(_replace("StorageClass", EBS), {}, "Shared volume", "for one node at a time", id="110 disks only"),
    pytest.param(
        lambda cluster: cluster.objects.append(_quota({"requests.memory": "4Gi", "pods": "50"}, {"pods": "1"})),
        {},
        "Quota",
        "leaves 4Gi of requests.memory, and the platform needs",
        id="120 a small quota",
    ),
    pytest.param(
        lambda cluster: cluster.objects.append(_quota({"limits.cpu": "400"})),
        {},
        "Quota",
        "counts limits.cpu, so each container must say it",
        id="130 a quota that makes limits a duty",
    ),
    pytest.param(
        lambda cluster: cluster.objects.append(_limits(max={"memory": "2Gi"})),
        {},
        "Limits",
        "allows at most 2Gi of memory, and StatefulSet/sky-workers-default (workers) says 6Gi",
        id="140 a LimitRange",
    ),
    pytest.param(
        lambda _: None,
        {"database": {"host": "pg", "passwordSecret": "db"}, "mlflow": {"passwordSecret": "ml"}},
        "Secrets",
        "no Secret db in team",
        id="150 a Secret is not there",
    ),
    pytest.param(
        lambda cluster: cluster.objects.append(secret("keys", "fernet_key")),
        {"secrets": {"airflow": "keys"}},
        "Secrets",
        "has no key fernet-key, api-secret-key, jwt-secret; it has fernet_key",
        id="160 a Secret has other keys",
    ),
    pytest.param(
        lambda cluster: cluster.objects.append(
            {"kind": "Service", "metadata": {"name": "sky-mlflow", "namespace": "team"}}
        ),
        {},
        "Names",
        "Service sky-mlflow",
        id="170 somebody else's object",
    ),
    pytest.param(
        _set("releases", [{**RELEASE, "status": "pending-install"}]),
        {},
        "Release",
        "was cut off (pending-install",
        id="180 an install was cut off",
    ),
    pytest.param(
        _set("releases", [{**RELEASE, "chart": "nginx-1.2.3"}]),
        {},
        "Release",
        "release of nginx-1.2.3",
        id="190 another",
    ),
    pytest.param(
        _set("releases", [{**RELEASE, "chart": "skyrail-9.0.0"}]), {}, "Release", "newer than skyrail", id="200 newer"
    ),
    pytest.param(
        _replace("Namespace", {**namespace(), "status": {"phase": "Terminating"}}),
        {},
        "Namespace",
        "is being deleted",
        id="210 the namespace goes",
    ),
    pytest.param(
        _set(
            "dry_run", Done(1, "", "Error from server (Forbidden): admission webhook denied the request: no team label")
        ),
        {},
        "Dry run",
        "admission webhook denied the request: no team label",
        id="220 a policy",
    ),
    pytest.param(
        _set("server_says", "error: You must be logged in to the server"),
        {},
        "Cluster",
        "does not know you",
        id="225 nobody is signed in",
    ),
    pytest.param(
        lambda _: None,
        {"scheduler": {"resources": {"requests": {"cpu": "lots"}}}},
        "Values",
        "(scheduler) says 'lots' of cpu",
        id="226 no amount",
    ),
    pytest.param(
        lambda _: None,
        {"scheduler": {"resources": {"request": {"cpu": 1}}}},
        "Values",
        "(scheduler) has resources.request,",
        id="227 a key of resources",
    ),
    pytest.param(
        lambda _: None,
        {"storage": {"volume": {"size": "8GB"}}},
        "Values",
        "volume sky-shared says '8GB' of storage",
        id="228 no size",
    ),
    pytest.param(
        lambda _: None,
        {"ingress": {"kind": "ingress", "host": "a.b", "class": "nginx"}},
        "Way in",
        "There is no IngressClass nginx; there is none",
        id="229 no ingress controller",
    ),
    pytest.param(
        _replace(
            "Namespace",
            {
                "kind": "Namespace",
                "metadata": {"name": "team", "annotations": {"openshift.io/sa.scc.uid-range": "1/2"}},
            },
        ),
        {},
        "User",
        "OpenShift",
        id="230 OpenShift",
    ),
]


@pytest.mark.parametrize(("change", "values", "name", "sentence"), PROBLEMS)
def test_each_problem_is_refused(change: Callable[[FakeCluster], None], values: dict, name: str, sentence: str):
    """By its row, with what next, before anything is changed."""
    cluster = FakeCluster()
    change(cluster)
    plan = plan_of(cluster, values)
    rows = [each for each in refused(plan) if each.name == name]
    assert any(sentence in each.found for each in rows), plan.checks
    assert all(each.fix for each in rows)
    assert not plan.passed
    assert cluster.changed() == []


def test_problems_come_all_at_once():
    cluster = FakeCluster()
    cluster.objects = [namespace(), node(), _quota({"pods": "2"})]
    plan = plan_of(cluster, {"secrets": {"airflow": "keys"}})
    assert {each.name for each in refused(plan)} == {"Storage", "Quota", "Secrets"}


@pytest.mark.parametrize(
    ("change", "name", "state"),
    [
        pytest.param(_set("hidden", {"storageclasses"}), "Storage", State.UNKNOWN, id="00 storage"),
        pytest.param(_set("hidden", {"nodes"}), "GPUs", State.UNKNOWN, id="10 nodes"),
        pytest.param(_set("hidden", {"resourcequotas"}), "Quota", State.UNKNOWN, id="20 quotas"),
        pytest.param(_replace("Node", node()), "GPUs", State.WARN, id="30 no GPU"),
        pytest.param(_replace("Node", node(cpu="1")), "Nodes", State.WARN, id="40 one small node"),
        pytest.param(_set("releases", [RELEASE]), "Release", State.OK, id="50 an upgrade"),
        pytest.param(_replace("Namespace"), "Pod Security", State.WARN, id="60 a new namespace"),
    ],
)
def test_what_is_no_refusal(change: Callable[[FakeCluster], None], name: str, state: State):
    cluster = FakeCluster()
    change(cluster)
    plan = plan_of(cluster)
    assert plan.passed
    assert state in {each.state for each in plan.checks if each.name == name}


RISK = {"name": "risk", "namespace": "risk-steps", "dags": ["*"]}
BUCKET = {"bucket": "s3://bucket/sky"}


@pytest.mark.parametrize(
    ("spaces", "team", "state", "sentence"),
    [
        pytest.param([], {}, State.REFUSED, "There is no namespace risk-steps for the team risk.", id="00 none"),
        pytest.param([], {"create": True}, State.OK, "risk-steps will be made.", id="10 the chart makes it"),
        pytest.param([{}], {}, State.WARN, "does not enforce the level restricted", id="20 it lets all pods in"),
        pytest.param(
            [{"pod-security.kubernetes.io/enforce": "restricted"}], {}, State.OK, "and enforces restricted", id="30 fit"
        ),
    ],
)
def test_the_namespace_of_a_team(spaces: list[dict[str, str]], team: dict[str, Any], state: State, sentence: str):
    """It is looked at, and what is rendered for it is no mistake: kubectl is not told one namespace for all."""
    cluster = FakeCluster()
    cluster.objects += [namespace("risk-steps", **labels) for labels in spaces]
    plan = plan_of(cluster, {"teams": [{**RISK, **team}], "storage": BUCKET})
    assert [(each.state, sentence in each.found) for each in plan.checks if each.name == "Teams"] == [(state, True)]
    assert {each.name for each in refused(plan)} == ({"Teams"} if state is State.REFUSED else set())
    assert State.OK in {each.state for each in plan.checks if each.name == "Dry run"}
    [tried] = [each for each in cluster.commands if "--dry-run=server" in each]
    assert "--namespace" not in tried


def test_rights_and_secrets_are_asked_for_where_the_team_is():
    cluster = FakeCluster()
    cluster.objects += [namespace("risk-steps"), secret("keys", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")]
    cluster.denied = lambda asked: asked.get("namespace") == "risk-steps" and asked["resource"] == "resourcequotas"
    team = {**RISK, "quota": {"pods": "1"}, "secrets": ["warehouse"]}
    plan = plan_of(cluster, {"teams": [team], "storage": {**BUCKET, "keySecret": "keys"}})
    found = {each.name: each.found for each in refused(plan)}
    assert set(found) == {"Rights", "Secrets"}
    assert "You lack rights in risk-steps. resourcequotas: create, delete, get, patch." in found["Rights"]
    assert "no Secret warehouse in risk-steps" in found["Secrets"]


def test_a_node_with_the_gpu_of_a_class_is_found():
    t4 = node("gpu", labels={"nvidia.com/gpu.product": "Tesla-T4"}, **{"nvidia.com/gpu": "1"})
    cluster = FakeCluster()
    cluster.objects.append(t4)
    found = [each.found for each in plan_of(cluster).checks if each.name == "GPUs"]
    assert len(found) == 1
    assert "gpu-a100" in found[0]


def test_what_an_upgrade_uses_now_is_room_for_it():
    """A quota that the release fills to its brim does not refuse the same release again."""
    cluster = FakeCluster()
    plan = plan_of(cluster)
    text = "\n---\n".join(yaml.safe_dump(one) for one in plan.objects)
    cluster.releases, cluster.manifest = [RELEASE], text
    cluster.objects.append(_quota({"requests.memory": "8Gi"}, {"requests.memory": "7900Mi"}))
    assert refused(plan_of(cluster)) == []


def test_chosen_values_are_a_short_file():
    """Only what differs from the defaults."""
    chosen = Answers(git="https://git.example.com/dags.git", git_ref="main", registry="reg.example.com/sky", gpu=True)
    plan = plan_of(FakeCluster(), answers=chosen)
    assert plan.to_write is not None
    file, text = plan.to_write
    assert file == Path("sky-values.yaml")
    assert yaml.safe_load(text) == {
        "dags": {"git": {"repository": "https://git.example.com/dags.git"}},
        "image": {"repository": "reg.example.com/sky/skyrail"},
        "mlflow": {"image": {"repository": "reg.example.com/sky/mlflow"}},
        "store": {"image": {"repository": "reg.example.com/sky/store"}},
    }
    assert plan.files == [file]


def test_an_upgrade_keeps_what_the_release_was_installed_with():
    cluster = FakeCluster()
    cluster.releases, cluster.values = [RELEASE], {"scheduler": {"replicas": 2}}
    plan = plan_of(cluster, answers=Answers(bucket="s3://b/c"))
    assert plan.to_write is not None
    assert yaml.safe_load(plan.to_write[1]) == {"scheduler": {"replicas": 2}, "storage": {"bucket": "s3://b/c"}}


def test_an_upgrade_does_not_go_on_without_the_values_of_the_release():
    """It would set back all that was chosen, such as the database."""
    cluster = FakeCluster()
    cluster.releases = [RELEASE]
    cluster._helm_get = lambda *_: Done(1, "", "Error: secrets is forbidden")  # type: ignore[method-assign]
    with pytest.raises(ProgramError, match="The values of sky cannot be read: Error: secrets is forbidden"):
        plan_of(cluster)


def test_values_files_of_people_are_not_written():
    plan = plan_of(FakeCluster(), {"scheduler": {"replicas": 2}}, answers=Answers(bucket="s3://b/c"))
    assert plan.to_write is not None
    assert plan.files == [Path("mine.yaml"), Path("sky-values.yaml")]
    assert yaml.safe_load(plan.to_write[1]) == {"storage": {"bucket": "s3://b/c"}}


def test_a_file_that_says_something_else_is_not_overwritten():
    Path("sky-values.yaml").write_text("keepData: true\n")
    plan = plan_of(FakeCluster(), answers=Answers(bucket="s3://b/c"))
    assert [each.name for each in refused(plan)] == ["Values file"]
    assert plan.to_write is None


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert [each.name for each in refused(plan_of(FakeCluster()))] == ["kubectl", "helm"]


@pytest.mark.parametrize(
    ("said", "found"),
    [
        pytest.param(
            "Warning: resource a is not annotated\nError from server (Forbidden): error when creating "
            '"STDIN": admission webhook "v.kyverno.svc" denied the request: no team label\n',
            ['admission webhook "v.kyverno.svc" denied the request: no team label'],
            id="00 a webhook",
        ),
        pytest.param(
            'Error from server (Invalid): error when applying patch:\n{"a":1}\nto:\nResource: "apps/v1"\nName: "a"\n'
            'for: "STDIN": error when patching "STDIN": StatefulSet.apps "a" is invalid: spec: Forbidden: no\n',
            ['StatefulSet.apps "a" is invalid: spec: Forbidden: no'],
            id="10 a patch",
        ),
        pytest.param(
            'The StatefulSet "a" is invalid: \n* spec.x: no\n* spec.y: no\nThe Service "b" is invalid: spec: no\n',
            ['The StatefulSet "a" is invalid: * spec.x: no * spec.y: no', 'The Service "b" is invalid: spec: no'],
            id="20 several mistakes",
        ),
    ],
)
def test_each_object_that_a_dry_run_refuses_is_one_sentence(said: str, found: list[str]):
    assert [each.found for each in admission(1, said)] == found


def test_what_a_dry_run_cannot_know_is_no_refusal():
    """An administrator of one namespace binds Roles that it did not make, since nothing is made."""
    start = 'Error from server (NotFound): error when creating "STDIN": rolebindings.rbac.authorization.k8s.io'
    said = f'{start} "sky-scheduler" not found\n{start} "sky-secrets" not found'
    assert [each.state for each in admission(1, said)] == [State.OK]
    [refusal] = admission(1, f"{said}\nError from server (Forbidden): admission webhook denied the request: no")
    assert refusal.found == "admission webhook denied the request: no"


@pytest.mark.parametrize(
    ("space", "release", "found"),
    [
        pytest.param("Team_A", "sky", "'Team_A' cannot be the name of a namespace.", id="00 a namespace"),
        pytest.param("team", "sky.a", "'sky.a' cannot be the name of a release.", id="10 a dot"),
        pytest.param("team", "1sky", "'1sky' cannot be the name of a release.", id="20 a digit first"),
    ],
)
def test_names_that_cannot_be_are_refused(space: str, release: str, found: str):
    cluster = FakeCluster()
    plan = preflight.check(Programs(space, execute=cluster.execute), Request(release, chart.find()))
    assert [each.found for each in refused(plan)] == [found]
    assert cluster.commands == []


def test_a_gateway_is_not_looked_for_where_there_is_no_such_kind():
    values = {"ingress": {"kind": "gateway", "host": "a.b", "gateway": {"name": "web"}}}
    plan = plan_of(FakeCluster(), values)
    assert not {"Way in", "Names"} & {each.name for each in plan.checks}


def test_a_limit_range_is_one_row_however_many_are_beyond_it():
    cluster = FakeCluster()
    cluster.objects.append(_limits(min={"cpu": "10"}))
    [row] = refused(plan_of(cluster))
    assert "allows at least 10 of cpu" in row.found
    assert "(scheduler) says 300m" in row.found
    assert "(api-server) says 200m" in row.found


def test_a_values_file_that_is_no_text_is_named():
    Path("mine.yaml").write_bytes(b"\x8d\xff")
    request = Request("sky", chart.find(), (Path("mine.yaml"),))
    with pytest.raises(SkyrailError, match=r"mine.yaml is no text"):
        preflight.check(Programs("team", execute=FakeCluster().execute), request)


def test_a_right_is_asked_for_once():
    asked = wanted(plan_of(FakeCluster()).objects, new_namespace=False)
    words = [(each.verb, each.words) for each in asked]
    assert len(words) == len(set(words))
