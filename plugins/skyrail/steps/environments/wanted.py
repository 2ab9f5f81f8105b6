"""What a step asks for by `packages=`, and where its lock is kept: pure functions of the arguments and text files."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from skyrail.steps.environments.errors import StepEnvironmentError

FOLDER = "locks"
"""Folder of the locks, beside the DAG file."""

NAMES_IN_FILE = 3
"""Packages that a lock's file name spells out; more would not help a reader."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VCS = re.compile(r"\b(?:git|hg|svn|bzr)\+|@\s*file:")


@dataclass(frozen=True)
class Wanted:
    """The packages of one or more steps, and the place of their lock."""

    step: str
    """`dag.task` or the function's name, for messages."""
    requirements: tuple[str, ...]
    """One requirement each, sorted."""
    constraints: tuple[str, ...]
    """Versions to keep to if a package is needed, sorted."""
    folder: Path
    """Folder of the DAG file."""
    file_name: str
    """Name of the lock in a folder of locks."""

    @property
    def path(self) -> Path:
        """Where the lock belongs."""
        return self.folder / FOLDER / self.file_name

    @property
    def asked(self) -> tuple[str, ...]:
        """All of it in the words of the lock's header."""
        return (*self.requirements, *(f"-c {line}" for line in self.constraints))


def wanted_by(step: str, packages: tuple[str, ...], dag_file: Path) -> Wanted:
    """Return what a step asks for.

    Args:
        step: its name, for messages.
        packages: requirements as pip writes them, or one path of a requirements file relative to the DAG file.
        dag_file: the file that the step's function is written in.

    Raises:
        StepEnvironmentError: the file does not exist, or a line is none that can be locked.
    """
    folder = dag_file.resolve().parent
    if len(packages) == 1 and is_path(packages[0]):
        requirements, constraints = _read(step, folder / packages[0])
        readable, key = [*Path(packages[0]).with_suffix("").parts], packages[0]
    else:
        requirements, constraints = {_line(step, text, "packages=") for text in packages}, set()
        readable = sorted({match[0].lower() for text in packages if (match := _NAME.match(text.strip()))})
        key = "\n".join(sorted(requirements))
    if not requirements:
        raise StepEnvironmentError(
            f"Step {step!r} asks for no packages.", fix="Name at least one, or leave packages= out."
        )
    words = "-".join(_NAME.findall("-".join(part for part in readable[:NAMES_IN_FILE] if part != "..")))
    file_name = f"{words}-{hashlib.sha256(key.encode()).hexdigest()[:8]}.txt"
    return Wanted(step, tuple(sorted(requirements)), tuple(sorted(constraints)), folder, file_name)


def is_path(text: str) -> bool:
    """Tell whether an entry of `packages=` is the path of a requirements file rather than a requirement."""
    return text.endswith((".txt", ".in")) and "@" not in text and " " not in text


def _read(step: str, path: Path, seen: frozenset[Path] = frozenset()) -> tuple[set[str], set[str]]:
    """Return the requirements and constraints of a file and of those that it names by `-r` and `-c`."""
    path = path.resolve()
    try:
        lines = path.read_text().replace("\\\n", " ").splitlines()
    except OSError as error:
        raise StepEnvironmentError(
            f"The requirements file {path} of step {step!r} cannot be read: {error.strerror}.",
            fix='packages="…" is a path relative to the DAG file. A list of requirements is packages=["…"].',
        ) from None
    requirements: set[str] = set()
    constraints: set[str] = set()
    for number, text in enumerate(lines, 1):
        line = re.sub(r"(^|\s)#.*", "", text).strip()
        if not line:
            continue
        option = re.match(r"(-r|--requirement|-c|--constraint)[\s=]*(.+)", line)
        if option is None:
            requirements.add(_line(step, line, f"{path}:{number}"))
            continue
        other = (path.parent / option[2]).resolve()
        if other in seen | {path}:
            continue
        inner, limits = _read(step, other, seen | {path})
        (requirements if "r" in option[1].lstrip("-")[:1] else constraints).update(inner)
        constraints |= limits
    return requirements, constraints


def _line(step: str, text: str, where: str) -> str:
    """Return one requirement in a form that compares.

    Raises:
        StepEnvironmentError: it is an option, or something that has no hash to be locked by.
    """
    line = " ".join(text.split())
    if line.startswith("-") and not line.startswith(("-e", "--editable")):
        raise StepEnvironmentError(
            f"{where}: {line.split()[0]} of step {step!r} is an option, not a requirement.",
            fix="Set the index and the like where uv reads them: UV_DEFAULT_INDEX, uv.toml or pyproject.toml.",
        )
    if line.startswith(("-e", "--editable", ".", "/")) or _VCS.search(line):
        raise StepEnvironmentError(
            f"{where}: {line!r} of step {step!r} is a folder or a repository, and has no hash to be locked by.",
            fix="Put a wheel of it into your package index. Modules beside the DAG file can be imported as they are.",
        )
    return line
