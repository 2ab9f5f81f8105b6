"""Teams: a namespace each for the pods of their steps, and what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.render import NAMESPACE, RELEASE, Manifest, Objects, render

BUCKET = {"storage": {"bucket": "s3://bucket/sky", "keySecret": "keys"}}
RISK = {"name": "risk", "namespace": "team-risk", "dags": ["risk_*"]}
ADS = {"name": "ads", "namespace": "team-ads", "dags": ["ads_*", "*"]}


def _render(*teams: dict[str, Any], **values: Any) -> Objects:
    return render({**BUCKET, **values, "teams": list(teams)})


def _there(found: Objects, namespace: str) -> dict[tuple[str, str], Manifest]:
    return {
        (one["kind"], one["metadata"]["name"]): one for one in found if one["metadata"].get("namespace") == namespace
    }


def test_what_is_in_the_namespace_of_a_team():
    """Names are those of the release's own namespace, so that the pod of a step is the same."""
    found = _render(RISK, ADS)
    names = [
        "ConfigMap sky-config",
        "ConfigMap sky-environment",
        "NetworkPolicy sky-steps",
        "Role sky-api-server",
        "Role sky-pod-cleanup",
        "Role sky-scheduler",
        "RoleBinding sky-api-server",
        "RoleBinding sky-pod-cleanup",
        "RoleBinding sky-scheduler",
        "ServiceAccount sky-steps",
    ]
    for team in (RISK, ADS):
        assert sorted(" ".join(key) for key in _there(found, team["namespace"])) == names


def test_without_teams_all_is_in_one_namespace():
    assert {one["metadata"]["namespace"] for one in render()} == {NAMESPACE}


def test_what_a_step_refers_to_is_there_or_the_teams_to_make():
    """Accounts and configuration come from the chart; Secrets are the team's own, by the names in the values."""
    found = _render({**RISK, "secrets": ["warehouse"]})
    there = _there(found, "team-risk")
    base = yaml.safe_load(found.one("ConfigMap", "pods")["data"]["base.yaml"])
    spec = base["spec"]
    assert ("ServiceAccount", spec["serviceAccountName"]) in there
    named: set[str] = set()
    for container in (*spec["initContainers"], *spec["containers"]):
        for source in container["envFrom"]:
            assert ("ConfigMap", source["configMapRef"]["name"]) in there
        named |= {
            one["valueFrom"]["secretKeyRef"]["name"] for one in container.get("env", []) if "secretKeyRef" in str(one)
        }
    assert named == {"keys"}
    for volume in spec["volumes"]:
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in there
        elif "persistentVolumeClaim" in volume:
            assert volume["name"] == "shared", "the pod policy replaces this one"


def test_steps_of_a_team_call_the_platform_by_the_name_of_its_namespace():
    found = _render(RISK)
    there = _there(found, "team-risk")[("ConfigMap", "sky-environment")]["data"]
    assert there["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == "http://sky-api-server.team:8080/execution/"
    assert there["AIRFLOW__SKYRAIL_TRACKING__SERVER"] == "http://sky-mlflow.team:5000"
    mlflow = found.one("Deployment", "mlflow")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "MLFLOW_SERVER_ALLOWED_HOSTS", "value": "sky-mlflow,sky-mlflow.team"} in mlflow["env"]


@pytest.mark.parametrize("scheme", ["s3", "gs", "abfs"])
def test_logs_go_where_airflow_finds_somebody_for_them(scheme: str):
    """The chart refuses what is not among these: the image has no library for it."""
    found = render({"storage": {"bucket": f"{scheme}://bucket/sky"}, "teams": [RISK]})
    [address] = {
        one["data"]["AIRFLOW__LOGGING__REMOTE_BASE_LOG_FOLDER"]
        for one in found.kind("ConfigMap")
        if one["metadata"]["name"] == "sky-environment"
    }
    assert address == f"{scheme}://bucket/sky/logs"


def test_a_team_does_not_learn_of_the_others():
    """Their names, namespaces and Secrets are for the platform's own parts."""
    there = _there(_render(RISK, {**ADS, "secrets": ["ads-warehouse"]}), "team-risk")
    assert "ads" not in str({key: one for key, one in there.items() if key != ("ConfigMap", "sky-config")}).lower()
    assert set(there[("ConfigMap", "sky-config")]["data"]) == {"airflow.cfg", "classes.yaml"}


def test_the_scheduler_watches_these_namespaces_and_no_others():
    """By name: a list that is empty would be the whole cluster, and need a ClusterRole."""
    found = _render(RISK, ADS)
    [data] = [
        one["data"]
        for one in found.kind("ConfigMap")
        if one["metadata"]["name"] == "sky-environment" and one["metadata"]["namespace"] == NAMESPACE
    ]
    assert data["AIRFLOW__KUBERNETES_EXECUTOR__MULTI_NAMESPACE_MODE"] == "True"
    assert (
        data["AIRFLOW__KUBERNETES_EXECUTOR__MULTI_NAMESPACE_MODE_NAMESPACE_LIST"] == f"{NAMESPACE},team-risk,team-ads"
    )
    assert data["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor,skyrail.executors.KubernetesExecutor"


def test_rights_there_are_those_of_the_same_parts_at_home():
    found = _render(RISK)
    home, there = _there(found, NAMESPACE), _there(found, "team-risk")
    for component in ("scheduler", "api-server", "pod-cleanup"):
        key = ("Role", f"{RELEASE}-{component}")
        assert there[key]["rules"] == home[key]["rules"]
        [subject] = there[("RoleBinding", f"{RELEASE}-{component}")]["subjects"]
        assert subject == {"kind": "ServiceAccount", "name": f"{RELEASE}-{component}", "namespace": NAMESPACE}


def test_quota_cloud_and_rules_of_a_team():
    rule = {"to": [{"ipBlock": {"cidr": "10.1.0.0/16"}}], "ports": [{"port": 5432}]}
    quota = {"requests.cpu": "20", "requests.nvidia.com/gpu": "2"}
    found = _render({**RISK, "quota": quota, "egress": [rule], "aws": "arn:aws:iam::1:role/risk"}, ADS)
    there = _there(found, "team-risk")
    assert there[("ResourceQuota", "sky-steps")]["spec"]["hard"] == quota
    assert rule in there[("NetworkPolicy", "sky-steps")]["spec"]["egress"]
    assert rule not in _there(found, "team-ads")[("NetworkPolicy", "sky-steps")]["spec"]["egress"]
    assert there[("ServiceAccount", "sky-steps")]["metadata"]["annotations"] == {
        "eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/risk"
    }


def test_nobody_calls_the_pods_of_a_team():
    """Not another team either; and the policy is for every pod there, whatever labels its author gives it."""
    found = _render(RISK, ADS)
    for team in (RISK, ADS):
        spec = _there(found, team["namespace"])[("NetworkPolicy", "sky-steps")]["spec"]
        assert spec["podSelector"] == {}
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert "ingress" not in spec


def test_steps_of_a_team_reach_what_steps_at_home_do():
    """Out of their namespace and into the platform's, each end with its rule."""
    found = _render(RISK, ADS)

    def peers(rule: Manifest) -> list[tuple[str | None, str | None]]:
        return [
            (
                peer.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name"),
                peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component"),
            )
            for peer in rule.get("to") or rule.get("from") or []
        ]

    out = _there(found, "team-risk")[("NetworkPolicy", "sky-steps")]["spec"]["egress"]
    assert {peer for rule in out for peer in peers(rule)} == {
        (NAMESPACE, "api-server"), (NAMESPACE, "mlflow"), ("kube-system", None), (None, None)
    }  # fmt: skip
    for component in ("api-server", "mlflow"):
        rules = _there(found, NAMESPACE)[("NetworkPolicy", f"sky-{component}")]["spec"]["ingress"]
        let_in = {peer for rule in rules for peer in peers(rule)}
        assert {(None, "steps"), ("team-risk", "steps"), ("team-ads", "steps")} <= let_in
    for component in ("pgbouncer", "postgresql", "valkey"):
        assert "team-risk" not in str(_there(found, NAMESPACE)[("NetworkPolicy", f"sky-{component}")])


@pytest.mark.parametrize("create", [pytest.param(True, id="00 made"), pytest.param(False, id="10 there")])
def test_a_namespace_is_made_only_where_that_is_said(create: bool):
    """It is an object of the cluster: not everybody who installs may make one."""
    made = _render({**RISK, "create": create}).kind("Namespace")
    assert [one["metadata"]["name"] for one in made] == (["team-risk"] if create else [])
    for one in made:
        assert one["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
        assert "annotations" not in one["metadata"]
    kept = _render({**RISK, "create": create}, keepData=True).kind("Namespace")
    assert all(one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for one in kept)


def test_failed_pods_of_teams_go_too():
    [job] = _render(RISK, ADS).kind("CronJob")
    arguments = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert arguments[-4:] == ["--namespace", "team-risk", "--namespace", "team-ads"]


def test_the_package_reads_what_the_chart_writes(tmp_path: Path):
    from skyrail.kubernetes.teams import Team, load_teams

    found = _render({**RISK, "secrets": ["warehouse"], "azure": "1-2"}, ADS)
    (tmp_path / "teams.yaml").write_text(_there(found, NAMESPACE)[("ConfigMap", "sky-config")]["data"]["teams.yaml"])
    assert load_teams(tmp_path / "teams.yaml") == (
        Team("risk", "team-risk", ("risk_*",), ("warehouse",), {"azure.workload.identity/use": "true"}),
        Team("ads", "team-ads", ("ads_*", "*")),
    )


def test_the_notes_say_where_teams_are_not_apart():
    assert "Celery's workers run steps of all teams" in _render(RISK).notes
    assert "Celery's workers" not in _render(RISK, executor="KubernetesExecutor").notes
    assert "DAGs of no team run beside the platform's Secrets" in _render(RISK).notes
    assert "DAGs of no team" not in _render(RISK, ADS).notes
