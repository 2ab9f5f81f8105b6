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

from bench.report import row

RUNS = 30

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
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "AIRFLOW_HOME": folder, "AIRFLOW__SKYRAIL_TRACKING__SPOOL": f"{folder}/spool"}
        program = f"{folder}/{uuid.uuid4().hex}.py"
        with open(program, "w") as file:  # noqa: PTH123
            file.write(CHILD)
        output = subprocess.run(
            [sys.executable, program, str(RUNS)], env=environment, capture_output=True, text=True, check=True
        ).stdout
    pairs = [tuple(map(float, line.split())) for line in output.splitlines() if line[:1].isdigit()]
    row("attempt without its record", [1000 * plain for plain, _ in pairs], "ms")
    row("attempt with its record", [1000 * recorded for _, recorded in pairs], "ms")
    row("added by the record", [1000 * (recorded - plain) for plain, recorded in pairs], "ms", must="<= 150")
