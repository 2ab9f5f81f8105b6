"""Render the chart in this process: `render(values)` returns its objects, each valid for Kubernetes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
import yaml

CHART = Path(__file__).parents[2] / "helm" / "skyrail"
KUBERNETES = "1.34"
RELEASE = "sky"
NAMESPACE = "team"

Manifest = dict[str, Any]

_valid: set[str] = set()


class Objects(list[Manifest]):
    """What the chart renders."""

    notes: str = ""

    def kind(self, kind: str) -> list[Manifest]:
        """Return the objects of a kind."""
        return [one for one in self if one["kind"] == kind]

    def one(self, kind: str, name: str) -> Manifest:
        """Return an object by its name without the release's."""
        [found] = [each for each in self.kind(kind) if each["metadata"]["name"] == f"{RELEASE}-{name}"]
        return found

    def names(self) -> list[tuple[str, str]]:
        """Return kind and name of all objects, sorted."""
        return sorted((one["kind"], one["metadata"]["name"]) for one in self)

    def environment(self) -> dict[str, str]:
        """Return the variables of all parts of Airflow."""
        return self.one("ConfigMap", "environment")["data"]

    def pods(self) -> Iterator[tuple[str, Manifest]]:
        """Return all pods that these objects make, those of steps too: where each comes from, and what it is."""
        for one in self:
            name, spec = f"{one['kind']}/{one['metadata']['name']}", one.get("spec", {})
            if one["kind"] in ("Deployment", "StatefulSet", "Job"):
                yield name, spec["template"]
            elif one["kind"] == "CronJob":
                yield name, spec["jobTemplate"]["spec"]["template"]
            elif one["kind"] == "ConfigMap" and "base.yaml" in one["data"]:
                yield name, yaml.safe_load(one["data"]["base.yaml"])


@functools.cache
def chart() -> helm_python.Chart:
    """Load the chart, once."""
    return helm_python.Chart.load(CHART)


def files(values: Manifest | None = None, *, release: str = RELEASE) -> dict[str, str]:
    """Return the text of each template; what the tests' bound in time is about."""
    return chart().render(values=values or {}, name=release, namespace=NAMESPACE)


def render(values: Manifest | None = None) -> Objects:
    """Render the chart, and check each object that was not seen before against Kubernetes' own schema."""
    found = Objects()
    for name, text in files(values).items():
        if name.endswith(".yaml"):
            found.extend(one for one in yaml.load_all(text, yaml.CSafeLoader) if one)
        elif name.endswith("NOTES.txt"):
            found.notes = text
    for one in found:
        _validate(one)
    for _, pod in found.pods():
        _validate({"apiVersion": "v1", "kind": "Pod", "metadata": pod["metadata"], "spec": pod["spec"]})
    return found


def _validate(one: Manifest) -> None:
    key = json.dumps(one, sort_keys=True)
    if key in _valid or one["kind"] == "HTTPRoute":  # no part of Kubernetes: its schema comes with the Gateway API
        return
    kubernetes_validate.validate(one, KUBERNETES, strict=True)
    _valid.add(key)


def refusal(values: Manifest, **options: Any) -> str:
    """Return the sentences with which the chart refuses values."""
    with pytest.raises(helm_python.HelmError) as caught:
        files(values, **options)
    return str(caught.value)
