"""How the command line speaks: errors as a message and what to do next, never a traceback."""

from __future__ import annotations

import functools
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from skyrail.embedded.home import Home
from skyrail.embedded.state import State
from skyrail.errors import SkyrailError

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

ERROR = "Error:"

HomeOption = Annotated[
    Path | None,
    typer.Option(
        "--home", help="State folder; SKYRAIL_HOME, else .skyrail in the current directory.", metavar="FOLDER"
    ),
]


def say(text: str) -> None:
    """Print a line as it is, commands so that they can be copied."""
    out.print(as_typed(text), markup=False, soft_wrap=True)


@functools.cache
def program() -> str:
    """Return what a person here types for `skyrail`: the name when the shell finds it, else its path."""
    own = Path(sys.executable).with_name("skyrail")
    found = shutil.which("skyrail")
    if found and Path(found).absolute() == own:
        return "skyrail"
    near = os.path.relpath(own)
    return shlex.quote(str(own) if near.startswith(os.pardir) else near)


def as_typed(text: str) -> str:
    """Return a text in which each command of ours can be copied into this shell."""
    return _COMMAND.sub(lambda _: program(), text)


# Not after `--`: what runs in a container has the name that it has there.
_COMMAND = re.compile(r"(?<![\w/.`-])(?<!-- )skyrail(?= (?:up|down|login|status|install|uninstall|explain|lock|env)\b)")


def show_error(error: SkyrailError) -> None:
    """Print what went wrong and what to do next."""
    err.print(ERROR, style="bold red", end=" ")
    err.print(as_typed(error.message), markup=False, soft_wrap=True)
    if error.fix:
        err.print(as_typed(error.fix), markup=False, soft_wrap=True)


def login_link(home: Home, state: State) -> str:
    """Return a new one-time sign-in link to the platform of a home."""
    return link_to(state.url, home.login)


def link_to(address: str, folder: Path) -> str:
    """Return a new one-time sign-in link to an api-server that takes links from a folder."""
    from skyrail.auth.links import create_link_token

    return f"{address.rstrip('/')}/auth/link?token={create_link_token(folder)}"


def home_flag(home: Home) -> str:
    """Return the option that another command needs to find this home from here."""
    return "" if home == Home.locate() else f" --home {shlex.quote(str(home.path))}"


def welcome(home: Home, state: State, *, foreground: bool) -> None:
    """Print the one block that a person needs, as soon as the link works: the rest may still be starting."""
    flag = home_flag(home)
    rows = {
        "Sign in": login_link(home, state),
        "": f"this link works once; for a new one: skyrail login{flag}",
        "Airflow": state.url,
        "MLflow": state.mlflow_url,
        "DAGs": f"{state.dags} ({sum(1 for _ in Path(state.dags).glob('*.py'))} files)",
        "Logs": str(home.logs),
        "Stop": "Ctrl-C" if foreground else f"skyrail down{flag}",
    }
    say("")
    out.print("You can sign in.", style="bold green")
    for name, value in rows.items():
        # In one print, or a table that is being redrawn wipes the first half. Whole and on one line: a link that a
        # terminal wraps cannot be clicked.
        out.print(Text.assemble((f"  {name:<8}", "bold"), as_typed(value)), soft_wrap=True)
    say("")
