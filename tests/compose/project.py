"""The compose file, started as a project that nothing else shares."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import free_port

ROOT = Path(__file__).parents[2]

PARTS = ("api-server", "scheduler", "dag-processor", "triggerer", "worker", "flusher", "mlflow", "postgres", "valkey")
"""Services that run on."""


class Compose:
    """A project of its own, on free ports."""

    def __init__(self, *files: Path) -> None:
        self.project = f"skyrail-check-{os.getpid()}"
        self.files = [argument for file in (ROOT / "docker-compose.yml", *files) for argument in ("--file", str(file))]
        self.port, self.mlflow_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "SKYRAIL_PORT": str(self.port),
            "SKYRAIL_MLFLOW_PORT": str(self.mlflow_port),
            "COMPOSE_ANSI": "never",
            "COMPOSE_PROGRESS": "quiet",
        }

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run a command of compose; return what it printed."""
        program = str(Path(sys.executable).with_name("docker-compose"))
        command = [program, "--project-name", self.project, *self.files, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=self.environment)
        if check and done.returncode:
            more = self("ps", "--all") + self("logs", "--tail", "20") if arguments[0] == "up" else ""
            raise RuntimeError(f"docker compose {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}{more}")
        return done.stdout

    def container(self, service: str) -> dict[str, Any]:
        """Return what the engine knows of a service's container."""
        [found] = self("ps", "--all", "--quiet", service).split()
        return json.loads(subprocess.run(["docker", "inspect", found], capture_output=True, check=True).stdout)[0]

    def health(self, service: str) -> str:
        """Return what the engine says of a service's health."""
        return str(self.container(service)["State"]["Health"]["Status"])
