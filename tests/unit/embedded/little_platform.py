"""A supervisor with little processes instead of Airflow's: `python little_platform.py HOME JSON`.

JSON is a list of {name, code, needs, has_workers, stop_signal}; `code` is Python.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import psutil

from skyrail.cli.console import show_error
from skyrail.embedded import leftovers, state
from skyrail.embedded.home import Home
from skyrail.embedded.processes import ProcessSpec
from skyrail.embedded.supervisor import Supervisor
from skyrail.errors import EmbeddedError


class Lines:
    """A screen of plain lines."""

    def changed(self, name: str, status: str) -> None:
        """Print the change."""
        print(f"{name} {status}", flush=True)

    def say(self, text: str) -> None:
        """Print the text."""
        print(text, flush=True)

    def opened(self) -> None:
        """Print that people can sign in."""
        print("open", flush=True)

    def ready(self) -> None:
        """Print that all is there."""
        print("all ready", flush=True)

    async def watch(self) -> None:
        """Do nothing."""
        await asyncio.Event().wait()


def _spec(name: str, code: str, needs: list[str], has_workers: bool, stop_signal: str) -> ProcessSpec:
    command = (sys.executable, "-c", code)
    number = signal.Signals[stop_signal]
    return ProcessSpec(name, command, tuple(needs), stop_signal=number, has_workers=has_workers, stop_seconds=1.0)


home = Home(Path(sys.argv[1]))
home.create()
print(f"left: {leftovers.stop(home)}", flush=True)
me = psutil.Process()
note = state.State(me.pid, me.create_time(), "test", 0, 0, "")
specs = [
    _spec(
        entry["name"],
        entry["code"],
        entry.get("needs", []),
        entry.get("has_workers", False),
        entry.get("stop_signal", "SIGTERM"),
    )
    for entry in json.loads(sys.argv[2])
]
try:
    Supervisor(home, note, specs, [], "", {}, Lines()).run()
except EmbeddedError as error:
    show_error(error)
    sys.exit(1)
print("over", flush=True)
