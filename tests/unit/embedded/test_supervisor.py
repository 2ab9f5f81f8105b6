"""Processes are started in order, started again when they die, and none is left behind, whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

LITTLE_PLATFORM = Path(__file__).with_name("little_platform.py")

SLEEP = "import time; time.sleep(600)"
# Ignores every polite signal, and starts a program in a session of its own.
STUBBORN = """
import signal, subprocess, time
for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
subprocess.Popen(["sleep", "600"], start_new_session=True)
time.sleep(600)
"""
# A scheduler as Airflow's: a worker with a task, and one that is idle.
SCHEDULER = """
import os, signal, time
def worker(busy):
    if os.fork() == 0:
        if busy:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if os.fork() == 0:
                time.sleep(2)
                open("task-ended", "w").close()
                os._exit(0)
            os.wait()
        time.sleep(600)
os.chdir(os.environ["PWD"])
worker(True); worker(False)
time.sleep(600)
"""


class Platform:
    """A little platform that runs in a process of its own."""

    def __init__(self, folder: Path, output: str, *entries: dict[str, Any]) -> None:
        self.home = folder / "home"
        self.output = folder / output
        command = [sys.executable, str(LITTLE_PLATFORM), str(self.home), json.dumps(entries)]
        with self.output.open("w") as written:
            self.process = subprocess.Popen(
                command, stdout=written, stderr=written, cwd=folder, env={**os.environ, "PWD": str(folder)}
            )
        self.seen: dict[int, psutil.Process] = {}

    @property
    def text(self) -> str:
        """Everything that it has printed."""
        return self.output.read_text()

    def pid(self, name: str) -> int:
        """Return the number of a process, as state.json has it."""
        processes = json.loads((self.home / "state.json").read_text())["processes"]
        return next(process["pid"] for process in processes if process["name"] == name)

    def until(self, condition: Callable[[], object], *, seconds: float = 30) -> None:
        """Wait until something is so, and remember every process that is ours meanwhile."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, self.text
            self.look()
            time.sleep(0.05)
        self.look()

    def look(self) -> None:
        """Remember the processes that are ours now."""
        if psutil.pid_exists(self.process.pid):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self.seen[child.pid] = child

    def wait(self) -> int:
        """Wait until the supervisor has ended; return its exit code."""
        return self.process.wait(30)

    def alive(self) -> list[str]:
        """Return the processes that are still there, of all that were ever ours."""
        return [
            f"{child.pid} {child}"
            for child in self.seen.values()
            if child.is_running() and child.status() != psutil.STATUS_ZOMBIE
        ]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Platform]]:
    """Start little platforms, and leave none behind."""
    platforms: list[Platform] = []

    def start_one(*entries: dict[str, Any]) -> Platform:
        platforms.append(Platform(tmp_path, f"output-{len(platforms)}", *entries))
        return platforms[-1]

    yield start_one
    for platform in platforms:
        platform.look()
        platform.process.kill()
        platform.process.wait()
        for child in platform.seen.values():
            if child.is_running():
                child.kill()


def test_a_process_waits_for_what_it_needs(start: Callable[..., Platform]) -> None:
    platform = start({"name": "second", "code": SLEEP, "needs": ["first"]}, {"name": "first", "code": SLEEP})
    platform.until(lambda: "all ready" in platform.text)
    lines = platform.text.splitlines()
    assert lines.index("first ready") < lines.index("second starting")


def test_one_can_sign_in_while_the_rest_still_starts(start: Callable[..., Platform]) -> None:
    platform = start(
        {"name": "scheduler", "code": SLEEP, "needs": ["api-server"]}, {"name": "api-server", "code": SLEEP}
    )
    platform.until(lambda: "all ready" in platform.text)
    lines = platform.text.splitlines()
    assert lines.count("open") == 1
    assert lines.index("open") < lines.index("all ready")


def test_a_dead_process_is_named_and_started_again(start: Callable[..., Platform]) -> None:
    platform = start({"name": "server", "code": f"print('my last words', flush=True); {SLEEP}"})
    platform.until(lambda: "all ready" in platform.text and "last words" in _log(platform, "server"))
    before = platform.pid("server")
    os.kill(before, signal.SIGKILL)
    platform.until(lambda: platform.text.count("server ready") == 2)
    assert "server died (signal SIGKILL) and is started again in 0.5 s. Its last lines:" in platform.text
    assert "  | my last words" in platform.text
    assert platform.pid("server") != before


def test_five_deaths_stop_everything_with_the_last_lines(start: Callable[..., Platform]) -> None:
    code = "import sys; print('no such table', flush=True); sys.exit(7)"
    platform = start({"name": "other", "code": SLEEP}, {"name": "server", "code": code})
    platform.until(lambda: platform.process.poll() is not None)
    assert platform.process.returncode == 1
    assert "Error: server died 5 times within 60 s, the last time with exit code 7." in platform.text
    assert "  | no such table" in platform.text
    assert platform.alive() == []


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, id="00 Ctrl-C"),
        pytest.param(signal.SIGTERM, id="10 kill"),
        pytest.param(signal.SIGHUP, id="20 the terminal was closed"),
    ],
)
def test_a_signal_stops_all_in_order_and_leaves_nothing(number: signal.Signals, start: Callable[..., Platform]) -> None:
    platform = start(*({"name": name, "code": SLEEP} for name in ("postgres", "api-server", "scheduler")))
    platform.until(lambda: "all ready" in platform.text)
    platform.process.send_signal(number)
    assert platform.wait() == 0
    stopped = [line for line in platform.text.splitlines() if line.endswith(" stopped")]
    assert stopped == ["scheduler stopped", "api-server stopped", "postgres stopped"]
    assert platform.alive() == []


def test_what_does_not_want_to_stop_is_killed_with_all_that_it_started(start: Callable[..., Platform]) -> None:
    platform = start({"name": "mlflow", "code": STUBBORN})
    platform.until(lambda: "all ready" in platform.text and len(platform.seen) == 2)
    platform.process.terminate()
    assert platform.wait() == 0
    assert platform.alive() == []


def test_stopping_the_scheduler_ends_its_tasks(start: Callable[..., Platform], tmp_path: Path) -> None:
    platform = start({"name": "scheduler", "code": SCHEDULER.replace("sleep(2)", "sleep(600)"), "has_workers": True})
    platform.until(lambda: len(platform.seen) == 4)
    platform.process.send_signal(signal.SIGINT)
    platform.until(lambda: "Press Ctrl-C again to kill what is left." in platform.text)
    platform.process.send_signal(signal.SIGINT)
    assert platform.wait() == 0
    assert platform.alive() == []
    assert not (tmp_path / "task-ended").exists()


def test_a_task_outlives_the_death_of_its_scheduler(start: Callable[..., Platform], tmp_path: Path) -> None:
    platform = start({"name": "scheduler", "code": SCHEDULER, "has_workers": True})
    platform.until(lambda: len(platform.seen) == 4)
    workers = list(platform.seen.values())
    os.kill(platform.pid("scheduler"), signal.SIGKILL)
    platform.until(lambda: (tmp_path / "task-ended").exists())
    platform.until(lambda: not [worker for worker in workers if worker.is_running()])


def test_what_a_killed_supervisor_left_is_stopped_by_the_next(start: Callable[..., Platform]) -> None:
    first = start({"name": "mlflow", "code": STUBBORN})
    first.until(lambda: "all ready" in first.text and len(first.seen) == 2)
    first.process.kill()
    first.process.wait()
    assert first.alive(), "it was to ignore the signal of the kernel"
    second = start({"name": "mlflow", "code": SLEEP})
    second.until(lambda: "all ready" in second.text)
    assert "left: ['mlflow']" in second.text
    assert first.alive() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent's death")
def test_children_end_when_the_supervisor_is_killed(start: Callable[..., Platform]) -> None:
    platform = start({"name": "server", "code": SLEEP})
    platform.until(lambda: "all ready" in platform.text)
    platform.process.kill()
    platform.process.wait()
    platform.until(lambda: not platform.alive())


def _log(platform: Platform, name: str) -> str:
    return (platform.home / "logs" / f"{name}.log").read_text()
