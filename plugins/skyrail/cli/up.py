"""`skyrail up`."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, TextIO

import typer

from skyrail.cli.console import ERROR, HomeOption, home_flag, out, say, welcome
from skyrail.embedded import child, platform
from skyrail.embedded.display import Display
from skyrail.embedded.files import keep_small
from skyrail.embedded.home import Home
from skyrail.embedded.inbox import Inbox
from skyrail.embedded.platform import AlreadyRunning, Options
from skyrail.embedded.state import State
from skyrail.errors import EmbeddedError
from skyrail.steps.resources.embedded import measured_options


def up(
    home: HomeOption = None,
    dags: Annotated[Path, typer.Option(help="Folder with the DAG files.", metavar="FOLDER")] = Path("dags"),
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port of Airflow; 8080 if not given.")] = None,
    mlflow_port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Port of MLflow; 5000, or a free one, if not given.")
    ] = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything runs, and leave it running.")
    ] = False,
    cpu_ok: Annotated[
        bool, typer.Option("--cpu-ok", help="Let steps that ask for a GPU go on without one where there is none.")
    ] = False,
    detached: Annotated[bool, typer.Option("--detached", hidden=True)] = False,
) -> None:
    """Start the whole platform on this machine: Airflow, MLflow and PostgreSQL.

    Ctrl-C stops everything; the data stays in the state folder. If it runs already, the command says so and succeeds.
    """
    options = Options(Home.locate(home), dags, port, mlflow_port, measured_options(cpu_ok=cpu_ok))
    try:
        if detach:
            _detached(options)
        else:
            _in_foreground(options, detached=detached)
    except AlreadyRunning:
        running = platform.status(options.home)
        where = f" at {running.url}" if running else ""
        flag = home_flag(options.home)
        say(f"Skyrail already runs{where}. A new sign-in link: skyrail login{flag}. To stop it: skyrail down{flag}")


def _in_foreground(options: Options, *, detached: bool) -> None:
    displays: list[Display] = []

    def screen(state: State, names: list[str]) -> Display:
        def opened() -> None:
            # A sign-in link must not lie in a log: whoever starts it detached prints one.
            if not detached:
                welcome(options.home, state, foreground=True)

        clock = "%Y-%m-%d %H:%M:%S" if detached else "%H:%M:%S"
        displays.append(Display(out, names, Inbox(options.home.inbox), opened, base=state.url, clock=clock))
        return displays[-1]

    try:
        platform.up(options, say, screen)
    finally:
        for display in displays:
            display.end()
    with contextlib.suppress(OSError):  # the terminal may be gone: that is one way to stop
        say(f"Everything has stopped. The data is kept in {options.home.path}")


def _detached(options: Options) -> None:
    # Refusals belong on this screen, and the log in a folder that is fit for it.
    platform.inspect(options)
    home = options.home
    command = [
        sys.executable,
        "-m",
        "skyrail.cli",
        "up",
        "--home",
        str(home.path),
        "--dags",
        str(options.dags),
        "--detached",
    ]
    for flag, value in (("--port", options.port), ("--mlflow-port", options.mlflow_port)):
        command += [flag, str(value)] if value else []
    command += ["--cpu-ok"] if options.resources.get("cpu_ok") else []
    log = home.log("supervisor")
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep_small(log)
    began = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    opened = False
    with log.open(errors="replace") as written:
        written.seek(began)
        try:
            while process.poll() is None:
                _show(written)
                state = platform.status(home)
                if state and state.pid == process.pid:
                    if state.open and not opened:
                        welcome(home, state, foreground=False)
                        opened = True
                    if state.ready:
                        _show(written)
                        return
                time.sleep(0.2)
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise
        message = _show(written)
    if not message:
        raise EmbeddedError(f"Skyrail ended with {child.how_it_died(process.returncode)}.", fix=f"Its log is {log}")
    raise EmbeddedError(message)


def _show(written: TextIO) -> str:
    """Print what the detached process has said since, up to its error; return that."""
    news, _, error = written.read().partition(ERROR)
    for line in news.splitlines():
        if line:
            say(line)
    return error.strip()
