"""Make a lock: uv resolves. `skyrail lock` writes it beside the DAG, a step that runs without one into the cache."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from skyrail.settings import EnvironmentSettings, load
from skyrail.steps.environments import uv
from skyrail.steps.environments.lock import PYTHON, Lock, find, in_cache, parse, render
from skyrail.steps.environments.wanted import Wanted

log = logging.getLogger(__name__)

OLDEST = "3.11"
"""The oldest Python that a lock holds for, unless it is made for one."""


def resolve(wanted: Wanted, *, upgrade: bool = False, python: str = "") -> str:
    """Return the text of a lock. Versions of the lock that there is are kept where they still fit.

    Args:
        wanted: what to resolve.
        upgrade: take the newest versions instead.
        python: the Python to lock for, such as `3.12`; empty for what the lock said before, else for 3.11 to 3.13.

    Raises:
        StepEnvironmentError: there is no solution, or the index is away.
    """
    before = _read(wanted.path)
    python = python or next((line.removeprefix(PYTHON) for line in before.splitlines() if line.startswith(PYTHON)), "")
    with tempfile.TemporaryDirectory() as name:
        output, limits = Path(name, "lock.txt"), Path(name, "constraints.txt")
        if before and not upgrade:
            output.write_text(before)
        command = ["pip", "compile", "-", "--universal", "--python-version", python or OLDEST, "--generate-hashes"]
        command += ["--only-binary", ":all:", "--no-header", "--output-file", str(output)]
        if wanted.constraints:
            limits.write_text("\n".join(wanted.constraints))
            command += ["--constraint", str(limits)]
        uv.run(
            f"The packages of step {wanted.step!r} cannot be locked",
            command,
            folder=wanted.folder,
            stdin="\n".join(wanted.requirements),
        )
        resolved = output.read_text().replace("-r -\n", "what was asked\n").replace(f"-c {limits}", "a constraint")
    return render(wanted, python, resolved)


def write(path: Path, text: str) -> None:
    """Replace a lock in one step.

    Raises:
        OSError: the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            os.fchmod(descriptor, 0o644)  # of a temporary file it would be the owner's alone
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def settle(wanted: Wanted, dag_file: Path) -> Lock:
    """Return the lock of a step that runs, made now when there is none of these packages.

    It is kept with the environments: beside the DAG it would change the version of the run's other attempts.

    Args:
        wanted: what the step asks for.
        dag_file: the file that the step's function is written in, for the hint how to keep the lock.

    Raises:
        StepEnvironmentError: it cannot be made.
    """
    settings = load(EnvironmentSettings)
    if lock := find(wanted, settings):
        return lock
    cached = in_cache(wanted, settings)
    with _alone(cached):
        if lock := find(wanted, settings):  # another worker made it meanwhile
            return lock
        log.info("Locking the packages of step %s", wanted.step)
        text = resolve(wanted)
        write(cached, text)
        log.info(
            "Locked the packages of step %s for this machine. For all: run `skyrail lock %s` and commit its files.",
            wanted.step,
            shlex.quote(str(dag_file)),
        )
        return parse(cached, text, wanted.folder)


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
