"""The state folder of the embedded platform: where everything of one `skyrail up` lies."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Home:
    """Paths in the state folder. Only `path` is a choice; the rest is Skyrail's own layout."""

    path: Path

    @classmethod
    def locate(cls, option: Path | None = None) -> Home:
        """Return the folder that the option names, else `SKYRAIL_HOME`, else `.skyrail` in the current directory."""
        chosen = option or Path(os.environ.get("SKYRAIL_HOME") or ".skyrail")
        return cls(chosen.expanduser().absolute())

    @property
    def secrets(self) -> Path:
        """Generated keys and passwords, readable by the owner alone."""
        return self.path / "secrets.json"

    @property
    def state(self) -> Path:
        """What runs: processes, ports, versions."""
        return self.path / "state.json"

    @property
    def lock(self) -> Path:
        """File that the running supervisor holds locked."""
        return self.path / "lock"

    @property
    def postgres(self) -> Path:
        """PostgreSQL's data directory."""
        return self.path / "postgres"

    @property
    def airflow(self) -> Path:
        """Airflow's home."""
        return self.path / "airflow"

    @property
    def logs(self) -> Path:
        """One log file a process."""
        return self.path / "logs"

    @property
    def task_logs(self) -> Path:
        """Airflow's task logs."""
        return self.logs / "tasks"

    @property
    def artifacts(self) -> Path:
        """Artifacts of MLflow runs."""
        return self.path / "mlflow" / "artifacts"

    @property
    def spool(self) -> Path:
        """What steps recorded and the tracking server does not have yet."""
        return self.path / "spool"

    @property
    def store(self) -> Path:
        """Results of steps that are too large for an XCom."""
        return self.path / "store"

    @property
    def login(self) -> Path:
        """Hashes of one-time sign-in links."""
        return self.path / "login"

    @property
    def inbox(self) -> Path:
        """Messages for people, one JSON object a line."""
        return self.path / "notifications.jsonl"

    def log(self, process: str) -> Path:
        """Return the log file of a process."""
        return self.logs / f"{process}.log"

    def create(self, mode: int = 0o700) -> None:
        """Create the folders that are missing, closed to other users. `mode` is that of the home itself."""
        for folder in (
            self.path,
            self.airflow,
            self.logs,
            self.task_logs,
            self.artifacts,
            self.spool,
            self.store,
            self.login,
        ):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(mode)
        # The folder lies in a working copy: its secrets must never be committed with `git add .`.
        ignore = self.path / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n")
