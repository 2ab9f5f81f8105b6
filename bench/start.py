"""Time from the command to a platform that can be used, beside stock Airflow.

`skyrail up` (PostgreSQL, MLflow and the example with it) and `airflow standalone` of an Airflow without Skyrail start
in turns: first with nothing but the installed packages, then again on what the first start left. Ready is: the
api-server answers and says that scheduler, DAG processor and triggerer are healthy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from bench.report import row

ROOT = Path(__file__).parent.parent
STOCK = ROOT / ".cache" / "bench-stock"
TURNS = 3


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def get(url: str, body: Any = None) -> Any:
    """Return the JSON at an address, or None when it does not answer."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=2) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return None


def until(condition: Callable[[], bool], started: float, seconds: float = 300) -> float:
    """Wait for something; return the seconds since `started`."""
    while not condition():
        if time.perf_counter() - started > seconds:
            raise TimeoutError(f"nothing within {seconds} s")
        time.sleep(0.05)
    return time.perf_counter() - started


def healthy(port: int, since: float) -> bool:
    """Tell whether all parts have reported to the api-server after a moment (Unix time)."""
    health = get(f"http://127.0.0.1:{port}/api/v2/monitor/health")
    if not health:
        return False
    parts = ("scheduler", "dag_processor", "triggerer")
    from datetime import datetime

    def fresh(part: str) -> bool:
        beat = health[part].get(f"latest_{part}_heartbeat")
        return health[part]["status"] == "healthy" and datetime.fromisoformat(beat).timestamp() >= since

    return all(fresh(part) for part in parts)


def environment(**values: str) -> dict[str, str]:
    """Return an environment without anything of Airflow's or Skyrail's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SKYRAIL"))}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return {**kept, **values}


def stock(home: Path) -> float:
    """Start stock Airflow, wait until it is ready, stop it. Return the seconds it took."""
    port = free_port()
    values = environment(
        AIRFLOW_HOME=str(home),
        AIRFLOW__CORE__LOAD_EXAMPLES="False",
        AIRFLOW__API__PORT=str(port),
        AIRFLOW__CORE__EXECUTION_API_SERVER_URL=f"http://127.0.0.1:{port}/execution/",
        PATH=f"{STOCK / 'bin'}:{os.environ['PATH']}",
    )
    started, clock = time.time(), time.perf_counter()
    with (home.parent / f"{home.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [STOCK / "bin" / "airflow", "standalone"], env=values, stdout=log, stderr=log, start_new_session=True
        )
    try:
        return until(lambda: healthy(port, started), clock)
    finally:
        family = [process, *psutil.Process(process.pid).children(recursive=True)]
        os.killpg(process.pid, signal.SIGTERM)
        time.sleep(3)
        for member in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                member.kill()
        process.wait()


def skyrail(home: Path, times: dict[str, list[float]], *, verdict: bool = False) -> dict[str, float]:
    """Start Skyrail; note seconds to the link, until all is ready and to the first verdict. Return each one's MiB."""
    port, mlflow = free_port(), free_port()
    command = [sys.executable, "-m", "skyrail.cli", "up", "--detach", "--home", str(home), "--dags", str(ROOT / "dags")]
    clock = time.perf_counter()
    command += ["--port", str(port), "--mlflow-port", str(mlflow)]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if "Sign in" in line:
                times["link"].append(time.perf_counter() - clock)
    times["ready"].append(time.perf_counter() - clock)
    try:
        if verdict:
            times["verdict"].append(until(lambda: has_verdict(mlflow), clock))
        return memory(home)
    finally:
        stop = [sys.executable, "-m", "skyrail.cli", "down", "--home", str(home)]
        subprocess.run(stop, env=environment(), check=True, capture_output=True)


def has_verdict(mlflow: int) -> bool:
    """Tell whether a comparison of the example's model is on record."""
    url = f"http://127.0.0.1:{mlflow}/api/2.0/mlflow"
    experiment = get(f"{url}/experiments/get-by-name?experiment_name=model:flight_delay")
    if not experiment:
        return False
    found = get(
        f"{url}/runs/search",
        {
            "experiment_ids": [experiment["experiment"]["experiment_id"]],
            "filter": "tags.`skyrail.kind` = 'comparison' and attributes.status = 'FINISHED'",
        },
    )
    return bool(found and found.get("runs"))


def memory(home: Path) -> dict[str, float]:
    """Return the unshared memory (USS) of each process with its children, in MiB."""
    status = [sys.executable, "-m", "skyrail.cli", "status", "--json", "--home", str(home)]
    state = json.loads(subprocess.run(status, env=environment(), check=True, capture_output=True).stdout)
    result = {}
    for process in state["processes"]:
        root = psutil.Process(process["pid"])
        used = 0
        for member in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):  # a task that ended meanwhile
                used += member.memory_full_info().uss
        result[process["name"]] = used / 2**20
    return result


def install_stock() -> None:
    """Make an environment with Airflow alone, in the very versions of the lock, bytecode compiled."""
    if (STOCK / "bin" / "airflow").exists():
        return
    local = ROOT / ".cache" / "uv-venv" / "bin" / "uv"
    uv = shutil.which("uv") or str(local)
    STOCK.parent.mkdir(exist_ok=True)
    constraints = STOCK.parent / "bench-constraints.txt"
    export = [uv, "export", "--frozen", "--no-hashes", "--no-emit-project", "--all-extras", "-o", str(constraints)]
    subprocess.run(export, cwd=ROOT, check=True, capture_output=True)
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(STOCK)], check=True)
    install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(STOCK / "bin" / "python")]
    subprocess.run([*install, "-c", str(constraints), "apache-airflow"], check=True)


def main() -> None:
    """Print the times of both, first and later starts, their ratio, and the memory of each process."""
    install_stock()
    first: dict[str, list[float]] = {"stock": [], "link": [], "ready": [], "verdict": []}
    later: dict[str, list[float]] = {"stock": [], "link": [], "ready": []}
    used: dict[str, float] = {}
    for _ in range(TURNS):
        with tempfile.TemporaryDirectory() as folder:
            first["stock"].append(stock(Path(folder) / "stock"))
            used = skyrail(Path(folder) / "skyrail", first, verdict=True)
            later["stock"].append(stock(Path(folder) / "stock"))
            skyrail(Path(folder) / "skyrail", later)
    for name, times in (("first", first), ("later", later)):
        row(f"{name} start: airflow standalone, ready", times["stock"], "s")
        row(f"{name} start: skyrail up, sign-in link", times["link"], "s", must="<= 30")
        row(f"{name} start: skyrail up, all of it ready", times["ready"], "s")
        for what, must in (("link", "<= 1.5"), ("ready", "")):
            ratios = [ours / theirs for ours, theirs in zip(times[what], times["stock"], strict=True)]
            row(f"{name} start: skyrail up, {what} / airflow standalone, ready", ratios, "x", must=must)
    row("first start: skyrail up, first verdict", first["verdict"], "s", must="<= 75")
    for name, mebibytes in used.items():
        row(f"memory of {name} with its children (USS, example running)", [mebibytes], "MiB")
