"""Run a step's function in an image that has Python, and need not have anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import skyrail
from skyrail.errors import StepError
from skyrail.steps.call import Call
from skyrail.steps.child import library
from skyrail.steps.child.job import collect, prepare
from skyrail.steps.containers import container
from skyrail.steps.containers.creation import Mount
from skyrail.steps.containers.ending import check
from skyrail.steps.containers.engine import Engine, Image

PYTHON = (3, 10)
"""The oldest Python that the child's program is written for."""

_STARTED = "started"
"""A file in the job's folder: there is a Python in the image. Engines tell its absence by different exit codes."""

_START = f"""\
import runpy, sys
open(sys.argv[2] + "/{_STARTED}", "w").close()
if sys.version_info < {PYTHON}:
    sys.exit("The python3 of this image is %d.%d, and a step's function needs {PYTHON[0]}.{PYTHON[1]} or later."
             % sys.version_info[:2])
sys.argv[:1] = []
runpy.run_path(sys.argv[0], run_name="__main__")
"""

_MLFLOW = ("MLFLOW_TRACKING_URI", "MLFLOW_RUN_ID", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT")
"""What leads MLflow's client, if the image has one, to the attempt's record."""


def run(call: Call, machine: Engine, image: Image, environment: dict[str, str], limits: list[str]) -> Any:
    """Run the function of a call in a container, and return its result.

    Raises:
        StepError: the image has no Python, the function or an argument cannot travel, or the container failed.
        BaseException: what the function raised.
    """
    arguments = prepare(call, library=library.make(call.folder / "library"))
    ended = container.run(
        call,
        machine,
        image,
        ["python3", "-c", _START, *arguments],
        mounts=_mounts(call),
        environment={**environment, **{name: os.environ[name] for name in _MLFLOW if name in os.environ}},
        limits=limits,
    )
    if ended.code and not ended.out_of_memory and not (call.folder / _STARTED).exists():
        raise StepError(
            f"The image {call.options.image} has no python3, which the function of step {call.step!r} needs.",
            fix='Use an image that has one, or say what to run in it, as in command=["./train.sh"].',
        )
    check(call.step, ended.code, out_of_memory=ended.out_of_memory, memory=call.options.needs.get("memory"))
    return collect(call)


def _mounts(call: Call) -> list[Mount]:
    """Return what the child reads and writes, where this process sees it too: its plan has such paths."""
    code = [Path(skyrail.__file__).parent, *map(Path, json.loads((call.folder / "job.json").read_text())["paths"])]
    mounts = [Mount(path, str(path)) for path in dict.fromkeys(path.resolve() for path in code)]
    mounts.append(Mount(call.folder, str(call.folder), writable=True))
    if call.capture.attempt is not None:
        spool = call.capture.attempt.folder
        mounts.append(Mount(spool, str(spool), writable=True))
    return mounts
