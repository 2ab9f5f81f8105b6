"""A release as Helm knows it: listed, rendered, installed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from skyrail.errors import SkyrailError
from skyrail.install.chart import Chart
from skyrail.install.manifests import Object, load
from skyrail.install.programs import Programs
from skyrail.install.values import Values

_CONFLICT = re.compile(r"Apply failed with \d+ conflict")
_WHERE = re.compile(r"^.*?(?:execution error at \([^)]*\)|error calling fail): ?", re.DOTALL)


class ValuesError(SkyrailError):
    """The chart refuses the values, with a sentence that says what to write."""


def listed(programs: Programs) -> list[dict[str, Any]] | None:
    """Return the releases of the namespace, whatever their state; None if they may not be seen."""
    # Without --all, Helm 3 leaves out those whose install was cut off; Helm 4 has no such flag, and lists all.
    done = programs.helm("list", "--all", "--output", "json")
    if done.code and "unknown flag" in done.err:
        done = programs.helm("list", "--output", "json")
    # One that was uninstalled and whose history was kept is a name like any other.
    return None if done.code else [each for each in json.loads(done.out or "[]") if each["status"] != "uninstalled"]


def exists(programs: Programs, release: str) -> bool:
    """Whether there is a release of that name in the namespace, as far as it may be seen."""
    return any(each["name"] == release for each in listed(programs) or ())


def current(programs: Programs, release: str) -> list[Object]:
    """Return the objects of a release as it was installed last.

    Raises:
        ProgramError: Helm does not say.
    """
    return load(programs.change(programs.helm("get", "manifest", release), f"{release} cannot be read"))


def own_values(programs: Programs, release: str) -> Values:
    """Return the values that were given when a release was installed last.

    Raises:
        ProgramError: Helm does not say. To go on without would set all of them back to the chart's defaults.
    """
    said = programs.change(
        programs.helm("get", "values", release, "--output", "json"), f"The values of {release} cannot be read"
    )
    return dict(json.loads(said or "null") or {})


def render(programs: Programs, release: str, chart: Chart, values: Values, kubernetes: str) -> str:
    """Return what the chart makes of values.

    Raises:
        ValuesError: it refuses them.
    """
    version = ["--kube-version", kubernetes] if kubernetes else []
    arguments = ["template", release, str(chart.folder), "--values", "-", *version]
    done = programs.helm(*arguments, text=yaml.safe_dump(values))
    if done.code:
        raise ValuesError(complaint(done.err))
    return done.out


def complaint(said: str) -> str:
    """Return the chart's own sentences out of an error of Helm, which puts where they are in front."""
    useful = "\n".join(
        line for line in said.splitlines() if "symbolic link" not in line and not line.startswith("Use --debug")
    )
    return _WHERE.sub("", useful.removeprefix("Error: ")).strip()


def notes(programs: Programs, release: str) -> str:
    """Return what the chart says after an install."""
    done = programs.helm("get", "notes", release)
    return "" if done.code else done.out


def unsafe(said: str) -> list[str]:
    """Return what the chart's notes call not safe for production yet."""
    _, _, after = said.partition("Not safe for production yet:\n")
    lines = [line.strip() for line in after.partition("\n\n")[0].splitlines()]
    found = [line.removeprefix("* ") for line in lines if line.startswith("* ")]
    return [line for line in found if line != "nothing that this chart knows of"]


def upgrade(programs: Programs, release: str, chart: Chart, files: Sequence[Path], *, new_namespace: bool) -> None:
    """Install or upgrade a release, and return when its objects are made; pods start after that.

    Raises:
        ProgramError: Helm was refused.
    """
    named = [argument for file in files for argument in ("--values", str(file))]
    # Without --wait: Helm says nothing while it waits, and what is stuck and why is what people need then.
    # Only where it is not there: who may not make namespaces would be refused for one that is.
    create = ["--create-namespace"] if new_namespace else []
    arguments = ["upgrade", release, str(chart.folder), "--install", *create, *named]
    apply(programs, arguments, f"Helm could not install {release}")


def apply(programs: Programs, arguments: Sequence[str], what: str) -> None:
    """Run an upgrade by Helm; what was changed by hand is set back.

    Helm 3 does that by itself. Helm 4 applies on the server, and stops where somebody else has set a field.

    Raises:
        ProgramError: Helm was refused.
    """
    done = programs.helm(*arguments, seconds=300)
    if done.code and _CONFLICT.search(done.err):
        done = programs.helm(*arguments, "--force-conflicts", seconds=300)
    programs.change(done, what)
