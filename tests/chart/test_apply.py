"""`helm template | kubectl apply --server-side` does all that `helm install` does, as Argo CD and Flux need it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.chart.render import CHART, NAMESPACE, Manifest, files, render
from tests.chart.test_inventory import EXTERNAL

TEAMS = {
    "storage": {"bucket": "s3://b/x", "endpoint": "http://minio:9000", "keySecret": "keys"},
    "teams": [{"name": "risk", "namespace": "team-risk", "dags": ["*"], "create": True, "quota": {"pods": "9"}}],
}
VARIANTS: list[dict[str, Any]] = [
    {},
    EXTERNAL,
    TEAMS,
    {"image": {"tag": "0.2.0"}},
    {"image": {"pullPolicy": "Always", "pullSecrets": ["registry"]}},
    {"userId": None},
    {"airflow": {"core": {"parallelism": 1}}, "environment": {"MLFLOW_DISABLE_TELEMETRY": "false", "A": "b"}},
    {"scheduling": {"nodeSelector": {"pool": "system"}, "priorityClass": "high"}},
    {"executor": "KubernetesExecutor"},
    {"tls": {"enabled": True}},
    {"tls": {"enabled": True, "web": True}},
    {"scheduler": {"replicas": 2}, "keepData": True, "networkPolicies": {"enabled": False}},
]
SOURCES = {
    str(file.relative_to(CHART)): re.sub(r"{{-? */\*.*?\*/ *-?}}", "", file.read_text(), flags=re.DOTALL)
    for file in sorted((CHART / "templates").rglob("*.*"))
}
"""The templates, without their comments."""

# What asks the cluster or the clock, or is another in each render.
NOT_A_FUNCTION_OF_VALUES = (
    r"\blookup\b|\brand[A-Z]\w+|\bgen[A-Z]\w+|\bnow\b|\buuidv4\b|\bshuffle\b|\bhtpasswd\b|\bbcrypt\b"
    r"|\bderivePassword\b|\bgetHostByName\b|\.Capabilities|\.Release\.(IsUpgrade|IsInstall|Revision)"
)


@pytest.mark.parametrize("source", [pytest.param(text, id=name) for name, text in SOURCES.items()])
def test_a_template_is_a_function_of_the_values(source: str):
    """No look into the cluster, no chance, no date, and not another object at an upgrade."""
    code = " ".join(re.findall(r"{{.*?}}", source, re.DOTALL))
    assert not re.findall(NOT_A_FUNCTION_OF_VALUES, re.sub(r'"[^"]*"', "", code))


@pytest.mark.parametrize("values", VARIANTS, ids=range(len(VARIANTS)))
def test_rendered_twice_is_identical(values: dict[str, Any]):
    assert files(values) == files(values)


def test_a_job_has_another_name_when_it_is_another_job():
    """Its pod cannot be changed: the cluster would refuse an upgrade."""
    seen: dict[str, Manifest] = {}
    for values in VARIANTS:
        for job in render(values).kind("Job"):
            template = job["spec"]["template"]
            assert seen.setdefault(job["metadata"]["name"], template) == template
    assert len(seen) > 4


def test_what_never_changes_is_the_same_in_all_variants():
    """Selectors, claims, and whom a binding is for: the cluster refuses to change them."""

    def fixed(one: Manifest) -> Any:
        spec = one.get("spec", {})
        if one["kind"] in ("Deployment", "StatefulSet"):
            return spec["selector"], spec.get("serviceName"), spec.get("volumeClaimTemplates")
        return {"RoleBinding": one.get("roleRef"), "Secret": one.get("type"), "Service": spec.get("clusterIP")}.get(
            one["kind"], spec if one["kind"] == "PersistentVolumeClaim" else None
        )

    seen: dict[tuple[str, ...], Any] = {}
    for values in VARIANTS:
        for one in render(values):
            key = (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"])
            assert seen.setdefault(key, fixed(one)) == fixed(one), key


@pytest.mark.parametrize("values", VARIANTS, ids=range(len(VARIANTS)))
def test_nothing_is_a_hook_and_each_object_is_there_once(values: dict[str, Any]):
    """Named, and in its namespace, so that whoever applies it need not say one."""
    found = render(values)
    keys = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in found]
    assert len(keys) == len(set(keys))
    for one in found:
        metadata = one["metadata"]
        assert not any(key.startswith("helm.sh/hook") for key in metadata.get("annotations") or {})
        assert one["kind"] == "Namespace" or metadata["namespace"] in (NAMESPACE, "team-risk")


@pytest.mark.parametrize("values", VARIANTS, ids=range(len(VARIANTS)))
def test_no_list_has_an_entry_twice(values: dict[str, Any]):
    """Server-side apply merges these lists by a key, and refuses one that is there twice."""
    keys = {"env": ("name",), "volumeMounts": ("mountPath",), "ports": ("containerPort", "protocol")}
    for name, pod in render(values).pods():
        spec = pod["spec"]
        for entries in (
            spec.get("volumes", []),
            spec["containers"],
            spec.get("initContainers", []),
        ):
            assert len({one["name"] for one in entries}) == len(entries), name
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            for what, by in keys.items():
                found = [tuple(one.get(key) for key in by) for one in container.get(what, [])]
                assert len(set(found)) == len(found), f"{name} {container['name']} {what}"
