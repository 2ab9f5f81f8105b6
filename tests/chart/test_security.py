"""Pod Security "restricted", tokens, rights and secrets."""

from __future__ import annotations

import json

import pytest
from tests.chart.render import render
from tests.chart.test_inventory import EXTERNAL

ALL = [pytest.param({}, id="00 default"), pytest.param(EXTERNAL, id="10 everything elsewhere")]

TOKENS = {"scheduler", "api-server", "secrets", "pod-cleanup"}
"""Components that call the cluster's API."""


@pytest.mark.parametrize("values", ALL)
def test_every_pod_is_restricted(values: dict):
    """As https://kubernetes.io/docs/concepts/security/pod-security-standards/ has it, and the root is read-only."""
    pods = dict(render(values).pods())
    assert len(pods) >= 7
    for name, pod in pods.items():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")), name
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= {"emptyDir", "configMap", "persistentVolumeClaim", "secret"}, name
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            where = f"{name} {container['name']}"
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, where


@pytest.mark.parametrize("values", ALL)
def test_every_container_has_its_size(values: dict):
    """Requests and a limit of memory, but for the step's container, which the resource class sizes."""
    for name, pod in render(values).pods():
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            if container["name"] == "base":
                continue
            resources = container["resources"]
            assert {"cpu", "memory"} <= set(resources["requests"]), name
            assert "memory" in resources["limits"], name


def test_every_long_process_has_a_probe_of_its_life():
    """And what others call is ready before they do."""
    found = render()
    for one in (*found.kind("Deployment"), *found.kind("StatefulSet")):
        for container in one["spec"]["template"]["spec"]["containers"]:
            assert "livenessProbe" in container, one["metadata"]["name"]
    for service in found.kind("Service"):
        component = service["spec"]["selector"]["app.kubernetes.io/component"]
        for name, pod in found.pods():
            if pod["metadata"]["labels"]["app.kubernetes.io/component"] == component and component != "workers":
                assert any("readinessProbe" in one for one in pod["spec"]["containers"]), name


def test_tokens_are_for_those_who_call_the_cluster():
    """A token elsewhere would only serve whoever breaks in."""
    for name, pod in render().pods():
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert pod["spec"]["automountServiceAccountToken"] is (component in TOKENS), name
    assert all(one["automountServiceAccountToken"] is False for one in render().kind("ServiceAccount"))


def test_each_pod_has_an_account_that_is_there():
    """A pod whose account is missing never starts."""
    found = render()
    accounts = {one["metadata"]["name"] for one in found.kind("ServiceAccount")}
    assert {pod["spec"]["serviceAccountName"] for _, pod in found.pods()} <= accounts


def test_the_job_that_makes_secrets_may_touch_these_alone():
    """Read and patch, by name: not list, not create."""
    found = render()
    [rule] = found.one("Role", "secrets")["rules"]
    assert rule["verbs"] == ["get", "patch"]
    assert sorted(rule["resourceNames"]) == sorted(one["metadata"]["name"] for one in found.kind("Secret"))


def test_nothing_secret_is_rendered():
    """Secrets have no data here, so that an upgrade, Argo CD or Flux has nothing to change."""
    for one in render().kind("Secret"):
        assert not {"data", "stringData"} & set(one), one["metadata"]["name"]


@pytest.mark.parametrize("values", ALL)
def test_a_worker_holds_no_key_but_the_brokers(values: dict):
    """Whoever writes a DAG runs code there: no password of the database, and no key that signs or decrypts."""
    for name, pod in render(values).pods():
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        if component not in ("workers", "steps"):
            continue
        text = json.dumps(pod["spec"])
        for secret in ("jwt-secret", "fernet-key", "api-secret-key", "PGPASSWORD", "SQL_ALCHEMY_CONN"):
            assert secret not in text, name


def test_every_variable_with_a_secret_names_a_key_that_is_made():
    """A pod that names a key nobody makes waits for ever."""
    found = render()
    made = {
        argument
        for _, pod in found.pods()
        for container in pod["spec"]["containers"]
        if container["name"] == "secrets"
        for argument in container["args"][3:]
    }
    named = set()
    for _, pod in found.pods():
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            for variable in container.get("env", []):
                if reference := variable.get("valueFrom", {}).get("secretKeyRef"):
                    named.add(f"{reference['name']}/{reference['key']}")
    assert named == made
