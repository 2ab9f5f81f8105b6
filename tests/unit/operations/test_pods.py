"""Failed pods go after a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.kubernetes_api import fake_api

from skyrail.operations import pods
from skyrail.operations.cluster import Cluster

NOW = datetime(2026, 5, 2, tzinfo=UTC)


def _pod(name: str, phase: str, ended: str | None) -> dict[str, Any]:
    terminated = [{"state": {"terminated": {"finishedAt": ended}}}] if ended else []
    return {
        "metadata": {"name": name, "creationTimestamp": "2026-05-01T23:30:00Z"},
        "status": {"phase": phase, "containerStatuses": terminated},
    }


PODS = [
    _pod("old", "Failed", "2026-05-01T10:00:00Z"),
    _pod("young", "Failed", "2026-05-01T23:59:00Z"),
    _pod("silent", "Failed", None),
    _pod("running", "Running", "2026-05-01T10:00:00Z"),
]


def test_only_failed_pods_go_and_only_the_old():
    assert pods.outdated(PODS, NOW, timedelta(hours=1)) == ["old"]
    assert pods.outdated(PODS, NOW, timedelta(minutes=10)) == ["old", "silent"]


def test_they_are_deleted(monkeypatch):
    with fake_api() as (api, cluster):
        api.objects = {f"pods/{one['metadata']['name']}": one for one in PODS}
        monkeypatch.setattr(Cluster, "here", lambda: cluster)
        assert pods.main(["--selector", "a=b", "--hours", "1"]) == 0
        # Long ago by today's clock: all failed ones.
        assert sorted(api.objects) == ["pods/running"]


def test_a_namespace_that_is_gone_does_not_keep_the_others_full(monkeypatch, capsys):
    """Each is tried, and the job fails so that somebody looks."""
    with fake_api() as (api, cluster):
        api.objects = {f"pods/{one['metadata']['name']}": one for one in PODS}
        monkeypatch.setattr(Cluster, "here", lambda: cluster)
        assert pods.main(["--selector", "a=b", "--hours", "1", "--namespace", "gone"]) == 1
        assert sorted(api.objects) == ["pods/running"]
        asked = [path for method, path in api.calls if method == "GET"]
    assert asked == ["pods", "/api/v1/namespaces/gone/pods"]
    assert "not found" in capsys.readouterr().err
