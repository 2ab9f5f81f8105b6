"""A platform under load: a DAG run with steps on workers and in pods, and what became of each of them."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import httpx
from tests.e2e.cluster import Release, trigger, wait_until


@dataclass(frozen=True)
class Load:
    """One run of the DAG `steady`."""

    release: Release
    run_id: str
    steps: int

    @classmethod
    def start(cls, release: Release, worker_steps: int = 30, pod_steps: int = 6, seconds: int = 5) -> Load:
        """Start a run, and return when its first steps are running."""
        said = {"worker_steps": worker_steps, "pod_steps": pod_steps, "seconds": seconds}
        with release.api() as api:
            load = cls(release, trigger(api, "steady", said), worker_steps + pod_steps)
            wait_until(
                "steps run on a worker and in a pod",
                lambda: (
                    {"on_worker", "in_pod"}
                    <= {each["task_id"] for each in load.tries(api) if each["state"] == "running"}
                ),
            )
        return load

    def tries(self, api: httpx.Client) -> list[dict[str, Any]]:
        """Return the task instances of the run's steps, one for each map index."""
        found = api.get(f"/api/v2/dags/steady/dagRuns/{self.run_id}/taskInstances", params={"limit": 100})
        found.raise_for_status()
        return [each for each in found.json()["task_instances"] if not each["task_id"].endswith("numbers")]

    def finish(self, seconds: float = 600) -> list[dict[str, Any]]:
        """Wait until the run is over, whatever happens to the connections meanwhile; return its steps."""

        def over() -> list[dict[str, Any]] | None:
            with contextlib.suppress(httpx.HTTPError, AssertionError), self.release.api() as api:
                state = api.get(f"/api/v2/dags/steady/dagRuns/{self.run_id}").json()["state"]
                if state in ("success", "failed"):
                    return self.tries(api)
            return None

        return wait_until(f"run {self.run_id} ends", over, seconds, every=5)

    def lost(self, steps: list[dict[str, Any]]) -> list[str]:
        """Return the steps that did not succeed, or are not there."""
        bad = [
            f"{each['task_id']}[{each['map_index']}]: {each['state']}" for each in steps if each["state"] != "success"
        ]
        return bad if len(steps) == self.steps else [*bad, f"{len(steps)} steps of {self.steps}"]


def repeated(steps: list[dict[str, Any]]) -> list[str]:
    """Return the steps that needed more than one try."""
    return [
        f"{each['task_id']}[{each['map_index']}]: try {each['try_number']}" for each in steps if each["try_number"] > 1
    ]
