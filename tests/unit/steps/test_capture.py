"""A step is recorded whatever it does, and does what it does whatever the record."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

from skyrail.steps.capture import how_it_ended
from skyrail.tracking import names, spool

PROGRAM = """
import json, os, subprocess, sys, time, uuid, logging
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
from skyrail.steps.capture import Capture
from skyrail.tracking import names

IDENTITY = {
    names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "dag", names.RUN_ID: "run", names.TASK_ID: "task",
    names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: "2013-01-01T00:00:00+00:00",
}

def body():
BODY

with Capture(body, IDENTITY, {"params.month": "2013-01", "password": "hunter2"}) as capture:
    body()
print("after")
"""


class Ran:
    """What a step's process did, and what is in the spool."""

    def __init__(self, process: subprocess.Popen[bytes], out: bytes, err: bytes, folder: Path) -> None:
        self.code, self.out, self.err = process.returncode, out, err.decode(errors="replace")
        attempts = spool.attempts(folder)
        self.events: list[Any] = []
        self.lines: list[Any] = []
        if attempts:
            self.events = [event for event, _ in spool.read_events(attempts[0] / spool.EVENTS)]
            self.lines = [
                line["values"] for line, _ in spool.read_events(attempts[0] / spool.LINES) if "values" in line
            ]

    @property
    def end(self) -> Any:
        ends = [event for event in self.events if event["e"] == "end"]
        return ends[-1] if ends else None


@pytest.fixture
def start(tmp_path: Path):
    """Start a step with the given body in a process of its own."""

    def go(body: str, stdout: int = subprocess.PIPE, **environment: str) -> subprocess.Popen[bytes]:
        program = tmp_path / "dag.py"
        program.write_text(PROGRAM.replace("BODY", textwrap.indent(textwrap.dedent(body), "    ")))
        values = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__SKYRAIL_TRACKING__SERVER": "http://127.0.0.1:9",
            "AIRFLOW__SKYRAIL_TRACKING__SPOOL": str(tmp_path / "spool"),
            **environment,
        }
        return subprocess.Popen([sys.executable, program], stdout=stdout, stderr=subprocess.PIPE, env=values)

    return go


@pytest.fixture
def ran(start, tmp_path: Path):
    """Run a step with the given body to its end."""

    def go(body: str, **environment: str) -> Ran:
        process = start(body, **environment)
        out, err = process.communicate(timeout=120)
        return Ran(process, out, err, tmp_path / "spool")

    return go


def test_a_step_is_recorded(ran):
    """Identity, version, parameters (secrets masked), metrics of any print, and the end, with the log unchanged."""
    step = ran("""
        print("hello")
        print(json.dumps({"loss": 0.5}))
        subprocess.run(["sh", "-c", "echo '{\\"from_a_child\\": 1}'"], check=True)
        os.write(1, b'{"from_c": 2}\\n')
    """)
    assert step.code == 0, step.err
    assert step.out == b'hello\n{"loss": 0.5}\n{"from_a_child": 1}\n{"from_c": 2}\nafter\n'
    assert step.lines == [{"loss": 0.5}, {"from_a_child": 1}, {"from_c": 2}]
    first = step.events[0]
    assert first["name"] == "task 2013-01-01"
    assert first["experiment"] == "dag"
    assert first["params"] == {"params.month": "2013-01", "password": "***"}
    assert first["tags"][names.TASK_ID] == "task"
    assert len(first["tags"][names.SOURCE_SHA256]) == len(first["tags"][names.ENVIRONMENT_SHA256]) == 64
    assert step.end["ended"] == "succeeded"


@pytest.mark.parametrize(
    ("body", "code", "ended", "error"),
    [
        pytest.param("pass", 0, "succeeded", "", id="00 success"),
        pytest.param("raise ValueError('no\\nsecond line')", 1, "failed", "ValueError: no", id="10 an exception"),
        pytest.param("sys.exit(3)", 3, "failed", "SystemExit: 3", id="11 sys.exit"),
        pytest.param("sys.exit()", 0, "failed", "SystemExit", id="12 a clean sys.exit, which Airflow calls failed too"),
        pytest.param("raise KeyboardInterrupt", -2, "killed", "Interrupted.", id="13 an interrupt"),
        pytest.param("raise MemoryError", 1, "failed", "MemoryError", id="14 without a message"),
        pytest.param(
            "from airflow.sdk.exceptions import AirflowSkipException; raise AirflowSkipException('not today')",
            1, "skipped", "not today", id="20 a skip",
        ),
        pytest.param("os.kill(os.getpid(), 9)", -9, None, None, id="30 killed: no end, and the lock is free"),
        pytest.param("os._exit(0)", 0, None, None, id="31 gone without a word"),
    ],
)  # fmt: skip
def test_the_record_says_how_it_ended(ran, tmp_path: Path, body: str, code: int, ended: str | None, error: str | None):
    """The end is written for whatever the function raises; a process that disappears has none."""
    step = ran(f"print(json.dumps({{'before': 1}})); {body}")
    assert step.code in (code, 128 - code, 130 if code == -2 else code), step.err
    assert (step.end and (step.end["ended"], step.end["error"])) == (ended and (ended, error))
    assert step.lines == [{"before": 1}]
    [folder] = spool.attempts(tmp_path / "spool")
    assert not spool.is_alive(folder)


def test_what_was_printed_before_a_kill_is_kept(start, tmp_path: Path):
    """Killed with -9 in the middle, a step keeps every metric line that it printed, in the log and in the record."""
    log = tmp_path / "log"
    body = """
        for number in range(50_000):
            print(json.dumps({"n": number}))
        print("full", file=sys.stderr, flush=True)
        time.sleep(60)
    """
    with log.open("wb") as output:
        process = start(body, stdout=output.fileno())
    while b"full" not in process.stderr.readline():
        pass
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    [folder] = spool.attempts(tmp_path / "spool")
    while spool.is_recording(folder):
        time.sleep(0.01)
    step = Ran(process, log.read_bytes(), err, tmp_path / "spool")
    assert step.lines == [{"n": number} for number in range(50_000)]
    assert step.out.count(b"\n") == 50_000
    assert step.end is None


@pytest.mark.parametrize(
    ("environment", "body"),
    [
        pytest.param({"AIRFLOW__SKYRAIL_TRACKING__SPOOL": "/proc/nowhere"}, "print('x')", id="00 no spool"),
        pytest.param({"AIRFLOW__SKYRAIL_TRACKING__SPOOL": "/dev/null/x"}, "print('x')", id="01 a spool that is a file"),
        pytest.param(
            {}, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); import signal; "
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); capture.note({'a': 'b'}); print('x')", id="10 disk full",
        ),
    ],
)  # fmt: skip
def test_a_step_never_fails_for_its_record(ran, environment: dict[str, str], body: str):
    """Where recording is impossible the step runs, its output arrives, and one warning says what to look at."""
    step = ran(body, **environment)
    assert step.code == 0, step.err
    assert step.out.endswith(b"x\nafter\n")
    assert step.out.count(b"This attempt is not recorded from here on") == 1


def test_a_recorder_that_dies_takes_nothing_with_it(ran):
    """If the recorder is killed, printing goes on into the log."""
    step = ran("""
        print("one", flush=True)
        time.sleep(0.3)
        import psutil
        [recorder] = psutil.Process().children()
        recorder.kill()
        time.sleep(0.3)
        for number in range(20_000):
            print("line", number)
    """)
    assert step.code == 0, step.err
    assert step.out.count(b"line") == 20_000
    assert step.out.endswith(b"after\n")
    assert b"The recorder ended" in step.out
    assert step.end["ended"] == "succeeded"


def test_a_child_left_behind_does_not_hold_the_step(start, tmp_path: Path):
    """A background process that keeps the output open does not hold up the end, and its output still arrives."""
    process = start("print(subprocess.Popen('sleep 4; echo late', shell=True).pid)")
    assert process.wait(60) == 0
    child = int(process.stdout.readline())
    os.kill(child, 0)  # raises when the step waited for it
    assert process.stdout.read() == b"after\nlate\n"
    process.stderr.close()
    process.stdout.close()


def test_secrets_in_texts_are_masked(ran):
    """What Airflow knows as a secret does not reach the record by way of a metric line."""
    step = ran("""
        from airflow.sdk.log import mask_secret
        from airflow.sdk._shared.secrets_masker import secrets_masker
        secrets_masker._secrets_masker().add_mask("TopSecretValue9")
        print(json.dumps({"conn": "postgres://u:TopSecretValue9@h", "n": 1, "password": "x"}))
    """)
    assert step.code == 0, step.err
    [noted] = [event["t"] for event in step.events if event["e"] == "tags"]
    assert json.loads(noted[names.VALUE_PREFIX + "conn"]) == "postgres://u:***@h"
    assert json.loads(noted[names.VALUE_PREFIX + "password"]) == "***"


def test_a_record_that_was_cut_short_still_says_how_it_ended(ran):
    """When one event could not be written, the end is tried all the same."""
    step = ran("""
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        size = os.path.getsize(capture.attempt.folder / "events.jsonl")
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        capture.note({"a": "b"})
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    """)
    assert step.code == 0, step.err
    assert step.end["ended"] == "succeeded"


def test_the_environment_is_given_back(ran):
    """MLflow is led to the spool during the step, and not after."""
    step = ran("""
        assert os.environ["MLFLOW_TRACKING_URI"].startswith("skyrail-spool:")
        import atexit
        atexit.register(lambda: print(json.dumps([os.environ.get("MLFLOW_TRACKING_URI"), os.environ["MLFLOW_RUN_ID"]])))
    """, MLFLOW_RUN_ID="mine")  # fmt: skip
    assert step.code == 0, step.err
    assert json.loads(step.out.splitlines()[-1]) == [None, "mine"]


@pytest.mark.parametrize(
    ("error", "ended"),
    [
        pytest.param(None, ("succeeded", ""), id="00"),
        pytest.param(RuntimeError(""), ("failed", "RuntimeError"), id="10 no message"),
        pytest.param(RuntimeError("  a\nb"), ("failed", "RuntimeError: a"), id="11 the first line"),
    ],
)
def test_how_it_ended_in_words(error: BaseException | None, ended: tuple[str, str]):
    """An error is its type and first line."""
    assert how_it_ended(error) == ended


def test_nothing_is_left_in_the_current_folder(ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run that the author leaves active is ended where it was recorded, and not looked for in a new database."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    step = ran("import mlflow; mlflow.log_metric('loss', 1)")
    assert step.code == 0, step.err
    assert step.end["ended"] == "succeeded"
    assert list(here.iterdir()) == []
