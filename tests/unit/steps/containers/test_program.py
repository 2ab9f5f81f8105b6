"""A program of this machine is a step: recorded alike, and gone with its step."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from skyrail.errors import StepError
from skyrail.steps.containers.runner import run
from skyrail.tracking import names, spool

PROGRAM = """
import json, logging, os, signal, sys, tempfile, uuid
from pathlib import Path
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.containers.runner import run
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

IDENTITY = {
    names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "dag", names.RUN_ID: "run", names.TASK_ID: "train",
    names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: "",
}

def train(): ...

BEFORE
options = StepOptions(command=tuple(json.loads(sys.argv[1])))
with Capture(train, IDENTITY, {}, options) as capture, tempfile.TemporaryDirectory() as folder:
    result = run(Call("dag.train", train, [], {}, options, capture, Path(folder)))
print(json.dumps({name: reference.format for name, reference in (result or {}).items()}))
"""


@pytest.fixture
def start(tmp_path: Path):
    """Start a step whose body is the given command, in a process of its own."""

    def go(*command: str, before: str = "") -> subprocess.Popen[str]:
        program = tmp_path / "dag.py"
        program.write_text(PROGRAM.replace("BEFORE", textwrap.dedent(before)))
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__SKYRAIL_TRACKING__SERVER": "http://127.0.0.1:9",
            "AIRFLOW__SKYRAIL_TRACKING__SPOOL": str(tmp_path / "spool"),
        }
        return subprocess.Popen(
            [sys.executable, program, json.dumps(command)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        )  # fmt: skip

    return go


def events(folder: Path) -> list[Any]:
    [attempt] = spool.attempts(folder)
    return [event for event, _ in spool.read_events(attempt / spool.EVENTS)]


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pid: int) -> bool:
    """Wait until a process is gone; the test's time limit is the longest that this takes."""
    while alive(pid):
        time.sleep(0.02)
    return True


def test_a_program_is_recorded_like_a_function(start, tmp_path: Path):
    """Its metric lines, its outputs, its success; and its output is the step's, unchanged."""
    step = start("sh", "-c", """echo '{"loss": 0.5}'; echo warned >&2; echo x > "$SKYRAIL_OUTPUTS/model.bin" """)
    out, err = step.communicate(timeout=120)
    assert step.returncode == 0, err
    assert out.splitlines() == ['{"loss": 0.5}', '{"model.bin": "file"}']
    assert "warned" in err.splitlines()
    [attempt] = spool.attempts(tmp_path / "spool")
    assert [line["values"] for line, _ in spool.read_events(attempt / spool.LINES)] == [{"loss": 0.5}]
    noted = {key: value for event in events(tmp_path / "spool") for key, value in event.get("t", {}).items()}
    assert json.loads(noted[names.OUTPUT_PREFIX + "model.bin"])["bytes"] == 2
    assert events(tmp_path / "spool")[-1]["ended"] == "succeeded"


@pytest.mark.skipif(shutil.which("perl") is None, reason="Perl is not installed.")
def test_a_program_may_be_of_any_language(call, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Here Perl: it finds its folders by the environment, whichever of the two names it knows."""
    script = tmp_path / "train.pl"
    script.write_text("""
        open my $in, "<", "$ENV{VH_INPUTS_DIR}/data/data.json" or die; my $text = <$in>;
        open my $out, ">", "$ENV{VH_OUTPUTS_DIR}/length.json" or die; print $out length $text;
        print "{\\"rate\\": $ARGV[0]}\\n";
    """)

    def train(data, rate=0.5): ...

    step = call(train, ["perl", str(script), "{rate}"])
    step.kwargs["data"] = step.capture.store.put(["x" * 10], made_by="dag/run/load/-1/1", attempt="id")
    kept = run(step)
    assert step.capture.store.get(kept["length.json"]) == len(json.dumps(["x" * 10]))
    assert capfd.readouterr().out == '{"rate": 0.5}\n'


def test_a_program_runs_beside_its_dag_file(call, tmp_path: Path):
    """So that a relative path is one of the repository, wherever the worker has that."""

    def train(): ...

    kept = run(call(train, ["sh", "-c", 'pwd > "$SKYRAIL_OUTPUTS/here.txt"']))
    assert call(train, []).capture.store.get(kept["here.txt"]).read_text().strip() == str(Path(__file__).parent)


@pytest.mark.parametrize(
    ("command", "says"),
    [
        pytest.param(["sh", "-c", "exit 3"], "ended with exit code 3", id="00 failure"),
        pytest.param(["sh", "-c", "kill -9 $$"], "killed by signal 9", id="01 killed"),
        pytest.param(["./nope"], "No such file or directory.\nGive its path, relative to", id="10 no such program"),
        pytest.param(["/etc/passwd"], "Permission denied.\nMake it executable", id="11 not executable"),
    ],
)
def test_a_program_that_fails_is_a_step_that_fails(call, command: list[str], says: str):
    """With the reason, and what to do."""

    def train(): ...

    with pytest.raises(StepError) as error:
        run(call(train, command))
    assert says in str(error.value)


def test_a_program_that_is_killed_is_a_killed_attempt(start, tmp_path: Path):
    """As a function in an environment of its own is, whose process is killed."""
    step = start("sh", "-c", "kill -9 $$")
    step.communicate(timeout=120)
    assert events(tmp_path / "spool")[-1]["ended"] == "killed"


def test_a_script_without_its_first_line_is_said(call, tmp_path: Path):
    """The commonest mistake of all."""
    script = tmp_path / "train.sh"
    script.write_text("echo hello\n")
    script.chmod(0o755)

    def train(): ...

    with pytest.raises(StepError, match="A script needs a first line such as #!/bin/sh"):
        run(call(train, [str(script)]))


def test_what_a_program_leaves_running_ends_with_it(call, tmp_path: Path):
    """Else it would go on writing into folders that are gone."""
    pids = tmp_path / "pids"

    def train(): ...

    assert run(call(train, ["sh", "-c", f"sleep 1000 & echo $! > {pids}"])) is None
    assert gone(int(pids.read_text()))


SLEEP = 'echo "$$"; trap "" INT; echo full >&2; exec sleep 1000'
STUBBORN = 'echo "$$"; trap "" TERM INT; echo full >&2; while :; do sleep 1; done'
AS_AIRFLOW = "signal.signal(signal.SIGTERM, lambda *_: print('on_kill', file=sys.stderr))"
"""Its handler returns, so that waiting would simply go on."""


def running(step: subprocess.Popen[str]) -> int:
    """Wait until the program of a step runs, and return its process id."""
    pid = int(step.stdout.readline())
    while "full" not in step.stderr.readline():
        pass
    return pid


@pytest.mark.parametrize(
    ("number", "before"),
    [
        pytest.param(signal.SIGKILL, "", id="00 kill -9"),
        pytest.param(signal.SIGTERM, AS_AIRFLOW, id="10 SIGTERM as Airflow takes it"),
        pytest.param(signal.SIGTERM, "", id="11 SIGTERM"),
        pytest.param(signal.SIGALRM, "signal.signal(signal.SIGALRM, lambda *_: 1 / 0)", id="20 a timeout"),
        pytest.param(signal.SIGINT, "", id="21 Ctrl-C"),
    ],
)
def test_a_program_ends_with_its_step(start, number: signal.Signals, before: str):
    """Whatever ends the step, however suddenly, ends the program."""
    step = start("sh", "-c", SLEEP, before=before)
    pid = running(step)
    assert alive(pid)
    step.send_signal(number)
    assert gone(pid)
    _, err = step.communicate(timeout=120)
    assert step.returncode not in (0, None)
    assert ("was stopped from outside" in err) == (number == signal.SIGTERM)
    assert ("on_kill" in err) == (before == AS_AIRFLOW)


def test_a_program_that_refuses_to_end_is_ended(start):
    """By force, when its time to end by itself is over."""
    step = start("sh", "-c", STUBBORN)
    pid = running(step)
    step.kill()
    assert gone(pid)
    step.communicate(timeout=120)
