"""Time that recording adds to an attempt of a step.

Each attempt runs in a process of its own, forked from one that has loaded everything, as LocalExecutor does it. The
same empty function runs with and without its record, in turns.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

from bench.report import row

RUNS = 30
FILES = 300
"""Files of the repository that git looks at."""

CHILD = """
import os, sys, time, uuid
from skyrail.steps.capture import Capture
from skyrail.tracking import names
import skyrail.steps.decorator

def body():
    pass

def identity():
    return {names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "d", names.RUN_ID: "r", names.TASK_ID: "t",
            names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: ""}

def attempt(recorded):
    started = time.perf_counter()
    if os.fork() == 0:
        if recorded:
            with Capture(body, identity(), {}):
                body()
        else:
            body()
        os._exit(0)
    os.wait()
    return time.perf_counter() - started

attempt(True)
for _ in range(int(sys.argv[1])):
    print(attempt(False), attempt(True), flush=True)
"""


def main() -> None:
    """Print the time of an attempt without and with its record, and what the record adds."""
    for name, change in (("as committed", False), ("with changes", True)):
        with tempfile.TemporaryDirectory() as folder:
            pairs = _pairs(Path(folder), change)
        if not change:
            row("attempt without its record", [1000 * plain for plain, _ in pairs], "ms")
        row(f"attempt with its record, {name}", [1000 * recorded for _, recorded in pairs], "ms")
        row("  of that, the record", [1000 * (recorded - plain) for plain, recorded in pairs], "ms", must="<= 150")


def _pairs(folder: Path, change: bool) -> list[tuple[float, ...]]:
    """Return the seconds of attempts without and with their record, of a function in a repository of some size."""
    dags = folder / "dags"
    dags.mkdir()
    for number in range(FILES):
        (dags / f"module_{number}.py").write_text(f"x = {number}\n" * 100)
    program = dags / f"{uuid.uuid4().hex}.py"
    program.write_text(CHILD)
    commit = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "commit", "-qm", "bench"]
    for arguments in (["init", "-q"], ["add", "-A"], commit):
        subprocess.run(["git", "-C", dags, *arguments], check=True)
    if change:
        (dags / "module_0.py").write_text("x = 1\n" * 100)
        (dags / "new.py").write_text("y = 1\n")
    environment = {
        **os.environ,
        "AIRFLOW_HOME": f"{folder}/airflow",
        "AIRFLOW__SKYRAIL_TRACKING__SPOOL": f"{folder}/spool",
    }
    output = subprocess.run(
        [sys.executable, program, str(RUNS)], env=environment, capture_output=True, text=True, check=True
    ).stdout
    return [tuple(map(float, line.split())) for line in output.splitlines() if line[:1].isdigit()]
