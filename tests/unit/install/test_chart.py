"""The chart is found in a clone and in a wheel, and is the same."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest

from skyrail.errors import SkyrailError
from skyrail.install import chart
from skyrail.install.manifests import amount, needs, pod_needs, said

ROOT = Path(__file__).parents[3]


def test_it_is_found_in_the_clone():
    found = chart.find()
    assert found.folder == ROOT / "helm" / "skyrail"
    assert found.minimum == (1, 29)
    assert "small" in [each["name"] for each in found.classes()]


def test_the_wheel_carries_it_whole(tmp_path: Path):
    """With what its links lead to, as the wheel's builder copies it; the image's builder is given it, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried["helm/skyrail"] == f"skyrail/{chart.places()[1].name}"
    assert "COPY helm helm" in (ROOT / "Dockerfile").read_text()
    assert "!helm" in (ROOT / ".dockerignore").read_text().splitlines()
    shutil.copytree(ROOT / "helm" / "skyrail", tmp_path / "_chart")
    found = chart.find([tmp_path / "nowhere", tmp_path / "_chart"])
    assert found.classes() == chart.find().classes()
    assert found.defaults == chart.find().defaults


def test_a_missing_chart_says_where_it_was_looked_for(tmp_path: Path):
    with pytest.raises(SkyrailError, match=r"looked for in .*/a and .*/b"):
        chart.find([tmp_path / "a", tmp_path / "b"])


@pytest.mark.parametrize(
    ("text", "number"),
    [("500m", 0.5), ("2", 2), ("1Gi", 2**30), ("1500Mi", 1500 * 2**20), ("1e3", 1000), ("4k", 4000), (3, 3)],
)
def test_quantities_are_read(text: object, number: float):
    assert amount(text) == pytest.approx(number)


@pytest.mark.parametrize(
    ("value", "resource", "text"),
    [(1.5, "cpu", "1.5"), (900 * 2**20, "requests.memory", "900Mi"), (3, "pods", "3"), (2**30, "storage", "1Gi")],
)
def test_quantities_are_said(value: float, resource: str, text: str):
    assert said(value, resource) == text


def _container(cpu: str, **more: str) -> dict:
    return {"name": "a", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("start", "containers", "cpu"),
    [
        pytest.param([], [_container("1"), _container("2")], 3, id="00 what runs together"),
        pytest.param([_container("5")], [_container("1")], 5, id="10 a larger start"),
        pytest.param([_container("1", restartPolicy="Always")], [_container("2")], 3, id="20 a sidecar"),
        pytest.param(
            [_container("1", restartPolicy="Always"), _container("4")], [_container("2")], 5, id="30 a start beside it"
        ),
    ],
)
def test_a_pod_needs_what_the_scheduler_counts(start: list, containers: list, cpu: float):
    assert pod_needs({"initContainers": start, "containers": containers}, "requests") == {"cpu": cpu}


def test_a_quota_counts_all_replicas():
    template = {"spec": {"containers": [_container("1")]}}
    one = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}
    found = needs([{**one, "spec": {"replicas": 3, "template": template}}])
    assert (found["pods"], found["requests.cpu"], found["count/deployments.apps"]) == (3, 3, 1)
