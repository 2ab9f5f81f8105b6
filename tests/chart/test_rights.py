"""Each part may do in the cluster what its code does, and no more."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from tests.chart.render import NAMESPACE, render
from tests.chart.test_apply import TEAMS, VARIANTS
from tests.fakes.kubernetes_api import fake_api
from tests.rights import Use, asked, exceeding, granted, listed, recorded, unused

from skyrail.operations import pods, secrets
from skyrail.operations.cluster import Cluster

PAGE = Path(__file__).parents[2] / "docs" / "helm.md"

RIGHTS = {
    "scheduler": {"pods": {"create", "delete", "get", "list", "patch", "watch"}},
    "api-server": {"pods": {"list"}, "pods/log": {"get"}},
    "pod-cleanup": {"pods": {"delete", "list"}},
    "secrets": {"secrets": {"get", "patch"}},
}
"""All there are. docs/helm.md says what each is for."""


def _account(name: str) -> str:
    return f"{NAMESPACE}:sky-{name}"


@pytest.mark.parametrize("values", VARIANTS, ids=range(len(VARIANTS)))
def test_nothing_reaches_beyond_namespaces(values: dict[str, Any]):
    """No ClusterRole, no webhook, no custom resource; the namespace of a team only if the values say so."""
    found = render(values)
    assert not {one["kind"] for one in found if one["kind"].startswith("Cluster")}
    beyond = [one for one in found if "namespace" not in one["metadata"]]
    assert all(one["kind"] == "Namespace" for one in beyond)
    assert bool(beyond) == any(team.get("create") for team in values.get("teams", []))
    text = str([one for one in found if one["kind"] == "Role"])
    assert "'*'" not in text
    assert "escalate" not in text


def test_the_table_of_rights():
    """Verbs by part and resource; nobody else has any."""
    found: dict[str, dict[str, set[str]]] = {}
    for account, uses in granted(render()).items():
        for use in uses:
            found.setdefault(account, {}).setdefault(use.resource, set()).add(use.verb)
    assert found == {_account(name): rights for name, rights in RIGHTS.items()}


def test_the_page_says_what_each_right_is_for():
    rows = re.findall(r"^\| ([a-z-]+) \| `([a-z/]+)` \| ([a-z, ]+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    found: dict[str, dict[str, set[str]]] = {}
    for part, resource, verbs, reason in rows:
        found.setdefault(part, {}).setdefault(resource, set()).update(verbs.split(", "))
        assert len(reason) > 20
    assert found == RIGHTS


def test_in_the_namespace_of_a_team_they_are_the_same():
    uses = granted(render(TEAMS))
    for name in ("scheduler", "api-server", "pod-cleanup"):
        there = {(use.resource, use.verb) for use in uses[_account(name)] if use.namespace == "team-risk"}
        assert there == {(resource, verb) for resource, verbs in RIGHTS[name].items() for verb in verbs}
    assert {use.namespace for use in uses[_account("secrets")]} == {NAMESPACE}


CALLS = {
    "create_namespaced_pod": "create",
    "delete_namespaced_pod": "delete",
    "read_namespaced_pod": "get",
    "list_namespaced_pod": "list",
    "dynamic_client.get": "list",
    "patch_namespaced_pod": "patch",
    "watcher.stream": "watch",
}


def test_the_executor_calls_what_the_scheduler_may():
    """By its source: a release of the provider that calls more, or less, is noticed here and not in production."""
    pytest.importorskip("airflow.providers.cncf.kubernetes")
    from airflow.providers.cncf.kubernetes.executors import kubernetes_executor, kubernetes_executor_utils

    text = inspect.getsource(kubernetes_executor) + inspect.getsource(kubernetes_executor_utils)
    called = set(re.findall(r"\.([a-z]+_namespaced_\w+)", text)) | {
        name for name in ("dynamic_client.get", "watcher.stream") if f"{name}(" in text
    }
    # The log is what the api-server shows.
    assert called - {"read_namespaced_pod_log"} <= set(CALLS)
    assert {CALLS[name] for name in called & set(CALLS)} == RIGHTS["scheduler"]["pods"]
    log = inspect.getsource(kubernetes_executor.KubernetesExecutor.get_streaming_task_log)
    assert re.findall(r"client\.(\w+)\(", log) == ["list_namespaced_pod", "read_namespaced_pod_log"]


def test_the_jobs_call_what_they_may(monkeypatch: pytest.MonkeyPatch):
    """Recorded by an API of the cluster, and every right is used."""
    with fake_api() as (api, cluster):
        monkeypatch.setattr(Cluster, "here", lambda: cluster)
        for one in render().kind("Secret"):
            api.secret(one["metadata"]["name"])
        [job] = [one for one in render().kind("Job") if "secrets" in one["metadata"]["name"]]
        assert secrets.main(job["spec"]["template"]["spec"]["containers"][0]["args"][3:]) == 0
        made = [asked(method, f"/api/v1/namespaces/{NAMESPACE}/{path}") for method, path in api.calls]
        api.calls.clear()
        failed = {"metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"}, "status": {"phase": "Failed"}}
        api.objects["pods/a"] = failed
        assert pods.main(["--selector", "a=b", "--hours", "1"]) == 0
        cleaned = [asked(method, f"/api/v1/namespaces/{NAMESPACE}/{path}") for method, path in api.calls]
    did = {_account("secrets"): set(made), _account("pod-cleanup"): set(cleaned)}
    grants = {account: uses for account, uses in granted(render()).items() if account in did}
    assert exceeding(grants, did) == set()
    assert unused(grants, did) == set()


@pytest.mark.parametrize(
    ("method", "url", "use"),
    [
        pytest.param("GET", "/api/v1/namespaces/a/pods", Use("a", "pods", "list"), id="00 list"),
        pytest.param("GET", "/api/v1/namespaces/a/pods?watch=True", Use("a", "pods", "watch"), id="10 watch"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/b", Use("a", "pods", "get", "b"), id="20 get"),
        pytest.param("GET", "/api/v1/namespaces/a/pods/b/log", Use("a", "pods/log", "get", "b"), id="30 below"),
        pytest.param("POST", "/api/v1/namespaces/a/pods", Use("a", "pods", "create"), id="40 create"),
        pytest.param("DELETE", "/api/v1/namespaces/a/pods", Use("a", "pods", "deletecollection"), id="50 all"),
        pytest.param("GET", "/api/v1/pods", Use("", "pods", "list"), id="60 of the cluster"),
        pytest.param(
            "PATCH", "/apis/apps/v1/namespaces/a/deployments/b/scale",
            Use("a", "deployments.apps/scale", "patch", "b"), id="70 with a group",
        ),
    ],
)  # fmt: skip
def test_a_request_is_read_as_the_cluster_does(method: str, url: str, use: Use):
    assert asked(method, url) == use


def test_what_kubectl_lists_is_read():
    text = """Resources                                       Non-Resource URLs   Resource Names         Verbs
selfsubjectreviews.authentication.k8s.io        []                  []                     [create]
pods                                            []                  []                     [create delete]
secrets                                         []                  [sky-airflow sky-db]   [get]
                                                [/api/*]            []                     [get]
"""
    assert listed(text, "a") == {
        Use("a", "pods", "create"), Use("a", "pods", "delete"),
        Use("a", "secrets", "get", "sky-airflow"), Use("a", "secrets", "get", "sky-db"),
    }  # fmt: skip


def test_an_audit_log_is_read():
    """People, stages that are not the last, and what everybody may are left out; what was refused is apart."""

    def event(user: str, verb: str, code: int = 200, stage: str = "ResponseComplete", **ref: str) -> str:
        import json

        return json.dumps(
            {
                "stage": stage,
                "verb": verb,
                "user": {"username": user},
                "objectRef": {"resource": "pods", "namespace": "team", **ref},
                "responseStatus": {"code": code},
            }
        )

    scheduler = "system:serviceaccount:team:sky-scheduler"
    did, refused = recorded(
        [
            event(scheduler, "create"),
            event(scheduler, "create", stage="RequestReceived"),
            event(scheduler, "get", name="b", subresource="log"),
            event(scheduler, "list", code=403, namespace="kube-system"),
            event("admin", "delete"),
        ]
    )
    assert did == {"team:sky-scheduler": {Use("team", "pods", "create"), Use("team", "pods/log", "get", "b")}}
    assert refused == {("team:sky-scheduler", Use("kube-system", "pods", "list"))}
    grants = {"team:sky-scheduler": {Use("team", "pods", "create"), Use("team", "pods", "patch")}}
    assert unused(grants, did) == {("team:sky-scheduler", Use("team", "pods", "patch"))}
    assert exceeding(grants, did) == {("team:sky-scheduler", Use("team", "pods/log", "get", "b"))}
