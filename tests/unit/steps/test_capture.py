"""A step is recorded whatever it does, and does what it does whatever the record."""

from __future__ import annotations

import hashlib
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

import pytest

from skyrail.steps.ending import how_it_ended
from skyrail.tracking import names, spool

PROGRAM = """
import json, os, subprocess, sys, time, uuid, logging
sys.stdout.reconfigure(line_buffering=True)  # as Airflow does for a task
logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.capture import Capture
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

def secret(text):
    from airflow.sdk._shared.secrets_masker import secrets_masker
    secrets_masker._secrets_masker().add_mask(text)

OPTIONS = StepOptions()
PARAMS = {"params.month": "2013-01", "password": "hunter2"}
IDENTITY = {
    names.ATTEMPT_ID: str(uuid.uuid4()), names.DAG_ID: "dag", names.RUN_ID: "run", names.TASK_ID: "task",
    names.MAP_INDEX: "-1", names.TRY_NUMBER: "1", names.LOGICAL_DATE: "2013-01-01T00:00:00+00:00",
    names.BUNDLE_NAME: "dags", names.BUNDLE_VERSION: "v1",
}

BEFORE

def body():
BODY

with Capture(body, IDENTITY, PARAMS, OPTIONS) as capture:
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
        self.files: dict[str, str] = {}
        if attempts:
            home = attempts[0] / spool.ARTIFACTS / attempts[0].name.partition("-")[2] / names.FILES
            self.files = {
                str(path.relative_to(home)): path.read_text(errors="replace")
                for path in home.rglob("*")
                if path.is_file()
            }
            self.events = [event for event, _ in spool.read_events(attempts[0] / spool.EVENTS)]
            self.lines = [
                line["values"] for line, _ in spool.read_events(attempts[0] / spool.LINES) if "values" in line
            ]

    @property
    def tags(self) -> dict[str, str]:
        """All tags of the attempt, as they stand at its end."""
        found: dict[str, str] = {}
        for event in self.events:
            found |= event.get("t", {}) | event.get("tags", {})
        return found

    @property
    def params(self) -> dict[str, str]:
        """All parameters of the attempt."""
        found: dict[str, str] = {}
        for event in self.events:
            found |= event.get("p", {}) | event.get("params", {})
        return found

    @property
    def end(self) -> Any:
        ends = [event for event in self.events if event["e"] == "end"]
        return ends[-1] if ends else None


@pytest.fixture
def start(tmp_path: Path):
    """Start a step with the given body in a process of its own."""

    def go(body: str, stdout: int = subprocess.PIPE, before: str = "", **environment: str) -> subprocess.Popen[bytes]:
        program = tmp_path / "dags/dag.py"
        program.parent.mkdir(exist_ok=True)
        text = PROGRAM.replace("BODY", textwrap.indent(textwrap.dedent(body), "    "))
        program.write_text(text.replace("BEFORE", textwrap.dedent(before)))
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

    def go(body: str, before: str = "", **environment: str) -> Ran:
        shutil.rmtree(tmp_path / "spool", ignore_errors=True)
        process = start(body, before=before, **environment)
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


def test_without_a_spool_mlflow_is_led_nowhere(ran, tmp_path: Path):
    """Where recording is impossible MLflow's calls succeed, and nothing of them stays, nor is in the current folder."""
    here, scratch = tmp_path / "here", tmp_path / "scratch"
    here.mkdir()
    scratch.mkdir()
    step = ran(
        """
        os.chdir(os.environ["HERE"])
        import mlflow
        mlflow.log_metric("auc", 0.9)
        mlflow.log_text("seen", "note.txt")
        print(mlflow.active_run().data.metrics)
        """,
        AIRFLOW__SKYRAIL_TRACKING__SPOOL="/dev/null/x",
        HERE=str(here),
        TMPDIR=str(scratch),
    )
    assert step.code == 0, step.err
    assert not list(here.iterdir())
    assert not list(scratch.glob("skyrail-unrecorded-*"))


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
        secret("TopSecretValue9")
        print(json.dumps({"conn": "postgres://u:TopSecretValue9@h", "n": 1, "password": "x"}))
    """)
    assert step.code == 0, step.err
    assert json.loads(step.tags[names.VALUE_PREFIX + "conn"]) == "postgres://u:***@h"
    assert json.loads(step.tags[names.VALUE_PREFIX + "password"]) == "***"


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


# --- the version ---


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The folder of the DAG file as a repository in which the file is not committed yet."""
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "other.py").write_text("x = 1\n")
    for arguments in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "1"],
    ):
        subprocess.run(["git", "-C", folder, *arguments], check=True)
    return folder


PARTS = {*names.VERSION_PARTS, names.VERSION}


@pytest.mark.parametrize(
    ("body", "before", "differs"),
    [
        pytest.param("pass", "", set(), id="00 the same again"),
        pytest.param("print()", "", {names.VERSION_CODE, names.VERSION}, id="10 the function"),
        pytest.param("pass", "PARAMS['rate'] = 2", {names.VERSION_PARAMETERS, names.VERSION}, id="20 a parameter"),
        pytest.param("pass", "PARAMS['password'] = 'other'", set(), id="21 a secret, which is masked before"),
        pytest.param("pass", "import numpy; PARAMS['x'] = numpy.arange(5000) % 7",
                     {names.VERSION_PARAMETERS, names.VERSION}, id="22 an array, whose text shows its ends only"),
        pytest.param("pass", "OPTIONS = StepOptions(command=('y',))", {names.VERSION_CODE, names.VERSION},
                     id="30 the program that runs instead"),
        pytest.param("pass", "OPTIONS = StepOptions(image='x')", {names.VERSION_ENVIRONMENT, names.VERSION},
                     id="31 an image, to which the packages here mean nothing"),
        pytest.param("pass", "import atexit; os.environ['SKYRAIL_IMAGE'] = 'x@sha256:1'",
                     {names.VERSION_ENVIRONMENT, names.VERSION}, id="40 the image"),
    ],
)  # fmt: skip
def test_a_version_says_what_differs(ran, body: str, before: str, differs: set[str]):
    """The record of an attempt has a hash of each part and a key; equal attempts have equal ones."""
    one, two = ran("pass"), ran(body, before)
    assert two.code == 0, two.err
    assert {name for name in PARTS if one.tags[name] != two.tags[name]} == differs


def test_what_is_read_and_found_out_is_part_of_the_version(ran):
    """Inputs, the lock of the step's own environment, and the digest that its image turned out to have."""
    step = ran("""
        before = {}
        reference = Reference(uri="u", sha256="a" * 64, bytes=1, format="json", summary="", made_by="m", attempt="id-1")
        capture.note_input("frame", reference)
        capture.note_environment("b" * 64, "--index-url https://me:pass@host/simple\\nsix==1.17\\n")
        capture.bound()
        capture.note_input("late", Reference(**{**vars(reference), "attempt": "id-2"}))
        capture.note({names.IMAGE: "r/x@sha256:1"})
    """)
    assert step.code == 0, step.err
    assert step.tags[names.READS] == "id-1,id-2"
    assert step.files[names.ENVIRONMENT_FILE] == "--index-url https://***@host/simple\nsix==1.17\n"
    bound, over = [event["t"] for event in step.events if names.VERSION in event.get("t", {})]
    differs = {name for name in PARTS if bound[name] != over[name]}
    assert differs == PARTS - {names.VERSION_CODE, names.VERSION_PARAMETERS}


def test_an_attempt_of_unsaved_code_can_be_made_again(ran, repository: Path):
    """Where files differ from the commit, the difference is kept, and is part of the version."""
    (repository / "other.py").write_text("x = 2\n")
    step = ran("pass")
    assert step.code == 0, step.err
    assert step.tags[names.DIRTY] == "true"
    assert hashlib.sha256(step.files[names.PATCH_FILE].encode()).hexdigest() == step.tags[names.PATCH_SHA256]
    assert "+x = 2" in step.files[names.PATCH_FILE]
    (repository / "other.py").write_text("x = 3\n")
    other = ran("pass")
    assert {name for name in PARTS if step.tags[name] != other.tags[name]} == {names.VERSION_CODE, names.VERSION}


def test_an_attempt_can_be_read_without_its_repository(ran):
    """Its source and what was installed are among the files of its run."""
    step = ran("pass  # the body")
    assert step.files[names.SOURCE_FILE] == "def body():\n    pass  # the body\n"
    assert hashlib.sha256(step.files[names.SOURCE_FILE].encode()).hexdigest() == step.tags[names.SOURCE_SHA256]
    assert "\nnumpy==" in step.files[names.ENVIRONMENT_FILE]
    assert (
        hashlib.sha256(step.files[names.ENVIRONMENT_FILE].encode()).hexdigest() == step.tags[names.ENVIRONMENT_SHA256]
    )
    assert names.PATCH_FILE not in step.files


def test_a_secret_is_nowhere_in_the_record(ran, repository: Path):
    """Parameters, values, names of both, texts deep inside, source, patch, command, MLflow's client, errors."""
    (repository / "other.py").write_text("key = 'TopSecretValue9'\n")
    step = ran(
        """
        print(json.dumps({"deep": [[[[[[["TopSecretValue9"]]]]]]], "TopSecretValue9": "x"}))
        print(json.dumps({"long": ["TopSecretValue9"] * 3000}))
        capture.note_params({"late": "TopSecretValue9"})
        import mlflow
        mlflow.log_param("own", "TopSecretValue9")
        mlflow.set_tag("own", "TopSecretValue9")
        mlflow.log_metric("TopSecretValue9", 1)
        raise ValueError("TopSecretValue9")
        """,
        before="""
        secret("TopSecretValue9")
        class Odd:
            def __repr__(self):
                return "Odd(TopSecretValue9)"
        PARAMS.update({"url": "x://u:TopSecretValue9@h", "TopSecretValue9": 1, "odd": Odd()})
        PARAMS["deep"] = [[[[[[["TopSecretValue9"]]]]]]]
        OPTIONS = StepOptions(command=("run", "--key", "TopSecretValue9"))
        """,
    )  # fmt: skip
    assert step.code == 1
    assert step.end["error"] == "ValueError: ***"
    assert step.params["odd"] == "Odd(***)"
    assert step.params["own"] == "***"
    assert {names.SOURCE_FILE, names.PATCH_FILE, "values/long.json"} <= set(step.files)
    assert "TopSecretValue9" not in json.dumps(step.events)
    assert "TopSecretValue9" not in json.dumps(step.files)


def test_a_parameter_never_fails_a_step(ran):
    """Whatever its class does when it is shown."""
    step = ran("pass", before="""
        class Odd:
            def __repr__(self):
                raise ValueError("no")
        PARAMS["odd"] = Odd()
    """)  # fmt: skip
    assert step.code == 0, step.err
    assert step.params["odd"] == "<Odd>"
    assert step.end["ended"] == "succeeded"


def test_a_set_has_one_text(ran):
    """Whatever order a process has it in: equal parameters, equal versions."""
    before = "PARAMS['names'] = {'a', 'b', 'c', 'd', 'e'}"
    one, two = ran("pass", before, PYTHONHASHSEED="1"), ran("pass", before, PYTHONHASHSEED="2")
    assert one.tags[names.VERSION] == two.tags[names.VERSION]


# --- what it used, and the lines that count ---


def test_an_attempt_says_where_it_ran_and_what_it_used(ran):
    """Class, needs and notices; memory, CPU seconds and the GPUs it held."""
    step = ran(
        "pass", before="OPTIONS = StepOptions(needs={'cpu': 4}, resource_class='large', gpus=2, notices=('No.',))"
    )
    assert step.code == 0, step.err
    assert step.tags[names.RESOURCE_CLASS] == "large"
    assert json.loads(step.tags[names.NEEDS]) == {"cpu": 4}
    assert step.tags[names.NOTICE_PREFIX + "place"] == "No."
    assert int(step.tags[names.PEAK_MEMORY]) > 10_000_000
    assert {names.CPU_SECONDS, names.GPU_SECONDS, names.PEAK_MEMORY_OF} <= set(step.tags)


def test_a_program_whose_log_is_json(ran):
    """With metrics="prefixed" its log is no metrics; what says so is."""
    step = ran(
        """
        print(json.dumps({"level": "info", "n": 1}))
        print(json.dumps({"skyrail": {"auc": 0.9, "note": "x"}}))
        """,
        before="OPTIONS = StepOptions(metrics='prefixed')",
    )
    assert step.lines == [{"auc": 0.9, "note": "x"}]
    assert step.tags[names.VALUE_PREFIX + "note"] == '"x"'
    assert names.VALUE_PREFIX + "level" not in step.tags


def test_a_long_value_is_kept_whole(ran):
    """As a file of the run, whatever its name; a short one stays a tag."""
    step = ran("""
        print(json.dumps({"matrix": [list(range(100))] * 100, "a/b" + "x" * 300: list(range(9999)), "short": [1]}))
    """)
    assert json.loads(step.files["values/matrix.json"]) == [list(range(100))] * 100
    assert step.tags[names.VALUE_FILE_PREFIX + "matrix"] == "skyrail/values/matrix.json"
    assert step.tags[names.VALUE_PREFIX + "short"] == "[1]"
    assert len([name for name in step.files if name.startswith("values/a_b")]) == 1


def test_names_of_values_have_a_limit(ran):
    """Further ones are left out, with one notice."""
    step = ran("for n in range(5100): print(json.dumps({f'n{n}': 'x'}))")
    values = [name for name in step.tags if name.startswith(names.VALUE_PREFIX)]
    assert len(values) == 5000
    assert step.tags[names.NOTICE_PREFIX + "names"].startswith("More than 5,000 names")


def test_a_pickle_is_noticed(ran, tmp_path: Path):
    """The record says which result only an environment like this one can read."""
    step = ran("capture.put('return_value', {1: 'a'}); capture.put('return_value.2', [1])",
               AIRFLOW__SKYRAIL_TRACKING__STORE=str(tmp_path / "store"))  # fmt: skip
    assert step.code == 0, step.err
    assert "return_value (dict)" in step.tags[names.NOTICE_PREFIX + "pickle"]
    assert "return_value.2" not in step.tags[names.NOTICE_PREFIX + "pickle"]


def test_an_author_cannot_write_the_records_own_tags(ran):
    """The record is found by them; a name that is taken is refused as MLflow refuses a bad one."""
    step = ran("import mlflow; mlflow.set_tag('mine', '1'); mlflow.set_tag('skyrail.dag_id', 'other')")
    assert "'skyrail.dag_id' is part of the record that Skyrail keeps" in step.end["error"]
    assert (step.tags[names.DAG_ID], step.tags["mine"]) == ("dag", "1")
