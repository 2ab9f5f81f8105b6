"""Run uv, and say what its errors mean: the conflict without the search for it, and what to do."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from skyrail.steps.environments.errors import StepEnvironmentError

MAX_CAUSE = 400
"""Characters of uv's explanation that are shown; what matters is at its end."""

AWAY = "Check the network and the index that is configured: UV_DEFAULT_INDEX, uv.toml or pyproject.toml."

RULES: tuple[tuple[str, str], ...] = (
    # The first that is found in uv's message counts.
    ("network was disabled", f"uv may not use the network (UV_OFFLINE) and has not cached these packages. {AWAY}"),
    ("Request failed after|error sending request|server error|dns error", f"The package index is away. {AWAY}"),
    (r"client error \(40[13]", "The package index refuses: check its user and password in UV_DEFAULT_INDEX or netrc."),
    (
        "Hash mismatch|no trusted hash",
        "The index has another file than the one that was locked. Find out why; if it is meant to be: "
        "skyrail lock --upgrade",
    ),
    ("Couldn't parse requirement", 'A requirement is written as for pip, such as "scikit-learn==1.5.*".'),
    (
        "No interpreter found|Failed to inspect Python",
        "Install that Python, or lock for another one: skyrail lock --python 3.13",
    ),
    ("No space left on device", "Make room, or set a smaller [skyrail_environments] keep_gib."),
    ("was not found in the package registry", "Check the spelling, and that your package index has it."),
    (
        "does not satisfy Python|requires Python",
        "The packages need a newer Python than 3.11: skyrail lock --python 3.13, or ask for a version that supports "
        "all of 3.11 to 3.13.",
    ),
    (
        "no usable wheels|Wheels are required|no wheels with a matching",
        "There is no wheel for this Python and platform, and nothing is built from source. Ask for a version that has "
        "one, put a wheel into your index, or lock for another Python: skyrail lock --python 3.12",
    ),
    ("there (?:is|are) no version|No solution found", "Ask for a version that exists, or for a wider range."),
)


def run(what: str, arguments: list[str], *, folder: Path, stdin: str | None = None, holding: Sequence[int] = ()) -> str:
    """Run uv in a folder, whose configuration for uv holds, and return what it prints.

    Args:
        what: what could not be done if it fails, as a sentence without its full stop.
        arguments: those of uv.
        folder: the folder of the DAG file.
        stdin: text to give it.
        holding: descriptors of locked files. Should this process be killed, uv goes on, and holds them until it ends.

    Raises:
        StepEnvironmentError: it failed.
    """
    from uv import find_uv_bin

    # The task's own environment is not the step's; and an interpreter is never fetched from the internet.
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}
    environment = {**kept, "NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    done = subprocess.run(
        [find_uv_bin(), *arguments],
        cwd=folder if folder.is_dir() else None,
        env=environment,
        input=stdin,
        capture_output=True,
        pass_fds=holding,
        text=True,
        check=False,
    )
    if done.returncode:
        cause, fix = explain(done.stderr)
        raise StepEnvironmentError(f"{what}: {cause}", fix=fix)
    return done.stdout


def explain(stderr: str) -> tuple[str, str]:
    """Return the cause that uv's message names, shortened, and what to do about it."""
    fix = next((advice for pattern, advice in RULES if re.search(pattern, stderr)), "")
    body = re.sub(r"(?m)^warning:.*$", "", re.split(r"\n\s*\nhint:", stderr)[0])
    cause = re.sub(r"(?m)^\s*(?:error|cause|Caused by):\s*", "", body)
    cause = re.sub(r"^No solution found when resolving dependencies[^\n]*\n", "", cause.strip())
    cause = re.sub(r", we can conclude that your requirements are unsatisfiable", "", " ".join(cause.split()))
    if len(cause) > MAX_CAUSE:
        cause = "… " + re.sub(r"^\S*\s", "", cause[-MAX_CAUSE:])
    return cause or "uv ended without a word.", fix
