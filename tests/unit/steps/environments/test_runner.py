"""A step's body in its own environment: other versions than the task's, and the task's end is its end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.unit.steps.child.calls import dag_file, make_call

from skyrail.errors import StepError
from skyrail.steps.environments import process
from skyrail.steps.environments.errors import StepEnvironmentError, StepKilledError
from skyrail.steps.environments.runner import environment, run
from skyrail.tracking import spool

TEXT = """
import alpha_user

def step(n=0):
    import alpha, os, subprocess, sys
    assert "airflow" not in sys.modules and "PYTHONPATH" not in os.environ
    there = subprocess.run(["python", "-c", "import alpha; print(alpha.VERSION)"], capture_output=True, text=True)
    return [alpha.VERSION, alpha_user.VERSION, there.stdout.strip(), n]
"""


@pytest.fixture
def step(index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A step that says which version of a package it, a module beside it and a child of it see."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "alpha_user.py").write_text("try:\n    from alpha import VERSION\nexcept ImportError: pass\n")
    return dag_file(tmp_path / "dags", TEXT).step


def test_two_steps_run_conflicting_versions(step, tmp_path: Path):
    """Each body, what it imports and what it starts have the versions that its step asks for; the task has neither."""
    assert run(make_call(step, tmp_path, packages=("alpha<2",))) == ["1.1", "1.1", "1.1", 0]
    assert run(make_call(step, tmp_path, n=7, packages=("beta",))) == ["2.0", "2.0", "2.0", 7]
    assert "alpha" not in sys.modules
    assert [path.name.split("-")[0] for path in sorted((tmp_path / "cache" / "locks").glob("*.txt"))] == [
        "alpha",
        "beta",
    ]
    assert not (tmp_path / "dags" / "locks").exists()


def test_a_damaged_environment_costs_one_try(step, tmp_path: Path):
    """The body fails for want of a file, and the next try has the environment built again."""
    assert run(make_call(step, tmp_path, packages=("alpha",)))[0] == "2.0"
    for file in (tmp_path / "cache").glob("py*/lib/python*/site-packages/**/alpha*.py*"):
        file.unlink()
    with pytest.raises(ImportError):
        run(make_call(step, tmp_path, packages=("alpha",)))
    assert run(make_call(step, tmp_path, packages=("alpha",)))[0] == "2.0"


def test_without_auto_lock_a_step_without_a_lock_does_not_run(step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What was not locked and reviewed is not installed."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "False")
    with pytest.raises(StepEnvironmentError, match="are not locked") as error:
        run(make_call(step, tmp_path, packages=("alpha",)))
    assert "skyrail lock" in error.value.fix


def test_the_child_gets_the_tasks_variables_but_not_its_packages():
    """What leads Python to the task's packages stays behind; all else, such as MLflow's address, goes along."""
    inherited = {"PYTHONPATH": "/x", "PYTHONDONTWRITEBYTECODE": "1", "PATH": "/bin", "MLFLOW_TRACKING_URI": "u"}
    assert environment(Path("/cache/py311-x/bin/python"), inherited) == {
        "PATH": "/cache/py311-x/bin:/bin",
        "VIRTUAL_ENV": "/cache/py311-x",
        "MLFLOW_TRACKING_URI": "u",
    }


@pytest.mark.parametrize(
    ("body", "says", "fix"),
    [
        pytest.param(
            "os.kill(os.getpid(), 9)", "was killed by signal 9 (most often out of memory)", "memory=", id="00 9"
        ),
        pytest.param("os.kill(os.getpid(), 11)", "was killed by SIGSEGV", "compiled code", id="01 a crash"),
        pytest.param("os._exit(137)", "was killed by signal 9", "memory=", id="02 as a shell says it"),
        pytest.param("os._exit(3)", "ended its process with exit code 3", "the log", id="10 an exit"),
        pytest.param("os._exit(0)", "without a result", "os._exit", id="11 a clean exit"),
    ],
)
def test_a_child_that_dies_says_how(step, tmp_path: Path, body: str, says: str, fix: str):
    """The error says what ended the body, and what to do."""
    dying = dag_file(tmp_path / "dying", f"import os\ndef step():\n    {body}\n").step
    with pytest.raises(StepError) as error:
        run(make_call(dying, tmp_path, packages=("alpha",)))
    assert says in error.value.message
    assert fix in error.value.fix
    assert isinstance(error.value, StepKilledError) is ("killed" in says)


PARENT = """
import signal, sys
from skyrail.steps.environments import process
told = []
if sys.argv[1] == "airflow":
    signal.signal(signal.SIGTERM, lambda *_: told.append("told"))
code = "import subprocess, sys, time; subprocess.Popen(['sleep', '300']); print('up', flush=True); time.sleep(300)"
print(process.run([sys.executable, "-c", BOOT + code], dict(__import__("os").environ)), told, flush=True)
"""
BOOT = """
import skyrail.steps.child.program as program
program._die_with_parent()
"""


@pytest.mark.parametrize(
    ("how", "number", "out"),
    [
        pytest.param("airflow", signal.SIGTERM, "-15 ['told']", id="00 told to end, as by Airflow"),
        pytest.param("plain", signal.SIGTERM, "", id="01 told to end, without Airflow's handler"),
        pytest.param("plain", signal.SIGINT, "", id="02 interrupted"),
        pytest.param("plain", signal.SIGKILL, "", id="10 killed"),
    ],
)
def test_the_childs_whole_group_ends_with_the_task(how: str, number: int, out: str):
    """However the task's process ends, nothing that the body started goes on."""
    code = f"BOOT = {BOOT!r}\n{PARENT}"
    with subprocess.Popen([sys.executable, "-c", code, how], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) == 2
        parent.send_signal(number)
        left = parent.stdout.read()  # until the last of them has closed it
    assert left.strip() == out
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


LEAVES = """
import os, subprocess
left = subprocess.Popen(["sleep", "300"])
open({pid!r}, "w").write(str(left.pid))
{end}
"""


@pytest.mark.parametrize(
    ("end", "code", "stays"),
    [
        pytest.param("", 0, True, id="00 as from any task"),
        pytest.param("os._exit(3)", 3, False, id="10 an exit code"),
        pytest.param("os.kill(os.getpid(), 9)", -9, False, id="20 out of memory"),
        pytest.param("os.kill(os.getpid(), 11)", -11, False, id="21 a crash"),
        pytest.param("os.kill(os.getpid(), 15)", -15, False, id="22 told to end"),
    ],
)
def test_a_body_that_dies_takes_along_what_it_started(tmp_path: Path, end: str, code: int, stays: bool):
    """Workers of a killed body would keep their memory while the next try runs."""
    pid = tmp_path / "pid"
    assert process.run([sys.executable, "-c", LEAVES.format(pid=str(pid), end=end)], os.environ) == code
    left = psutil.Process(int(pid.read_text())) if stays else None
    if left is not None:
        assert left.status() != psutil.STATUS_ZOMBIE
        left.kill()
    else:
        while _alive(int(pid.read_text())):
            time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_timeout_ends_the_child():
    """An exception in the task, such as Airflow's timeout, ends the child as well."""

    def out_of_time(*_: Any) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, out_of_time)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(TimeoutError):
            process.run([sys.executable, "-c", "import time; time.sleep(300)"], os.environ)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not [child for child in psutil.Process().children() if "time.sleep(300)" in child.cmdline()]


def test_mlflows_client_in_the_body_reaches_the_attempts_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`mlflow.log_metric`, its active run and printed metrics land in the attempt, with the body's own MLflow.

    The one test that needs a package index with mlflow-skinny, or uv's cache of it.
    """
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__SPOOL", str(tmp_path / "spool"))
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    text = """
    import json
    import mlflow

    def step():
        print(json.dumps({"printed": 1}))
        mlflow.log_metric("logged", 2.5, step=3)
        mlflow.log_param("p", "q")
        return [mlflow.active_run().info.run_id, mlflow.__version__]
    """
    step = dag_file(tmp_path / "dags", text).step
    call = make_call(step, tmp_path, packages=("mlflow-skinny==3.17.*",))
    with call.capture:
        run_id, version = run(call)
    [folder] = spool.attempts(tmp_path / "spool")
    events = [event for event, _ in spool.read_events(folder / spool.EVENTS)]
    assert run_id == events[0]["run"]
    assert version.startswith("3.17.")
    [logged] = [event["m"] for event in events if event["e"] == "metrics"]
    assert [point[:2] + point[3:4] for point in logged] == [["logged", 2.5, 3]]
    assert {"p": "q"} in [event["p"] for event in events if event["e"] == "params"]
    deadline = time.monotonic() + 20
    while spool.is_recording(folder) and time.monotonic() < deadline:
        time.sleep(0.01)
    lines = [line["values"] for line, _ in spool.read_events(folder / spool.LINES) if "values" in line]
    assert lines == [{"printed": 1}], json.dumps(lines)
