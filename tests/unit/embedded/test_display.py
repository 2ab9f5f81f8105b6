"""What the person in front of the terminal reads."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from skyrail.embedded.display import Display
from skyrail.embedded.inbox import Inbox

Show = Callable[[Display], object]


def _show(tmp_path: Path, play: Show, *, terminal: bool = False, base: str = "") -> str:
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=200, highlight=False, color_system=None)
    names = ["postgres", "airflow-schema", "mlflow-schema", "scheduler"]
    display = Display(console, names, Inbox(tmp_path / "inbox"), lambda: console.print("welcome"), base=base, clock="")
    play(display)
    display.end()
    return output.getvalue()


@pytest.mark.parametrize(
    ("play", "shown"),
    [
        pytest.param(lambda d: d.changed("postgres", "starting"), "", id="00 a start says nothing yet"),
        pytest.param(lambda d: d.changed("postgres", "ready"), "postgres is ready (0.0 s).\n", id="10 what is ready"),
        pytest.param(
            lambda d: d.changed("airflow-schema", "ready"),
            "database schema is ready (0.0 s).\n",
            id="11 in plain words",
        ),
        pytest.param(lambda d: d.changed("mlflow-schema", "ready"), "", id="12 some are of no interest"),
        pytest.param(lambda d: d.changed("scheduler", "stopped"), "scheduler has stopped.\n", id="20 what has stopped"),
        pytest.param(lambda d: d.say("[bold]x[/] " + "y" * 300), "[bold]x[/] " + "y" * 300 + "\n", id="30 lines as is"),
        pytest.param(lambda d: d.opened(), "welcome\n", id="40 the block as soon as one can sign in"),
        pytest.param(lambda d: d.ready(), "Skyrail is ready (0.0 s).\n", id="41 and when everything is there"),
    ],
)
def test_without_a_terminal_it_prints_plain_lines(play: Show, shown: str, tmp_path: Path) -> None:
    assert _show(tmp_path, play) == shown


def test_on_a_terminal_it_shows_all_processes_at_once(tmp_path: Path) -> None:
    def play(display: Display) -> None:
        assert display.live
        display.live.start()
        display.changed("postgres", "starting")
        display.changed("postgres", "ready")
        display.changed("scheduler", "starting")

    frame = _show(tmp_path, play, terminal=True).rsplit("Skyrail starts", 1)[1]
    assert "✓" in frame
    assert "postgres" in frame
    assert "database schema" in frame
    assert "scheduler" in frame


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        pytest.param("http://x", "http://x", id="00 an address"),
        pytest.param("/skyrail/models/m", "http://here/skyrail/models/m", id="10 a page of ours can be clicked"),
    ],
)
def test_new_messages_appear(link: str, shown: str, tmp_path: Path) -> None:
    def play(display: Display) -> None:
        line = f'{{"severity": "warning", "title": "Not promoted", "message": "It is worse.", "link": "{link}"}}\n'
        (tmp_path / "inbox").write_text(line)

        async def watch_for_a_moment() -> None:
            task = asyncio.ensure_future(display.watch())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            task.cancel()

        asyncio.run(watch_for_a_moment())

    assert _show(tmp_path, play, base="http://here") == f"[warning] Not promoted\n  It is worse.\n  {shown}\n"


def test_a_terminal_that_was_closed_does_not_stop_the_stopping(tmp_path: Path) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:  # noqa: ARG002
            raise OSError(5, "Input/output error")

    display = Display(Console(file=Closed()), ["scheduler"], Inbox(tmp_path / "inbox"), lambda: None)
    display.changed("scheduler", "stopped")
    display.say("Everything has stopped.")
