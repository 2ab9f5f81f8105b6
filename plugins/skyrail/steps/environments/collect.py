"""Find what DAG files ask for, by loading them as the DAG processor does: `python -m …collect OUT PATH…`.

A program of its own, so that loading the files leaves nothing behind in the command line.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.wanted import Wanted


@dataclasses.dataclass(frozen=True)
class Found:
    """What DAG files ask for."""

    wanted: list[Wanted]
    """One an environment, whatever the number of its steps."""
    errors: dict[str, str]
    """By file: why it could not be loaded."""


def collect(paths: list[Path]) -> Found:
    """Return what the steps of these DAG files and folders ask for.

    Raises:
        StepEnvironmentError: Airflow could not be started, or a path does not exist.
    """
    for path in paths:
        if not path.exists():
            raise StepEnvironmentError(f"There is no {path}.", fix="Name DAG files, or folders of them.")
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch, "found.json")
        environment = {
            # Airflow makes its home on import; a person who locks need not have one.
            "AIRFLOW_HOME": scratch,
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # What is locked here may run elsewhere, where there are GPUs.
            "AIRFLOW__SKYRAIL_RESOURCES__CPU_OK": "True",
            **os.environ,
        }
        command = [sys.executable, "-m", __name__, str(output), *(str(path.resolve()) for path in paths)]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if not output.exists():
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise StepEnvironmentError(
                f"The DAG files cannot be loaded: {''.join(last)}", fix="Check Airflow's settings."
            )
        found = json.loads(output.read_text())
    wanted = [
        Wanted(
            item["step"],
            tuple(item["requirements"]),
            tuple(item["constraints"]),
            Path(item["folder"]),
            item["file_name"],
        )
        for item in found["wanted"]
    ]
    return Found(wanted, found["errors"])


def load(paths: list[Path]) -> Found:
    """Load the files in this process, and return what they ask for."""
    from airflow.dag_processing.dagbag import DagBag

    from skyrail.steps.environments.lock import collecting

    errors: dict[str, str] = {}
    with collecting() as found:
        for path in paths:
            sys.path.append(str(path if path.is_dir() else path.parent))
            bag = DagBag(dag_folder=path)
            errors.update({str(file): _message(text) for file, text in bag.import_errors.items()})
    return Found(list({item.path: item for item in reversed(found)}.values())[::-1], errors)


def _message(trace: str) -> str:
    """Return what a traceback ends with: our own errors as their sentences, others with their class."""
    lines = trace.strip().splitlines()
    last = max((number for number, line in enumerate(lines) if line.startswith(" ")), default=-1)
    return re.sub(r"^skyrail\.[\w.]+: ", "", "\n".join(lines[last + 1 :]))


def main() -> None:
    """Write what the files named on the command line ask for."""
    output, *paths = sys.argv[1:]
    found = load([Path(path) for path in paths])
    Path(output).write_text(json.dumps(dataclasses.asdict(found), default=str))


if __name__ == "__main__":
    main()
