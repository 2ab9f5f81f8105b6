"""Points a second: printed lines beside plain `log_metric` calls of MLflow, to one real server in one run.

Until the step may go on, and until everything is on the server. Memory is that of the recorder's and the flusher's
processes at their peak.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from bench.report import row

CALLS = 200
LINES = 20_000
RUNS = 3

PLAIN = """
import os, sys, time
import mlflow
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("plain")
with mlflow.start_run():
    mlflow.log_metric("warm", 1)
    started = time.perf_counter()
    for step in range(int(sys.argv[2])):
        mlflow.log_metric("loss", step / 7, step=step)
    print(time.perf_counter() - started)
"""

STEP = """
import json, os, sys, time, uuid
from skyrail.steps.capture import Capture
from skyrail.tracking import names

def body():
    for step in range(int(sys.argv[1])):
        print(json.dumps({"loss": step / 7, "step": step}))

identity = {names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "lines", names.RUN_ID: "r", names.TASK_ID: "t",
            names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: ""}
log = os.dup(1)
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1)
with Capture(body, identity, {}) as capture:
    started = time.perf_counter()
    body()
    sys.stdout.flush()
    printed = time.perf_counter() - started
    recorder = capture._recorder._process.pid
    memory = next(line for line in open(f"/proc/{recorder}/status") if line.startswith("VmHWM")).split()[1]
os.write(log, f"{printed} {time.perf_counter() - started} {memory}".encode())
"""

FLUSH = """
import sys, time, resource
from skyrail.tracking import flusher
import mlflow
loaded = time.perf_counter()
code = flusher.main(["--once"])
print(time.perf_counter() - loaded, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
sys.exit(code)
"""


def main() -> None:
    """Print points a second of both, and how they compare."""
    with tempfile.TemporaryDirectory() as folder, _server(Path(folder)) as address:
        environment = {
            **os.environ,
            "AIRFLOW_HOME": folder,
            "AIRFLOW__SKYRAIL_TRACKING__SPOOL": f"{folder}/spool",
            "AIRFLOW__SKYRAIL_TRACKING__SERVER": address,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        }

        def run(program: str, *arguments: str) -> list[float]:
            command = [sys.executable, "-c", program, *arguments]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
            return [float(word) for word in done.stdout.splitlines()[-1].split()]

        plain, printed, recorded, arrived, recorder, flusher = [], [], [], [], [], []
        for _ in range(RUNS):
            plain += [CALLS / seconds for seconds in run(PLAIN, address, str(CALLS))]
            printing, recording, memory = run(STEP, str(LINES))
            sending, peak = run(FLUSH)
            printed.append(LINES / printing)
            recorded.append(LINES / recording)
            arrived.append(LINES / (recording + sending))
            recorder.append(memory / 1024)
            flusher.append(peak / 1024)
        calls = row("mlflow.log_metric to the server", plain, "points/s")
        lines = row("lines printed, until the step goes on", printed, "points/s")
        row("  and its record is complete on the disk", recorded, "points/s")
        sent = row("  and everything is on the server", arrived, "points/s")
        row("a step's lines over log_metric calls", [lines / calls], "times", must=">= 100")
        row("likewise, until they are on the server", [sent / calls], "times")
        row("memory of the recorder", recorder, "MB")
        row("memory of the flusher", flusher, "MB")


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        while True:
            if process.poll() is not None:
                raise SystemExit((folder / "log").read_text()[-2000:])
            with contextlib.suppress(urllib.error.URLError, OSError):
                urllib.request.urlopen(f"{address}/health", timeout=2)
                break
            time.sleep(0.1)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
