"""The child's answer: a result with its stored parts as files, or the error that the function raised."""

from __future__ import annotations

import json
import traceback
from pathlib import Path
from typing import Any

from skyrail.errors import SkyrailError
from skyrail.steps.artifacts.formats import is_plain
from skyrail.steps.artifacts.store import Reference, write_value
from skyrail.steps.child.crossing import crosses, dump, plain_numbers
from skyrail.steps.child.function import NO_AIRFLOW, PARENT_ONLY
from skyrail.steps.values import pack, pack_elements

ANSWER, RESULT = "answer.json", "result"


def give(folder: Path, job: dict[str, Any], result: Any) -> None:
    """Write a result.

    Raises:
        ArtifactError: a part of it cannot be stored.
    """
    outputs: list[dict[str, str]] = []

    def put(value: Any) -> Reference:
        name = f"output-{len(outputs)}"
        with (folder / name).open("w+b") as file:
            form = write_value(value, file)
        outputs.append({"file": name, "form": form.name, "summary": form.summary(value)})
        # A reference within this folder: the parent stores the file and says where.
        return Reference(name, "", 0, form.name, "", "", "")

    inline_bytes = job["inline_bytes"]
    plain = plain_numbers(result)
    # Its elements one by one, as a step that is expanded over it will ask for them.
    by_element = type(plain) in (list, tuple, dict) and not is_plain(plain)
    packed = (pack_elements if by_element else pack)(plain, put, inline_bytes=inline_bytes, keeps=crosses)
    dump(packed, folder / RESULT)
    _write(folder, {"outputs": outputs})


def give_error(folder: Path, error: BaseException, file: str) -> None:
    """Write what was raised, with its traceback from the function on."""
    first = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename != file:
        first = first.tb_next
    # An error of ours was raised before the function was, or after: its sentence says all.
    ours = isinstance(error, SkyrailError) and first is None
    trace = "" if ours else "".join(traceback.format_exception(type(error), error, first or error.__traceback__))
    missing = str(error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else None
    hint = NO_AIRFLOW if missing in PARENT_ONLY else "Name its package in packages=." if missing is not None else ""
    plain = [arg for arg in error.args if is_plain(arg)]
    _write(
        folder,
        {
            "error": {
                "module": type(error).__module__,
                "name": type(error).__qualname__,
                "args": plain if len(plain) == len(error.args) else None,
                "message": error.message if isinstance(error, SkyrailError) else _text(error),
                "fix": error.fix if isinstance(error, SkyrailError) else hint,
                "ours": ours,
                "trace": trace,
            }
        },
    )


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "(its message cannot be shown)"


def _write(folder: Path, answer: dict[str, Any]) -> None:
    """Write the answer in one step: a child that is killed meanwhile has given none."""
    building = folder / f"{ANSWER}.building"
    building.write_text(json.dumps(answer))
    building.rename(folder / ANSWER)
