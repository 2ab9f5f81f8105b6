"""A call of a step's function as a folder that another interpreter works on, and its answer.

    job.json      what to do
    source        text of the function's file
    value-…       pickled arguments and variables, and their buffers
    input-…       stored objects among the arguments: the blobs as they are in the store, verified
    answer.json   what came of it; `result` and `output-…` are its parts

All paths within are relative: the folder may be elsewhere for the child.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import sys
import sysconfig
from pathlib import Path
from typing import Any

from skyrail.errors import ArtifactError, SkyrailError, StepError
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call
from skyrail.steps.child import answer, crossing, source
from skyrail.steps.child.arguments import named
from skyrail.steps.child.library import PROGRAM
from skyrail.steps.child.pickles import Pickles
from skyrail.steps.values import unpack


def prepare(call: Call, *, library: Path) -> list[str]:
    """Lay out a call's folder for a child, and return the arguments after its interpreter: the program and the folder.

    Stored objects among the arguments are fetched and verified.

    Args:
        call: what to run.
        library: folder with Skyrail's package, as `child.library.make` makes it.

    Raises:
        SkyrailError: the function or an argument cannot travel, or a stored object cannot be read.
    """
    folder = call.folder
    pickles = Pickles(call.step, folder)
    plan = source.plan(call.step, call.function, pickles)
    shutil.copyfile(plan.file, folder / "source")
    inputs: dict[str, str] = {}

    def fetch(name: str, reference: Reference) -> dict[str, Any]:
        del name
        key = f"{reference.sha256}.{reference.format}"  # what the store checks: a file is not read as a pickle
        if key not in inputs:
            inputs[key] = f"input-{len(inputs)}"
            with (folder / inputs[key]).open("wb") as file:
                call.capture.store.fetch(reference, file)
        return reference.to_xcom()

    def lay(name: str, value: Any) -> dict[str, Any]:
        return pickles.add(name, unpack(_marked(value), name, fetch), plan.module)

    given = named(call)
    job = {
        "plan": dataclasses.asdict(plan),
        "args": [lay(name, value) for name, value in given.args],
        "kwargs": {name: lay(name, value) for name, value in given.kwargs.items()},
        "inputs": inputs,
        "inline_bytes": call.capture.settings.inline_bytes,
        "paths": _paths(Path(plan.file)),
    }
    (folder / "job.json").write_text(json.dumps(job))
    return [str(library / PROGRAM), str(folder)]


def collect(call: Call) -> Any:
    """Return the result of a child that is over, its stored parts kept.

    Raises:
        StepError: there is no answer, the result could not cross, or the function raised something unknown here.
        BaseException: what the function raised, when its class is loaded here.
    """
    try:
        given = json.loads((call.folder / answer.ANSWER).read_text())
    except FileNotFoundError:
        raise StepError(
            f"The function of step {call.step!r} ended its process without a result.",
            fix="Return from the function instead of leaving by os._exit; see the log for what came before.",
        ) from None
    if error := given.get("error"):
        raise _error(call, error)
    stored: dict[str, Reference] = {}
    for number, output in enumerate(given["outputs"], 1):
        path = call.folder / output["file"]
        name = "return_value" if number == 1 else f"return_value.{number}"
        with path.open("rb") as file:
            kept = call.capture.keep(name, file, form=output["form"], summary=output["summary"])
        stored[output["file"]] = kept
        path.unlink()  # kept in the store: no second copy for longer than needed
    return _with_references(crossing.load(call.folder / answer.RESULT), stored)


def _marked(value: Any) -> Any:
    """Return an argument with each reference in the form that it has in an XCom."""
    if isinstance(value, Reference):
        return value.to_xcom()
    if type(value).__name__ == "LazyXComSequence":
        value = list(value)
    if type(value) is dict:
        return {key: _marked(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_marked(item) for item in value)
    return value


def _with_references(value: Any, stored: dict[str, Reference]) -> Any:
    if reference := Reference.from_xcom(value):
        return stored.get(reference.uri, value)
    if type(value) is dict:
        return {key: _with_references(item, stored) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_with_references(item, stored) for item in value)
    return value


def _paths(file: Path) -> list[str]:
    """Return the folders from which modules beside the function's file are imported: its own, and those of the bundle.

    Nothing of this interpreter's own packages: they may be of other versions.
    """
    ours = {Path(sys.prefix), Path(sys.base_prefix), *(Path(path) for path in sysconfig.get_paths().values())}
    parents = set(file.resolve().parents)
    around = [path for path in sys.path if Path(path) in parents and Path(path) not in ours]
    return list(dict.fromkeys([str(file.resolve().parent), *around]))


def _error(call: Call, error: dict[str, Any]) -> BaseException:
    if error["ours"]:
        kind = ArtifactError if error["name"] == "ArtifactError" else StepError
        return kind(error["message"], fix=error["fix"])
    raised = _same(error)
    if raised is None:
        name = f"{error['module']}.{error['name']}"
        raised = StepError(f"{name}: {error['message']}", fix=error["fix"])
    elif error["fix"]:
        raised.add_note(error["fix"])
    raised.add_note(f"In the environment of step {call.step!r}:\n{error['trace'].rstrip()}")
    return raised


def _same(error: dict[str, Any]) -> BaseException | None:
    """Return the same exception if its class is loaded here: nothing is imported for it."""
    found: Any = sys.modules.get(error["module"])
    for part in error["name"].split("."):
        found = getattr(found, part, None)
    if error["args"] is None or not (isinstance(found, type) and issubclass(found, BaseException)):
        return None
    with contextlib.suppress(Exception):
        made = found(*error["args"])
        if isinstance(made, SkyrailError) or str(made) == error["message"]:
            return made
    return None
