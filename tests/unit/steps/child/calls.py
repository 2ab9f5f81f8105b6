"""Calls of functions that are written in a DAG file, run by another interpreter."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.child import library
from skyrail.steps.child.job import collect, prepare
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

IDENTITY = {
    names.ATTEMPT_ID: "",
    names.DAG_ID: "d",
    names.RUN_ID: "r",
    names.TASK_ID: "t",
    names.MAP_INDEX: "-1",
    names.TRY_NUMBER: "1",
    names.LOGICAL_DATE: "",
}

BARE = Path(sys._base_executable)  # type: ignore[attr-defined]
"""An interpreter without a single package."""


def dag_file(folder: Path, text: str) -> Any:
    """Write a DAG file and return its module, loaded under a name as Airflow gives it."""
    folder.mkdir(exist_ok=True)
    file = folder / "dag.py"
    file.write_text(textwrap.dedent(text))
    name = f"unusual_prefix_{uuid.uuid4().hex}_dag"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.path.append(str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
    return module


def make_call(
    function: Callable[..., Any], folder: Path, *args: Any, packages: tuple[str, ...] = (), **kwargs: Any
) -> Call:
    """Return a call whose scratch folder is a new one in a folder."""
    capture = Capture(function, {**IDENTITY, names.ATTEMPT_ID: str(uuid.uuid4())}, {})
    scratch = Path(tempfile.mkdtemp(dir=folder))
    return Call("d.t", function, list(args), kwargs, StepOptions(packages=packages), capture, scratch)


def run_by(interpreter: Path, call: Call) -> Any:
    """Run a call by an interpreter and return its result."""
    arguments = prepare(call, library=library.make(call.folder / "library"))
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([interpreter, *arguments], check=True, env=environment, timeout=60)
    return collect(call)


OURS = f"{sys.version_info.major}.{sys.version_info.minor}"


def other_python() -> Path | None:
    """Return an interpreter of another version that Skyrail supports, or None when this machine has none."""
    names = [f"python3.{minor}" for minor in (11, 12, 13) if f"3.{minor}" != OURS]
    # Where a version manager keeps them all, those that the PATH does not lead to are beside this one.
    beside = sorted(Path(sys.base_prefix).parent.glob("3.1[123].*/bin/python3.1[123]"))
    for path in [*(Path(found) for name in names if (found := shutil.which(name))), *beside]:
        if (
            path.name in names
            and subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0
        ):
            return path
    return None
