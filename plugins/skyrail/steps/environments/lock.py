r"""The lock of a step's packages: a requirements file with hashes, kept beside the DAG and read when that is parsed.

    # Made by `skyrail lock`. To change it, change the packages of the step and run that again.
    # asked: scikit-learn==1.5.*
    joblib==1.6.0 \
        --hash=sha256:2ccc9678…

It holds for every Python and platform that Skyrail runs on. The files come from the index that is configured where the
environment is built, so a lock made on a laptop works behind a company's mirror; their hashes are in the lock. (A
`pylock.toml` names the address of each file instead, and would be fetched from there.)
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from skyrail.settings import EnvironmentSettings, environments_folder, load
from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.wanted import Wanted, wanted_by

HEAD = "# Made by `skyrail lock`. To change it, change the packages of the step and run that again."
ASKED, PYTHON = "# asked: ", "# python: "


@dataclass(frozen=True)
class Lock:
    """What was resolved."""

    path: Path
    sha256: str
    """Of the resolution, whatever its comments; empty for a lock that is still to be made."""
    python: str
    """The Python that it is for, such as `3.12`; empty for that of the worker."""
    folder: Path = field(compare=False)
    """Where uv's own settings are looked for, upwards: the folder of the DAG file or one in it."""

    @property
    def text(self) -> str:
        """The lock itself; empty while it is still to be made."""
        return self.path.read_text() if self.sha256 else ""


def check(step: str, packages: tuple[str, ...], dag_file: Path) -> Lock:
    """Return the lock of a step's packages, without starting anything.

    Args:
        step: its name, for messages.
        packages: as the author gave them.
        dag_file: the file that the step's function is written in.

    Raises:
        StepEnvironmentError: there is none, or it is of other packages, and `auto_lock` is off.
    """
    wanted = wanted_by(step, packages, dag_file)
    if _collected is not None:
        _collected.append(wanted)
        return Lock(wanted.path, "", "", wanted.folder)
    settings = load(EnvironmentSettings)
    if lock := find(wanted, settings):
        return lock
    if settings.auto_lock:
        return Lock(wanted.path, "", "", wanted.folder)
    raise StepEnvironmentError(out_of_date(wanted), fix=f"Run: skyrail lock {dag_file}")


def find(wanted: Wanted, settings: EnvironmentSettings) -> Lock | None:
    """Return the lock of these very packages, or None when there is none."""
    paths = [wanted.path]
    if settings.auto_lock:
        paths.append(in_cache(wanted, settings))
    for path in paths:
        try:
            text = path.read_text()
        except OSError:
            continue
        if asked(text) == wanted.asked:
            return parse(path, text, wanted.folder)
    return None


def in_cache(wanted: Wanted, settings: EnvironmentSettings) -> Path:
    """Return where a lock is kept that a step made when it ran, named by all that was asked for.

    Two DAG folders may have a `requirements.txt` each, and one cache.
    """
    digest = hashlib.sha256("\n".join(wanted.asked).encode()).hexdigest()[:8]
    return environments_folder(settings) / "locks" / f"{wanted.file_name.removesuffix('.txt')}-{digest}.txt"


def parse(path: Path, text: str, folder: Path | None = None) -> Lock:
    """Return the lock that a text is. Its folder is that of its path, unless it is kept elsewhere than with its DAG."""
    lines = [line.strip() for line in text.splitlines()]
    python = next((line.removeprefix(PYTHON) for line in lines if line.startswith(PYTHON)), "")
    content = [line for line in lines if line and not line.startswith("#")]
    return Lock(path, hashlib.sha256("\n".join([python, *content]).encode()).hexdigest(), python, folder or path.parent)


def asked(text: str) -> tuple[str, ...]:
    """Return what a lock was made from."""
    return tuple(line.removeprefix(ASKED) for line in text.splitlines() if line.startswith(ASKED))


def render(wanted: Wanted, python: str, resolved: str) -> str:
    """Return the text of a lock."""
    head = [HEAD, *(f"{ASKED}{line}" for line in wanted.asked), *([f"{PYTHON}{python}"] if python else [])]
    return "\n".join([*head, resolved.strip(), ""])


def out_of_date(wanted: Wanted) -> str:
    """Say in a sentence why there is no lock of these packages."""
    try:
        before = set(asked(wanted.path.read_text()))
    except OSError:
        return f"The packages of step {wanted.step!r} are not locked: there is no {wanted.path}."
    changes = [f"+{line}" for line in wanted.asked if line not in before]
    changes += [f"-{line}" for line in sorted(before - set(wanted.asked))]
    return f"The lock {wanted.path} of step {wanted.step!r} is out of date: {', '.join(changes[:5])}."


_collected: list[Wanted] | None = None


def is_collecting() -> bool:
    """Tell whether DAG files are read to look at them only, and not to be run."""
    return _collected is not None


@contextlib.contextmanager
def collecting() -> Iterator[list[Wanted]]:
    """Note what the DAG files loaded inside ask for, and refuse none of them: how `skyrail lock` finds its work."""
    global _collected
    _collected = []
    try:
        yield _collected
    finally:
        _collected = None
