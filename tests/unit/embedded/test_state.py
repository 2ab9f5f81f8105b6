"""state.json says what runs; a number of a process alone proves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from skyrail.embedded import platform, state
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def _note(**changes: object) -> state.State:
    me = psutil.Process()
    values = {"pid": me.pid, "create_time": me.create_time(), "version": "1", "port": 1, "mlflow_port": 2, "dags": "d"}
    return state.State(**{**values, **changes})  # type: ignore[arg-type]


def test_what_is_written_is_read(home: Home) -> None:
    note = _note(processes=[state.Process("scheduler", 12, 3.5, 1, "ready")])
    state.write(home, note)
    assert state.read(home) == note


@pytest.mark.parametrize(
    ("shift", "found"),
    [
        pytest.param(0.0, True, id="00 the same process"),
        pytest.param(0.5, True, id="01 the clock was set a little"),
        pytest.param(-60.0, False, id="10 the number was given out again"),
    ],
)
def test_a_process_counts_only_with_its_time_of_creation(shift: float, found: bool) -> None:
    me = psutil.Process()
    assert (state.alive(me.pid, me.create_time() + shift) is not None) is found


def test_a_process_that_has_ended_is_not_alive() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    created = psutil.Process(process.pid).create_time()
    process.communicate(b"\n")
    assert state.alive(process.pid, created) is None


def test_a_home_runs_while_its_lock_is_held_and_its_supervisor_lives(home: Home) -> None:
    state.write(home, _note())
    assert platform.status(home) is None
    lock = state.Lock(home.lock)
    assert lock.acquire()
    assert state.running(home)
    assert platform.status(home) == _note()
    assert not state.Lock(home.lock).acquire(), "two supervisors on one home"
    lock.release()
    assert platform.status(home) is None


def test_somebody_elses_home_is_refused_with_its_owner(home: Home, tmp_path: Path) -> None:
    home.lock.touch()
    tmp_path.chmod(0o000)
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(EmbeddedError, match="cannot be read by you: it belongs to ") as refusal:
            state.running(home)
    finally:
        os.seteuid(before)
        tmp_path.chmod(0o700)
    assert "--home FOLDER" in refusal.value.fix


def test_the_lock_goes_with_its_process(home: Home) -> None:
    hold = f"""
from pathlib import Path
from skyrail.embedded.state import Lock
lock = Lock(Path({str(home.lock)!r}))
assert lock.acquire()
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", hold], check=False, env=dict(os.environ)).returncode == -9
    assert not state.running(home)
