"""Time that a step's own environment costs: over a plain call when it is built, and beside bare uv when it is not.

Both need scikit-learn and pandas from the configured index: each time where uv's cache is empty, else once.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from bench.report import row

PACKAGES = ("scikit-learn==1.5.*", "pandas==2.2.*")
WARM, COLD, EMPTY = 15, 7, 3


def _warm(scratch: Path, nothing: Callable[[], int]) -> list[float]:
    """Return what each call of the body in its environment takes over one in this process, in seconds."""
    from skyrail.steps.call import Call
    from skyrail.steps.capture import Capture
    from skyrail.steps.environments.runner import run
    from skyrail.steps.options import StepOptions
    from skyrail.tracking import names

    parts = (names.DAG_ID, names.RUN_ID, names.TASK_ID, names.MAP_INDEX, names.TRY_NUMBER, names.LOGICAL_DATE)
    identity = {**dict.fromkeys(parts, "x"), names.ATTEMPT_ID: str(uuid.uuid4())}
    capture = Capture(nothing, identity, {})
    taken = []
    for _ in range(WARM + 1):
        folder = Path(tempfile.mkdtemp(dir=scratch))
        call = Call("bench.nothing", nothing, [], {}, StepOptions(packages=PACKAGES), capture, folder)
        started = time.perf_counter()
        nothing()
        between = time.perf_counter()
        run(call)
        taken.append(time.perf_counter() - between - (between - started))
    return taken[1:]  # the first builds it


def _cold(scratch: Path, dag_file: Path, turns: int, *, empty: bool) -> list[tuple[float, float]]:
    """Return the seconds that bare uv and Skyrail take for a lock, in turns; with an empty cache of uv or not."""
    from uv import find_uv_bin

    from skyrail.steps.environments import cache, resolve
    from skyrail.steps.environments.wanted import wanted_by

    lock = resolve.settle(wanted_by("bench", PACKAGES, dag_file), dag_file)
    uv = find_uv_bin()
    pairs = []
    for turn in range(turns):
        bare, root = scratch / f"bare-{turn}", scratch / f"cache-{turn}"
        _use_cache(scratch / "uv-of-bare" if empty else None)
        started = time.perf_counter()
        subprocess.run([uv, "venv", "-q", "--python", sys._base_executable, str(bare)], check=True)  # type: ignore[attr-defined]
        install = [uv, "pip", "install", "-q", "--python", str(bare / "bin" / "python"), "-r", str(lock.path)]
        subprocess.run(install, check=True)
        between = time.perf_counter()
        _use_cache(scratch / "uv-of-ours" if empty else None)
        began = time.perf_counter()
        cache.build(lock, root)
        pairs.append((between - started, time.perf_counter() - began))
        for folder in (bare, root):
            shutil.rmtree(folder)
    _use_cache(None)
    return pairs


def _use_cache(folder: Path | None) -> None:
    """Have uv use an empty cache, or its usual one."""
    os.environ.pop("UV_CACHE_DIR", None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ["UV_CACHE_DIR"] = str(folder)


def main() -> None:
    """Print what an environment adds to a step when it is built, and how long it takes to build beside bare uv."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AIRFLOW_HOME"] = folder
        os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
        os.environ["AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK"] = "True"
        dag_file = Path(folder, "bench_dag.py")
        dag_file.write_text("def nothing():\n    return 1\n")
        sys.path.append(folder)
        warm = _warm(Path(folder), importlib.import_module("bench_dag").nothing)
        row("environment, warm: a body in it over one in process", warm, "s", must="<= 0.3")
        for what, turns, empty in (("nothing cached", EMPTY, True), ("uv has the packages", COLD, False)):
            pairs = _cold(Path(folder), dag_file, turns, empty=empty)
            row(f"environment, {what}: bare uv venv and pip install", [bare for bare, _ in pairs], "s")
            row(f"environment, {what}: Skyrail", [ours for _, ours in pairs], "s")
            row(f"environment, {what}: Skyrail / bare uv", [ours / bare for bare, ours in pairs], "x", must="<= 1.2")
