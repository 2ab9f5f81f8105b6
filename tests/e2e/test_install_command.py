"""`skyrail install --check` on a real cluster: it understands what is there, and changes nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.e2e.cluster import Namespace, Release


def check(namespace: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run it without a terminal."""
    command = [sys.executable, "-m", "skyrail.cli", "install", "--check", "--namespace", namespace, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)


def test_what_is_installed_passes_and_would_not_change(release: Release, values: Path):
    done = check(release.space.name, "--release", release.name, "--values", str(values))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused" not in done.stdout
    assert f"Nothing would change in {release.name}." in done.stdout
    assert "by hand" not in done.stdout
    assert "gone" not in done.stdout


def test_a_quota_is_refused_before_anything_is_made():
    space = Namespace("skyrail-e2e-quota")
    space.create({})
    try:
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}}
        space.apply({**quota, "spec": {"hard": {"pods": "3", "requests.memory": "1Gi"}}})
        done = check(space.name, "--release", "small")
        assert done.returncode == 1
        assert "The quota small leaves 3 of pods" in done.stdout
        assert "The quota small leaves 1Gi of requests.memory" in done.stdout
        assert space.get("deployments")["items"] == []
    finally:
        space.delete()
