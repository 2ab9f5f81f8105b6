"""What an install of the chart takes: how long until all is ready, its migrations, and the idle memory of each pod.

It looks at the release `skyrail` in the namespace of SKYRAIL_BENCH_NAMESPACE (by default `skyrail`), by kubectl alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime
from typing import Any

SELECTOR = "app.kubernetes.io/instance=skyrail"

# What the kernel counts for the container (control groups of version 2 or 1), without files that it can drop at once.
MEMORY = """
cd /sys/fs/cgroup
used=memory.current key=inactive_file
test -e $used || { cd memory; used=memory.usage_in_bytes key=total_inactive_file; }
while read -r name value; do test $name = $key && echo $(($(cat $used) - value)); done < memory.stat
true"""


def kubectl(*arguments: str) -> str:
    """Run kubectl in the namespace."""
    command = ["kubectl", "--namespace", os.environ.get("SKYRAIL_BENCH_NAMESPACE", "skyrail"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr.strip() or f"kubectl {' '.join(arguments)} failed.")
    return done.stdout


def main() -> None:
    """Print it."""
    items = json.loads(kubectl("get", "pods,jobs", "--selector", SELECTOR, "--output", "json"))["items"]
    if not items:
        sys.exit("There is no release `skyrail` in that namespace. Name its namespace: SKYRAIL_BENCH_NAMESPACE=…")
    pods = [each for each in items if each["kind"] == "Pod" and each["status"]["phase"] == "Running"]
    began = min(_time(each["metadata"]["creationTimestamp"]) for each in items)
    ready = max(
        _time(condition["lastTransitionTime"])
        for pod in pods
        for condition in pod["status"]["conditions"]
        if condition["type"] == "Ready" and condition["status"] == "True"
    )
    print(f"  first object -> all pods ready            {(ready - began).total_seconds():>8.0f} s")
    for job in items:
        if job["kind"] == "Job" and "migrations" in job["metadata"]["name"] and "completionTime" in job["status"]:
            took = _time(job["status"]["completionTime"]) - _time(job["status"]["startTime"])
            print(f"  migrations, with the wait for the database {took.total_seconds():>7.0f} s")
    total = 0
    for pod in sorted(pods, key=lambda one: one["metadata"]["name"]):
        sidecars = [each for each in pod["spec"].get("initContainers", []) if each.get("restartPolicy") == "Always"]
        for container in [*pod["spec"]["containers"], *sidecars]:
            name = pod["metadata"]["name"]
            used = int(kubectl("exec", name, "--container", container["name"], "--", "sh", "-c", MEMORY))
            total += used
            component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
            print(f"  {component + ' / ' + container['name']:<42} {used / 2**20:>7.0f} MiB")
    print(f"  {'all':<42} {total / 2**20:>7.0f} MiB", flush=True)


def _time(text: Any) -> datetime:
    return datetime.fromisoformat(text)


if __name__ == "__main__":
    main()
