"""`skyrail lock`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from skyrail.cli.console import say, show_error
from skyrail.errors import SkyrailError

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="DAG files, or folders of them; dags if none is given.", metavar="[FILES]…")
]


def lock(
    files: FilesArgument = None,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="Take the newest versions that fit.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a lock is missing or outdated.")
    ] = False,
    python: Annotated[
        str, typer.Option(help="Build the environments with this Python, such as 3.12.", metavar="VERSION")
    ] = "",
) -> None:
    """Lock the packages that steps ask for, in files beside the DAGs.

    A lock that fits is left as it is, and one that does not keeps what versions it can.
    """
    from skyrail.steps.environments import lock as locks
    from skyrail.steps.environments import resolve
    from skyrail.steps.environments.collect import collect

    found = collect(files or [Path("dags")])
    failed = bool(found.errors)
    for wanted in found.wanted:
        old = wanted.path.read_text() if wanted.path.exists() else ""
        fits = locks.asked(old) == wanted.asked
        if fits and not upgrade and python in ("", locks.parse(wanted.path, old).python):
            say(f"{_near(wanted.path)}  fits")
        elif check:
            failed = True
            say(locks.out_of_date(wanted) if not fits else f"{_near(wanted.path)}  would be locked again")
        else:
            try:
                text = resolve.resolve(wanted, upgrade=upgrade, python=python)
                resolve.write(wanted.path, text)
                say(f"{_near(wanted.path)}  {'unchanged' if text == old else 'locked'}")
            except SkyrailError as error:
                failed = True
                show_error(error)
    for file, why in found.errors.items():
        show_error(SkyrailError(f"{file} cannot be loaded: {why}"))
    if not found.wanted and not failed:
        say("No step asks for packages of its own.")
    if failed:
        raise typer.Exit(1)


def _near(path: Path) -> Path:
    """Return a path as seen from here, where it is below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
