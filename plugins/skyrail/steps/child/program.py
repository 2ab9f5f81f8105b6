"""Run a function in this interpreter: `python program.py FOLDER`, where `job.prepare` laid out what it needs.

It needs the standard library of Python 3.10 or later, and what the function imports. The folder's parent process reads
the answer with `job.collect`.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    # The folder of this file is no place to import from: it would hide modules of the function's.
    del sys.path[0]

import json
import logging
import os
import signal
import threading
from pathlib import Path

ALIVE = "SKYRAIL_ALIVE"
"""Names the end of a pipe that reads as closed once the parent is gone."""


def main(folder: Path) -> int:
    """Run the job in a folder. Return the exit code: 0 also when the function raised, since the answer says so."""
    job = json.loads((folder / "job.json").read_text())
    # Behind what the environment has, as Airflow does it for the folders of DAGs.
    sys.path.extend(path for path in [*job["paths"], str(Path(__file__).parents[3])] if path not in sys.path)
    from skyrail.steps.child import answer, function

    try:
        made = function.make(folder, job["plan"])
        args, kwargs = function.arguments(folder, job)
        result = function.call(made, args, kwargs)
        answer.give(folder, job, result)
    except BaseException as error:
        answer.give_error(folder, error, job["plan"]["file"])
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return 0


def _die_with_parent() -> None:
    """End this process and those that it started when the parent is gone, however it went."""
    given = os.environ.pop(ALIVE, "")
    if not given:
        return
    pipe = int(given)
    os.set_inheritable(pipe, False)

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=wait, name="skyrail-alive", daemon=True).start()


if __name__ == "__main__":
    _die_with_parent()
    # Each line on its way at once: metrics are read while the function runs, and a killed process flushes nothing.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    sys.exit(main(Path(sys.argv[1])))
