"""The spool: whole events, and an attempt's end that nothing can hide."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest

from skyrail.tracking import spool


def first_event(run: str) -> spool.Event:
    return {"e": "attempt", "run": run, "experiment": "d", "server": "", "name": "n", "at": 5, "tags": {}, "params": {}}


def child(spool_folder: Path, body: str) -> subprocess.Popen[str]:
    """Start a process that opens an attempt, then runs `body`."""
    code = f"""
        import os, sys, time
        from pathlib import Path
        from skyrail.tracking import spool
        run = "{uuid.uuid4().hex}"
        event = {{"e": "attempt", "run": run, "experiment": "d", "server": "", "name": "n", "at": 5, "tags": {{}},
                 "params": {{}}}}
        attempt, lock = spool.open_attempt(Path({str(spool_folder)!r}), run, event)
        print(attempt.folder, flush=True)
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code) + textwrap.dedent(body)], stdout=subprocess.PIPE, text=True
    )


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV], ids=["SIGKILL", "SIGTERM", "SIGSEGV"]
)
def test_a_killed_attempt_is_over(tmp_path: Path, number: signal.Signals):
    """However a step's process dies, its attempt counts as alive before and as over after."""
    with child(tmp_path, "time.sleep(60)") as process:
        folder = folder_of(process)
        assert spool.is_alive(folder)
        process.send_signal(number)
        process.wait(10)
        assert not spool.is_alive(folder)


def test_children_do_not_keep_an_attempt_alive(tmp_path: Path):
    """A process that the step left running does not make a dead attempt look alive."""
    body = """
        if os.fork() == 0:
            os.close(1)
            time.sleep(5)
        os._exit(0)
    """
    with child(tmp_path, body) as process:
        folder = folder_of(process)
        process.wait(10)
        assert not spool.is_alive(folder)


def test_an_attempt_appears_whole(tmp_path: Path):
    """The flusher sees an attempt only when it has its first event and its lock."""
    run = uuid.uuid4().hex
    attempt, lock = spool.open_attempt(tmp_path, run, first_event(run))
    with lock:
        assert spool.attempts(tmp_path) == [attempt.folder]
        assert [event for event, _ in spool.read_events(attempt.folder / spool.EVENTS)] == [first_event(run)]


def test_attempts_come_oldest_first(tmp_path: Path):
    """What began first is sent first, whatever the names sort like."""
    a, b = "a" * 32, "b" * 32
    for name in (f"1000-{b}", f"999-{a}", f"1000-{a}", ".building", "lost+found", f"x-{a}", f".done-1-{a}"):
        (tmp_path / name).mkdir()
    (tmp_path / f"5-{a}").write_text("a file")
    assert [folder.name for folder in spool.attempts(tmp_path)] == [f"999-{a}", f"1000-{a}", f"1000-{b}"]


def test_half_an_event_costs_only_itself(tmp_path: Path):
    """A child killed in the middle of its event does not take the next one with it."""
    (tmp_path / spool.EVENTS).write_bytes(b'{"e":"metrics","m":[[')
    spool.append_event(tmp_path, {"e": "end"})
    assert [event for event, _ in spool.read_events(tmp_path / spool.EVENTS)] == [{"e": "end"}]


def test_a_removal_that_was_cut_off_leaves_no_attempt(tmp_path: Path):
    """Whatever is left is no attempt any more, and goes with the next sweep."""
    (tmp_path / f".done-1-{'a' * 32}" / "artifacts").mkdir(parents=True)
    assert spool.attempts(tmp_path) == []
    spool.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_spool_has_no_attempts(tmp_path: Path):
    """Before the first step there is nothing, and that is no error."""
    assert spool.attempts(tmp_path / "nowhere") == []


def test_half_a_line_is_not_read(tmp_path: Path):
    """What is still being written waits; what a full disk cut is passed over."""
    path = tmp_path / spool.EVENTS
    path.write_bytes(b'{"e": 1}\n{"e": \n{"e": 2}\n{"e": 3')
    events = list(spool.read_events(path))
    assert [event["e"] for event, _ in events] == [1, 2]
    with path.open("ab") as file:
        file.write(b"}\n")
    assert [event["e"] for event, _ in spool.read_events(path, events[-1][1])] == [3]


def test_a_full_disk_leaves_whole_events(tmp_path: Path):
    """An event that does not fit is refused with the system's own error, and the file stays readable."""
    code = f"""
        import resource, signal
        from pathlib import Path
        from skyrail.tracking import spool
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (150, 150))
        folder = Path({str(tmp_path)!r})
        spool.append_event(folder, {{"e": "tags", "t": "x" * 50}})
        try:
            spool.append_event(folder, {{"e": "tags", "t": "y" * 90}})
        except OSError as error:
            print("refused:", error.strerror)
        spool.append_event(folder, {{"e": "end"}})
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused:")
    assert [event["e"] for event, _ in spool.read_events(tmp_path / spool.EVENTS)] == ["tags", "end"]


def test_many_processes_write_one_spool(tmp_path: Path):
    """Events of a step and of its children never mix within a line."""
    for _ in range(4):
        if os.fork() == 0:
            for number in range(200):
                spool.append_event(tmp_path, {"e": "tags", "pid": os.getpid(), "n": number, "x": "y" * 5000})
            os._exit(0)
    for _ in range(4):
        os.wait()
    events = [event for event, _ in spool.read_events(tmp_path / spool.EVENTS)]
    assert len(events) == 800
    for pid in {event["pid"] for event in events}:
        assert [event["n"] for event in events if event["pid"] == pid] == list(range(200))
