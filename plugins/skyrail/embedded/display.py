"""What the terminal shows: a table while things start, lines after that; plain lines where there is no terminal."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from skyrail.embedded.inbox import Inbox, Message

MARKS = {"ready": ("✓", "green"), "waiting": ("·", "dim"), "restarting": ("!", "yellow"), "stopped": ("■", "dim")}
TITLES = {"airflow-schema": "database schema", "mlflow-schema": "MLflow schema"}
HIDDEN = {"mlflow-schema"}
"""Of no interest as long as nothing is wrong with it: its work is done in a moment on almost every start."""


class Display:
    """Show the processes of one supervisor.

    `welcome` prints what is to be said once people can sign in; `base` is where links of messages begin.
    """

    def __init__(
        self,
        console: Console,
        names: list[str],
        inbox: Inbox,
        welcome: Callable[[], None],
        *,
        base: str = "",
        clock: str = "%H:%M:%S",
    ) -> None:
        self.console = console
        self.base = base
        self.clock = clock
        self.inbox = inbox
        self.welcome = welcome
        self.began = time.monotonic()
        self.status = {name: "waiting" for name in names if name not in HIDDEN}
        self.since: dict[str, float] = {}
        self.took: dict[str, float] = {}
        self.spinner = Spinner("dots", style="cyan")
        # Refreshed by `watch`, not by a thread of its own: the supervisor starts processes by fork.
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def changed(self, name: str, status: str) -> None:
        """Take note of a process's new status."""
        if name not in self.status:
            return
        now = time.monotonic()
        self.status[name] = status
        if status == "starting":
            self.since[name] = now
        if status == "ready":
            self.took[name] = now - self.since.get(name, now)
            if not (self.live and self.live.is_started):
                self.say(f"{TITLES.get(name, name)} is ready ({self.took[name]:.1f} s).")
        if status == "stopped":
            self.say(f"{TITLES.get(name, name)} has stopped.")
        self.refresh()

    def say(self, text: str) -> None:
        """Print a line with the time, above the table when there is one."""
        now = datetime.now(tz=UTC).astimezone().strftime(self.clock)
        with _while_the_terminal_lasts():
            self.console.print(f"{now} {text}".lstrip(), markup=False, highlight=False, soft_wrap=True)

    def opened(self) -> None:
        """Print what is to be said once people can sign in, above the table when there is one."""
        with _while_the_terminal_lasts():
            self.welcome()

    def ready(self) -> None:
        """Take the table away: everything is there."""
        self.end()
        self.say(f"Skyrail is ready ({time.monotonic() - self.began:.1f} s).")

    async def watch(self) -> None:
        """Keep the table moving, and show new messages."""
        if self.live:
            with _while_the_terminal_lasts():
                self.live.start()
        while True:
            self.refresh()
            for message in self.inbox.new():
                self.say(_as_text(message, self.base))
            await asyncio.sleep(0.1 if self.live and self.live.is_started else 1.0)

    def refresh(self) -> None:
        """Draw the table anew."""
        if self.live and self.live.is_started:
            with _while_the_terminal_lasts():
                self.live.update(self._table(), refresh=True)

    def end(self) -> None:
        """Take the table away."""
        if self.live and self.live.is_started:
            with _while_the_terminal_lasts():
                self.live.stop()

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        now = time.monotonic()
        table.add_row("", Text("Skyrail starts", style="bold"), f"{now - self.began:.0f} s")
        for name, status in self.status.items():
            if status == "starting":
                table.add_row(self.spinner, TITLES.get(name, name), f"{now - self.since.get(name, now):.0f} s")
            else:
                mark, style = MARKS[status]
                seconds = f"{self.took[name]:.1f} s" if status == "ready" else ""
                table.add_row(Text(mark, style=style), Text(TITLES.get(name, name), style=style), seconds)
        return table


def _as_text(message: Message, base: str) -> str:
    link = base + message.link if message.link.startswith("/") else message.link
    lines = [f"[{message.severity}] {message.title}", *message.message.splitlines(), link]
    return "\n  ".join(line for line in lines if line)


@contextlib.contextmanager
def _while_the_terminal_lasts() -> Iterator[None]:
    # A closed terminal stops the platform (SIGHUP); what cannot be shown any more must not stop the stopping.
    with contextlib.suppress(OSError):
        yield
