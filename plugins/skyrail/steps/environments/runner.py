"""Run the body of a step in the step's own environment, as a child of the task's process."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from skyrail.steps.call import Call
from skyrail.steps.child import library
from skyrail.steps.child.job import collect, prepare
from skyrail.steps.environments import cache, process, resolve
from skyrail.steps.environments.lock import check
from skyrail.steps.environments.wanted import wanted_by


def run(call: Call) -> Any:
    """Run a call's function with the packages that its step asks for, and return its result.

    Raises:
        StepError: the environment cannot be made, the function or an argument cannot travel, or the child was killed.
        BaseException: what the function raised.
    """
    file = Path(inspect.getsourcefile(inspect.unwrap(call.function)) or ".")
    lock = check(call.step, call.options.packages, file)
    if not lock.sha256:
        lock = resolve.settle(wanted_by(call.step, call.options.packages, file), file)
    call.capture.note_environment(lock.sha256, lock.text)
    with cache.in_use(lock) as interpreter:
        arguments = prepare(call, library=library.make(call.folder / "library"))
        code = process.run([str(interpreter), *arguments], environment(interpreter, os.environ))
        process.check(call.step, code)
        return collect(call)


def environment(interpreter: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the child: this process's, but for what would lead it to other packages than its own."""
    own = {name: value for name, value in inherited.items() if name not in _NOT_INHERITED}
    folder = interpreter.parent
    path = os.pathsep.join([str(folder), inherited.get("PATH", os.defpath)])
    return {**own, "PATH": path, "VIRTUAL_ENV": str(folder.parent)}


# The bytecode of an environment is written when a module is first imported, and kept for all later steps.
_NOT_INHERITED = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"}
