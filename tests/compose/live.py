"""Start the compose file for real, as a project of its own, and prove what docs/compose.md says of it.

`make compose-check` runs it: some minutes, on the engine of this machine, with the images of `make image`.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from tests.compose.project import PARTS, Compose

DAG = "flights_training"
RUNS = 2
"""How many months are awaited."""

# All processes of a container but the first, which passes signals on, and this shell's own.
FREEZE = "for p in /proc/[0-9]*; do p=${p#/proc/}; test $p = 1 -o $p = $$ || kill -STOP $p 2>/dev/null; done; true"
THAW = FREEZE.replace("STOP", "CONT")


def expect(promise: str, kept: object) -> None:
    """Say whether a promise was kept, and end with the first that was not."""
    print(f"  {'ok  ' if kept else 'FAIL'} {promise}", flush=True)
    if not kept:
        raise SystemExit(1)


def until(promise: str, condition: Callable[[], object], seconds: float) -> None:
    """Wait for a promise to come true, and say how long it took."""
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        with contextlib.suppress(httpx.HTTPError, KeyError):
            if condition():
                return expect(f"{promise} ({time.monotonic() - start:.0f} s)", True)
        time.sleep(1)
    return expect(f"{promise} (not within {seconds:.0f} s)", False)


def sign_in(compose: Compose) -> httpx.Client:
    """Return a client that has signed in by a one-time link."""
    link = compose("exec", "-T", "api-server", "skyrail", "login").strip()
    client = httpx.Client(base_url=f"http://127.0.0.1:{compose.port}", follow_redirects=True, timeout=120)
    expect("a one-time link signs in", client.get(link).status_code == 200)
    expect("the same link does not sign in twice", httpx.get(link).status_code == 410)
    return client


def states(client: httpx.Client) -> dict[str, str]:
    """Return the state of each run of the example."""
    answer = client.get(f"/api/v2/dags/{DAG}/dagRuns", params={"limit": 50, "order_by": "logical_date"}).json()
    return {run["dag_run_id"]: run["state"] for run in answer["dag_runs"]}


def running(client: httpx.Client) -> list[str]:
    """Return the tasks that run now."""
    answer = client.get(f"/api/v2/dags/{DAG}/dagRuns/~/taskInstances", params={"state": "running"}).json()
    return [task["task_id"] for task in answer["task_instances"]]


def attempts(compose: Compose) -> list[dict[str, Any]]:
    """Return the runs that MLflow has of the example."""
    with httpx.Client(base_url=f"http://127.0.0.1:{compose.mlflow_port}/api/2.0/mlflow", timeout=30) as mlflow:
        found = mlflow.get("/experiments/get-by-name", params={"experiment_name": DAG}).json()
        body = {"experiment_ids": [found["experiment"]["experiment_id"]], "max_results": 1000}
        return mlflow.post("/runs/search", json=body).json().get("runs", [])


def secrets(compose: Compose) -> str:
    """Return the hashes of all secrets."""
    return compose("exec", "-T", "api-server", "sh", "-c", "cd /etc/skyrail && sha256sum *")


def nothing_shows(compose: Compose) -> Iterator[str]:
    """Yield each place in which a secret can be read that everybody may look at."""
    values = compose("exec", "-T", "api-server", "sh", "-c", "cat /etc/skyrail/*-password /etc/skyrail/*-key")
    for service in PARTS:
        shown = json.dumps(compose.container(service)) + compose("logs", "--no-log-prefix", service)
        shown += compose("top", service)
        for value in re.findall(r"[\w=-]{43,}", values):
            if value in shown:
                yield service


def main() -> int:
    """Run all proofs; return the exit code."""
    compose = Compose()
    try:
        start = time.monotonic()
        compose("up", "--detach", "--wait", "--wait-timeout", "600")
        expect(f"up --wait returns with all parts healthy ({time.monotonic() - start:.0f} s)", True)
        memory(compose.project)
        before = secrets(compose)
        expect("no secret is in docker inspect, a log or a list of processes", not list(nothing_shows(compose)))
        client = sign_in(compose)
        until("a task runs", lambda: running(client), 180)
        print(f"  .... killing the worker while {', '.join(running(client))} runs", flush=True)
        # From inside, all at once but the first process: the engine would take its own `kill` for the wish to stop it.
        compose("exec", "-T", "worker", "sh", "-c", "kill -KILL -1", check=False)
        until("the worker is there again by itself", lambda: compose.health("worker") == "healthy", 180)
        until(f"{RUNS} months succeed", lambda: list(states(client).values())[:RUNS] == ["success"] * RUNS, 900)
        until("MLflow has a model's version and more than ten attempts", lambda: len(attempts(compose)) > 10, 60)
        runs = [name for name, state in states(client).items() if state == "success"]
        recorded = {run["info"]["run_id"] for run in attempts(compose)}

        start = time.monotonic()
        compose("down", "--timeout", "60")
        expect(f"down ends all ({time.monotonic() - start:.0f} s)", not compose("ps", "--all", "--quiet"))
        start = time.monotonic()
        compose("up", "--detach", "--wait", "--wait-timeout", "600")
        expect(f"up starts all again ({time.monotonic() - start:.0f} s)", True)
        expect("secrets are the same", secrets(compose) == before)
        client = sign_in(compose)
        expect("runs are there", all(states(client).get(name) == "success" for name in runs))
        expect("records are there", recorded <= {run["info"]["run_id"] for run in attempts(compose)})

        for part in ("scheduler", "dag-processor", "triggerer", "worker", "api-server", "mlflow", "postgres", "valkey"):
            compose("exec", "-T", part, "sh", "-c", FREEZE)
            until(f"a frozen {part} is found", lambda part=part: compose.health(part) == "unhealthy", 240)
            compose("exec", "-T", part, "sh", "-c", THAW)
            until(f"it is healthy when it goes on: {part}", lambda part=part: compose.health(part) == "healthy", 120)
    finally:
        if "--keep" in sys.argv:
            print(f"It goes on at http://127.0.0.1:{compose.port}, as the project {compose.project}.")
        else:
            compose("down", "--volumes", "--timeout", "20", check=False)
    return 0


def memory(project: str) -> None:
    """Print what each part takes when it is idle."""
    said = subprocess.run(
        ["docker", "stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}"],
        capture_output=True,
        text=True,
        check=True,
    )
    for line in sorted(said.stdout.splitlines()):
        if line.startswith(project):
            print(f"       {line.removeprefix(f'{project}-')}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
