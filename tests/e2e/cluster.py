"""A real Kubernetes through kubectl and helm, as a platform engineer has them, and one install of the chart."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tests.servers import free_port

ROOT = Path(__file__).parents[2]


def run(*command: str, text: str = "", seconds: float = 120, check: bool = True) -> str:
    """Run a command and return what it printed; show all of it when it fails."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def wait_until(what: str, true: Any, seconds: float = 180, every: float = 1.0) -> Any:
    """Wait until a function returns something that is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)
    return found


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster."""

    name: str

    def kubectl(self, *arguments: str, text: str = "", seconds: float = 120, check: bool = True) -> str:
        """Run kubectl in this namespace."""
        return run("kubectl", "--namespace", self.name, *arguments, text=text, seconds=seconds, check=check)

    def get(self, *arguments: str) -> Any:
        """Return what `kubectl get` finds, as data."""
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def apply(self, *objects: dict[str, Any]) -> None:
        """Create or change objects."""
        self.kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def create(self, labels: dict[str, str]) -> None:
        """Create it, with labels; one of that name that is being removed has to go first."""
        phase = ("get", "namespace", self.name, "--ignore-not-found", "-o", "jsonpath={.status.phase}")
        wait_until(f"{self.name} is gone", lambda: run("kubectl", *phase) != "Terminating")
        metadata = {"name": self.name, "labels": labels}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def delete(self) -> None:
        """Remove it and all that is in it."""
        run("kubectl", "delete", "namespace", self.name, "--ignore-not-found", "--wait=false")

    def pods(self, **labels: str) -> list[dict[str, Any]]:
        """Return the pods with these labels, of which `component` stands for Kubernetes' own."""
        said = {"app.kubernetes.io/component" if key == "component" else key: value for key, value in labels.items()}
        return self.get("pods", "-l", ",".join(f"{key}={value}" for key, value in said.items()))["items"]

    @contextlib.contextmanager
    def forward(self, target: str, port: int) -> Iterator[int]:
        """Forward a port of this machine to a Service or pod for as long as the context lasts."""
        local = free_port()
        command = ["kubectl", "--namespace", self.name, "port-forward", target, f"{local}:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            try:
                assert process.stdout is not None
                said = process.stdout.readline()
                assert "Forwarding" in said, said
                yield local
            finally:
                process.terminate()


@dataclass(frozen=True)
class Release:
    """An install of the chart."""

    space: Namespace
    name: str = "skyrail"
    scheme: str = "http"

    def helm(self, action: str, values: Path, *more: str, seconds: float = 600) -> str:
        """Install or upgrade, and wait until all is ready."""
        chart = str(ROOT / "helm" / "skyrail")
        arguments = [action, self.name, chart, "--namespace", self.space.name, "--values", str(values)]
        return run("helm", *arguments, "--wait", "--timeout", f"{seconds:.0f}s", *more, seconds=seconds + 60)

    def login_link(self) -> str:
        """Return a one-time sign-in link, made with rights to exec in the namespace and nothing else."""
        said = self.space.kubectl("exec", f"deploy/{self.name}-api-server", "--", "skyrail", "login")
        found = re.search(r"https?://\S+", said)
        assert found, said
        return found.group()

    @contextlib.contextmanager
    def api(self) -> Iterator[httpx.Client]:
        """Return a client of Airflow's API as whoever followed a sign-in link."""
        with (
            self.space.forward(f"service/{self.name}-api-server", 8080) as port,
            # A certificate is for names inside the cluster, and not for a forwarded port.
            httpx.Client(base_url=f"{self.scheme}://127.0.0.1:{port}", timeout=60, verify=False) as client,
        ):
            link = httpx.URL(self.login_link())
            answer = client.get(link.raw_path.decode())
            assert answer.status_code in (302, 303, 307), answer.text
            client.headers["Authorization"] = f"Bearer {client.cookies['_token']}"
            yield client


def trigger(api: httpx.Client, dag: str, conf: dict[str, Any] | None = None) -> str:
    """Start a DAG run and return its id; wait for the DAG to be parsed first."""
    wait_until(f"{dag} is parsed", lambda: api.get(f"/api/v2/dags/{dag}").status_code == 200)
    made = api.post(f"/api/v2/dags/{dag}/dagRuns", json={"logical_date": None, "conf": conf or {}})
    assert made.status_code == 200, made.text
    return made.json()["dag_run_id"]


def tasks(api: httpx.Client, dag: str, run_id: str) -> dict[str, Any]:
    """Return the task instances of a run by their task; of a mapped task, the last."""
    found = api.get(f"/api/v2/dags/{dag}/dagRuns/{run_id}/taskInstances", params={"limit": 100})
    return {each["task_id"]: each for each in found.json()["task_instances"]}


def finish(api: httpx.Client, dag: str, run_id: str, seconds: float = 300) -> dict[str, Any]:
    """Wait until a run is over; return its task instances."""
    run_of = f"/api/v2/dags/{dag}/dagRuns/{run_id}"
    wait_until(f"{dag} ends", lambda: api.get(run_of).json()["state"] in ("success", "failed"), seconds)
    return tasks(api, dag, run_id)
