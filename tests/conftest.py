"""What every test may use: real servers, started once and shared."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator

import pytest
from tests.platform import api, finished, mlflow_client, platform  # noqa: F401
from tests.servers import free_port, wait_for

# Modules compiled at each import cost minutes over a whole run.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# Airflow reads its home on import. Whoever runs the tests may have one, and it is not ours to touch.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="skyrail-tests-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)
sys.dont_write_bytecode = False


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real MLflow server with a database and artifacts of its own."""
    folder = tmp_path_factory.mktemp("mlflow")
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(60)
