"""`skyrail env`: the environments of steps, built ahead, listed, and cleared away."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from skyrail.cli.console import HomeOption, out, say
from skyrail.cli.lock import FilesArgument
from skyrail.embedded.home import Home
from skyrail.errors import StepError

app = typer.Typer(name="env", help="Environments of steps that ask for packages of their own.", no_args_is_help=True)

GIB = 1 << 30


@app.command()
def bake(
    into: Annotated[Path, typer.Option(help="Folder to build into, such as one of an image.", metavar="FOLDER")],
    files: FilesArgument = None,
) -> None:
    """Build the environments of all steps ahead, into a folder that an image carries."""
    from skyrail.steps.environments import cache
    from skyrail.steps.environments.collect import collect
    from skyrail.steps.environments.lock import asked, out_of_date, parse

    found = collect(files or [Path("dags")])
    for file, error in found.errors.items():
        raise StepError(f"{file} cannot be loaded: {error}")
    for wanted in found.wanted:
        text = wanted.path.read_text() if wanted.path.exists() else ""
        if asked(text) != wanted.asked:
            raise StepError(out_of_date(wanted), fix="Run: skyrail lock")
    for wanted in found.wanted:
        lock = parse(wanted.path, wanted.path.read_text())
        built = cache.build(lock, into.absolute(), baked=True)
        say(f"{into / cache.key(lock)}  {'built' if built else 'was there'}")
    say(f"Set AIRFLOW__SKYRAIL_ENVIRONMENTS__BAKED={into.absolute()} where it is read.")


@app.command(name="list")
def list_(home: HomeOption = None) -> None:
    """List the environments built on this machine, the one used longest ago first."""
    from skyrail.steps.environments import cache

    table = Table("environment", "GiB", "last used", "in use", "lock", box=None)
    for entry in cache.entries(_cache(home)):
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        busy = "yes" if cache.is_in_use(entry.path) else ""
        table.add_row(entry.path.name, f"{entry.bytes / GIB:.2f}", used, busy, entry.lock)
    if not table.row_count:
        say(f"No environment is built in {_cache(home)}")
        return
    out.print(table, soft_wrap=True)


@app.command()
def clean(
    home: HomeOption = None,
    keep_gib: Annotated[float, typer.Option(min=0, help="Size in GiB up to which the latest ones are kept.")] = 0.0,
) -> None:
    """Remove environments built on this machine that no task uses, those used longest ago first."""
    from skyrail.steps.environments import cache

    removed = cache.shrink(_cache(home), int(keep_gib * GIB))
    say(f"Removed {len(removed)} environments, {sum(entry.bytes for entry in removed) / GIB:.2f} GiB")


def _cache(home: Path | None) -> Path:
    """Return the cache of this Airflow, or else of the embedded platform."""
    if "AIRFLOW_HOME" not in os.environ:
        return Home.locate(home).airflow / "environments"
    from skyrail.settings import EnvironmentSettings, environments_folder, load

    return environments_folder(load(EnvironmentSettings))
