"""`skyrail status`."""

from __future__ import annotations

import dataclasses
import json
from typing import Annotated

import typer
from rich.table import Table

from skyrail.cli.console import HomeOption, home_flag, out, say
from skyrail.embedded import platform
from skyrail.embedded.home import Home

NOT_RUNNING = 3
"""Exit code, as init scripts use it."""


def status(
    home: HomeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Say what runs. Exit code 0 when the platform runs, 3 when it does not."""
    where = Home.locate(home)
    state = platform.status(where)
    if as_json:
        details = {"url": state.url, "mlflow_url": state.mlflow_url, **dataclasses.asdict(state)} if state else {}
        say(json.dumps({"running": state is not None, "home": str(where.path), **details}, indent=2))
    elif state is None:
        say(f"Nothing runs on {where.path}")
        if left := platform.left_running(where):
            names = ", ".join(left)
            say(f"The last run was cut off and left running: {names}. To stop it: skyrail down{home_flag(where)}")
    else:
        say(f"Skyrail {state.version} {'runs' if state.ready else 'is starting'} at {state.url} ({where.path})")
        table = Table("process", "state", "pid", "restarts", box=None)
        for process in state.processes:
            table.add_row(process.name, process.state, str(process.pid or ""), str(process.restarts))
        out.print(table)
    if state is None:
        raise typer.Exit(NOT_RUNNING)
