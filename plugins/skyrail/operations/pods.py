"""Remove failed pods of steps after a while: `python -m skyrail.operations.pods --selector LABELS --hours N`.

Airflow removes pods that succeeded. One that failed stays, so that its next try can be made larger if memory was the
reason, and so that people can see why; without an end these would fill the namespace.
"""

from __future__ import annotations

import argparse
import sys
import urllib.parse
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from skyrail.errors import SkyrailError
from skyrail.operations.cluster import Cluster, ClusterError


def outdated(pods: Iterable[Mapping[str, Any]], now: datetime, keep: timedelta) -> list[str]:
    """Return the names of the failed pods that ended longer ago than `keep`."""
    return [
        pod["metadata"]["name"]
        for pod in pods
        if pod.get("status", {}).get("phase") == "Failed" and _ended(pod) < now - keep
    ]


def _ended(pod: Mapping[str, Any]) -> datetime:
    """Return when the last container of a pod ended; when it was made, if the cluster does not say."""
    states = [one.get("state", {}).get("terminated") or {} for one in pod["status"].get("containerStatuses") or []]
    times = [state["finishedAt"] for state in states if state.get("finishedAt")]
    return datetime.fromisoformat(max(times, default=pod["metadata"]["creationTimestamp"]))


def main(arguments: list[str] | None = None) -> int:
    """Remove outdated pods. Return the exit code."""
    parser = argparse.ArgumentParser(prog="skyrail.operations.pods", description=__doc__)
    parser.add_argument("--selector", required=True, help="labels of the pods, as kubectl takes them")
    parser.add_argument("--hours", type=float, required=True, help="how long a failed pod stays")
    parser.add_argument("--namespace", action="append", default=[], help="one of a team's; its own is always looked at")
    chosen = parser.parse_args(arguments)
    failed = False
    try:
        cluster = Cluster.here()
        for namespace in dict.fromkeys([cluster.namespace, *chosen.namespace]):
            try:
                remove(replace(cluster, namespace=namespace), chosen.selector, timedelta(hours=chosen.hours))
            except ClusterError as error:  # a namespace that is gone: the others are cleaned all the same
                print(f"Error: {error}", file=sys.stderr)
                failed = True
    except SkyrailError as error:
        print(f"Error: {error}", file=sys.stderr)
        failed = True
    return int(failed)


def remove(cluster: Cluster, selector: str, keep: timedelta) -> None:
    """Remove the outdated pods of a namespace.

    Raises:
        ClusterError: the API refuses, or does not answer.
    """
    query = urllib.parse.urlencode({"labelSelector": selector, "fieldSelector": "status.phase=Failed"})
    for name in outdated(cluster.call("GET", f"pods?{query}")["items"], datetime.now(UTC), keep):
        try:
            cluster.call("DELETE", f"pods/{name}")
            print(f"Removed {name} of {cluster.namespace}")
        except ClusterError as error:
            if error.status != 404:
                raise


if __name__ == "__main__":
    sys.exit(main())
