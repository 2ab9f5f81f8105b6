"""A container is a step: it reads and writes files, is recorded alike, has its limits, and is gone with its step."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from skyrail.errors import StepError
from skyrail.steps.containers.engine import Engine
from skyrail.steps.containers.runner import run
from skyrail.tracking import names, spool


def train(data=None, rate: float = 0.1): ...


def shell(text: str) -> list[str]:
    return ["sh", "-c", text]


def put(step: Any, value: Any) -> Any:
    return step.capture.store.put(value, made_by="dag/run/load/-1/1", attempt="id")


def containers(engine: Engine, **labels: str) -> list[str]:
    """Return the ids of containers, running or not."""
    filters = [f"--filter=label=skyrail.{name}={value}" for name, value in labels.items()]
    command = [engine.program, "ps", "--all", "--quiet", *filters]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_shell_script_is_a_step(call, image: str, capfd: pytest.CaptureFixture[str]):
    """It finds its inputs and parameters as files, gets arguments, prints metrics, and leaves outputs."""
    script = """
        test -r "$SKYRAIL_INPUTS/data/data.npy" && mkdir "$SKYRAIL_OUTPUTS/copy"
        cp "$1" "$SKYRAIL_OUTPUTS/copy/rows.npy" && cp "$SKYRAIL_CONFIG/parameters.json" "$SKYRAIL_OUTPUTS"
        echo "{\\"rate\\": $2}"; echo warned >&2
    """
    step = call(train, image, ["sh", "-c", script, "train.sh", "{data}", "{rate}"])
    step.kwargs["data"] = put(step, np.arange(5))
    kept = run(step)
    values = {name: step.capture.store.get(reference) for name, reference in kept.items()}
    assert list(values) == ["parameters.json", "copy/rows.npy"]
    assert values["parameters.json"] == {"rate": 0.1}
    assert list(values["copy/rows.npy"]) == [0, 1, 2, 3, 4]
    out, err = capfd.readouterr()
    assert out == '{"rate": 0.1}\n'
    assert "warned" in err.splitlines()


def test_a_program_in_perl_is_a_step(call, image: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Any language will do, and Valohai's names of the folders, too."""
    script = tmp_path / "train.pl"
    script.write_text("""
        open my $in, "<", "$ENV{VH_INPUTS_DIR}/data/train.pl" or die $!;
        my @lines = <$in>;
        open my $out, ">", "$ENV{VH_OUTPUTS_DIR}/lines.json" or die $!;
        print $out scalar @lines;
        print "{\\"step\\": $_, \\"loss\\": 1}\\n" for 1 .. 3;
    """)
    step = call(train, image, ["perl", "{data}"], data=script)
    kept = run(step)
    assert step.capture.store.get(kept["lines.json"]) == 7
    assert [json.loads(line)["step"] for line in capfd.readouterr().out.splitlines()] == [1, 2, 3]


def test_a_container_has_no_more_than_it_was_given(call, image: str, capfd: pytest.CaptureFixture[str]):
    """No privilege, nothing of the task's environment, inputs as they are, the image's own folder, the task's user."""
    os.environ["SECRET_OF_THE_TASK"] = "hunter2"
    try:
        run(call(train, image, shell("""
            echo "uid $(id -u)"; env; grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status
            touch "$SKYRAIL_INPUTS/x" || echo "inputs stay"; touch "$SKYRAIL_CONFIG/x" || echo "parameters stay"
            touch "$HOME/x" && echo "home $HOME"; touch "$SKYRAIL_OUTPUTS/x"
        """)))  # fmt: skip
    finally:
        del os.environ["SECRET_OF_THE_TASK"]
    lines = capfd.readouterr().out.splitlines()
    assert f"uid {os.getuid()}" in lines
    assert "CapEff:\t0000000000000000" in lines
    assert "NoNewPrivs:\t1" in lines
    assert {"inputs stay", "parameters stay", "home /tmp", "PWD=/work"} <= set(lines)
    assert "hunter2" not in "".join(lines)
    assert {line for line in lines if line.startswith(("SKYRAIL_", "VH_"))} == {
        f"{prefix}_{name.upper()}{suffix}=/skyrail/{name}"
        for prefix, suffix in (("SKYRAIL", ""), ("VH", "_DIR"))
        for name in ("inputs", "outputs", "config")
    }


@pytest.mark.parametrize(
    ("command", "needs", "says"),
    [
        pytest.param(shell("exit 3"), {}, "ended with exit code 3", id="00 failure"),
        pytest.param(shell("kill -9 $$"), {}, "killed by signal 9", id="01 killed"),
        pytest.param(["./nope"], {}, "ended with exit code", id="10 no such program in the image"),
        pytest.param(
            ["perl", "-e", "$x = q(a) x 200_000_000"], {"memory": 64 << 20, "cpu": 1000}, "memory",
            id="20 out of memory",
        ),
    ],
)  # fmt: skip
def test_a_container_that_fails_is_a_step_that_fails(
    call, engine: Engine, image: str, command: list[str], needs: Any, says: str
):
    """With the reason; and nothing of it stays."""
    step = call(train, image, command, needs)
    with pytest.raises(StepError) as error:
        run(step)
    assert says in str(error.value)
    assert containers(engine, attempt=step.capture.identity[names.ATTEMPT_ID]) == []


@pytest.mark.usefixtures("engine")
def test_an_image_that_is_nowhere_is_said(call):
    """With the engine's reason; port 9 answers nobody."""
    with pytest.raises(StepError) as error:
        run(call(train, "127.0.0.1:9/nope:1", ["x"]))
    assert "The image 127.0.0.1:9/nope:1 of step 'dag.train' is not on this machine" in error.value.message
    assert "reaches the registry" in error.value.fix


PROGRAM = """
import json, logging, os, signal, sys, tempfile, uuid
from pathlib import Path
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
logging.getLogger("skyrail").setLevel(logging.WARNING)
from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.containers.runner import run
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

IDENTITY = {
    names.ATTEMPT_ID: sys.argv[1], names.DAG_ID: "dag", names.RUN_ID: "run", names.TASK_ID: "train",
    names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: "",
}

def train(): ...

if sys.argv[4] == "as Airflow":
    signal.signal(signal.SIGTERM, lambda *_: None)
options = StepOptions(image=sys.argv[2], command=tuple(json.loads(sys.argv[3])))
with Capture(train, IDENTITY, {}, options) as capture, tempfile.TemporaryDirectory() as folder:
    run(Call("dag.train", train, [], {}, options, capture, Path(folder)))
"""
ATTEMPT = "0b9d6c1e-52c7-4a5e-9f0e-3a4f6f8f2f11"


@pytest.fixture
def start(tmp_path: Path):
    """Start a step in an image, in a process of its own."""

    def go(image: str, command: list[str], how: str = "") -> subprocess.Popen[str]:
        program = tmp_path / "dag.py"
        program.write_text(PROGRAM)
        environment = {
            **os.environ,
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__SKYRAIL_TRACKING__SERVER": "http://127.0.0.1:9",
            "AIRFLOW__SKYRAIL_TRACKING__SPOOL": str(tmp_path / "spool"),
        }
        return subprocess.Popen(
            [sys.executable, program, ATTEMPT, image, json.dumps(command), how],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        )  # fmt: skip

    return go


def test_a_container_is_recorded_like_a_function(start, engine: Engine, image: str, tmp_path: Path):
    """Its metric lines, its outputs, its image by what cannot move, and its success."""
    step = start(image, shell("""echo '{"loss": 0.5}'; echo x > "$SKYRAIL_OUTPUTS/model.bin" """))
    out, err = step.communicate(timeout=120)
    assert step.returncode == 0, err
    assert out == '{"loss": 0.5}\n'
    [attempt] = spool.attempts(tmp_path / "spool")
    assert [line["values"] for line, _ in spool.read_events(attempt / spool.LINES)] == [{"loss": 0.5}]
    events = [event for event, _ in spool.read_events(attempt / spool.EVENTS)]
    noted = {key: value for event in events for key, value in event.get("t", {}).items()}
    inspected = [engine.program, "image", "inspect", "--format", "{{.Id}}", image]
    identity = subprocess.run(inspected, capture_output=True, text=True, check=True).stdout.strip()
    assert noted[names.IMAGE].removeprefix("sha256:") == identity.removeprefix("sha256:")
    assert json.loads(noted[names.OUTPUT_PREFIX + "model.bin"])["bytes"] == 2
    assert events[-1]["ended"] == "succeeded"


@pytest.mark.parametrize(
    ("number", "how"),
    [
        pytest.param(signal.SIGKILL, "", id="00 kill -9"),
        pytest.param(signal.SIGTERM, "as Airflow", id="10 SIGTERM as Airflow takes it"),
        pytest.param(signal.SIGINT, "", id="20 Ctrl-C"),
    ],
)
def test_a_container_ends_with_its_step(start, engine: Engine, image: str, number: signal.Signals, how: str):
    """Whatever ends the step, however suddenly, ends the container, and removes it."""
    step = start(image, shell("trap 'echo asked to end; exit 1' TERM; echo runs; while :; do sleep 1; done"), how)
    try:
        assert step.stdout.readline() == "runs\n"
        assert len(containers(engine, attempt=ATTEMPT)) == 1
    finally:
        step.send_signal(number)
        out, err = step.communicate(timeout=120)
    while containers(engine, attempt=ATTEMPT):
        time.sleep(0.1)
    assert step.returncode != 0
    if number != signal.SIGKILL:  # else nobody was left to read it
        assert out == "asked to end\n"
    assert ("was stopped from outside" in err) == (number == signal.SIGTERM)


# --- functions ---


def add(numbers: list[int], more: int = 1) -> dict[str, Any]:
    import platform

    print(json.dumps({"count": len(numbers)}))
    return {"sum": sum(numbers) + more, "where": platform.node(), "large": b"x" * 100_000}


def test_a_function_runs_in_an_image(call, python_image: str, capfd: pytest.CaptureFixture[str]):
    """It needs nothing there but Python: arguments and results are those of any step."""
    step = call(add, python_image, [])
    step.kwargs["numbers"] = put(step, list(range(10_000)))
    result = run(step)
    assert result["sum"] == sum(range(10_000)) + 1
    assert result["where"] != os.uname().nodename
    assert step.capture.store.get(result["large"]) == b"x" * 100_000
    assert capfd.readouterr().out == '{"count": 10000}\n'


def divide(by: int) -> float:
    return 1 / by


def test_an_error_there_is_the_error_here(call, python_image: str):
    """With its own class and the lines of its traceback."""
    with pytest.raises(ZeroDivisionError) as error:
        run(call(divide, python_image, [], by=0))
    assert "return 1 / by" in "".join(error.value.__notes__)


def test_an_image_without_python_is_said(call, image: str):
    """What the function needs, and what could be done instead."""
    with pytest.raises(StepError, match="has no python3"):
        run(call(divide, image, [], by=0))
