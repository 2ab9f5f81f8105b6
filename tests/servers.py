"""Starting servers: free ports, waiting until they answer, a real MLflow server and a real PostgreSQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest


def free_port() -> int:
    """Return a port on loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 120) -> None:
    """Wait until an address answers; show the log when its process ends instead."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the server ended with {process.returncode}:\n{log.read_text()[-3000:]}")
        try:
            urllib.request.urlopen(url, timeout=2)
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"{url} did not answer within {seconds:.0f} s:\n{log.read_text()[-3000:]}")


class MlflowServer:
    """A real MLflow server on one port, with a database and artifacts of its own, however often it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it answers."""
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--serve-artifacts"]
        command += ["--artifacts-destination", str(self.folder / "artifacts")]
        # Its queue of background jobs is three busy processes more, for language models only; `skyrail up` has none.
        quiet = {
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        log = self.folder / "log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=output, start_new_session=True, env=os.environ | quiet
            )
        wait_for(f"{self.url}/health", self.process, log)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it; with SIGKILL as a machine that loses its power would."""
        if self.process is not None:
            os.killpg(self.process.pid, how)
            self.process.wait(60)
            self.process = None


class PostgresServer:
    """A real PostgreSQL on one port of loopback, which wants passwords."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.password = folder, free_port(), "a-password"
        self.process: subprocess.Popen[bytes] | None = None

    def address(self, database: str, *, driver: str = "") -> str:
        """Return the address of a database, with the password."""
        return f"postgresql{driver}://skyrail:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self, *options: str) -> None:
        """Make it if it is new, start it with options such as `ssl=on`, and return when it answers."""
        import psycopg2

        from skyrail.embedded.account import for_postgres, open_path
        from skyrail.embedded.postgres import identity, program

        account = for_postgres()
        data = self.folder / "data"
        if account:
            open_path(account, data)
        if not data.exists():
            data.mkdir(mode=0o700)
            password = self.folder / "password"
            password.write_text(self.password)
            if account:
                os.chown(data, account.uid, account.gid)
                os.chown(password, account.uid, account.gid)
            command = [program("initdb"), f"--pgdata={data}", "--username=skyrail", f"--pwfile={password}"]
            command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
            subprocess.run(command, check=True, capture_output=True, cwd=data, **identity(account))
        settings = ("listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", *options)
        command = [program("postgres"), "-D", data, "-p", str(self.port)]
        command += [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=data, **identity(account))
        deadline = time.monotonic() + 60
        while True:
            try:
                return psycopg2.connect(self.address("postgres"), connect_timeout=2).close()
            except psycopg2.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    pytest.fail(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()[-3000:]}")
                time.sleep(0.05)

    def stop(self) -> None:
        """End it at once, with what was committed kept."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(60)
            self.process = None
