"""What a step recorded arrives at a real MLflow server, once and whole."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import textwrap
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrail.tracking import delivery, names, spool
from skyrail.tracking.flusher import GIVE_UP, Flusher, ServerAwayError
from skyrail.tracking.points import shown
from skyrail.tracking.sender import Sender


@pytest.fixture
def client(mlflow_server: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=mlflow_server)


class Step:
    """An attempt in a spool of its own, as a step's process would write it."""

    def __init__(self, folder: Path, server: str) -> None:
        self.spool = folder / "spool"
        self.run = uuid.uuid4().hex
        self.experiment = f"dag_{self.run[:8]}"
        event = {
            "e": "attempt", "run": self.run, "experiment": self.experiment, "server": server, "name": "train",
            "at": spool.now_ms(), "tags": {names.KIND: names.ATTEMPT}, "params": {"rate": "0.1"},
        }  # fmt: skip
        self.attempt, lock = spool.open_attempt(self.spool, self.run, event)
        lock.close()
        # The lock is a process's: this test process is the flusher, so another one has to be the step.
        hold = (
            "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); input()"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", hold, str(self.attempt.folder / spool.LOCK)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def line(self, **values: Any) -> None:
        with (self.attempt.folder / spool.LINES).open("a") as lines:
            lines.write(json.dumps({"at": spool.now_ms(), "values": values}) + "\n")

    def end(self, ended: str, error: str = "") -> None:
        self.attempt.append({"e": "end", "ended": ended, "error": error, "at": spool.now_ms()})
        self.die()

    def die(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.communicate()

    def python(self, body: str) -> str:
        """Run code with MLflow's client in a process of its own, led to the spool."""
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(body)],
            env={
                "PATH": "/usr/bin:/bin", "HOME": str(self.spool), "MLFLOW_TRACKING_URI": self.attempt.tracking_uri,
                "MLFLOW_RUN_ID": self.run, "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            },
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def steps(tmp_path: Path) -> Iterator[Callable[[str], Step]]:
    """Make steps, all in one spool, given the server's address."""
    made: list[Step] = []

    def make(server: str) -> Step:
        made.append(Step(tmp_path, server))
        return made[-1]

    yield make
    for step in made:
        if step.process.poll() is None:
            step.die()


@pytest.fixture
def step(steps: Callable[[str], Step], mlflow_server: str) -> Step:
    return steps(mlflow_server)


def flush(step: Step, client: Any) -> int:
    return Flusher(step.spool, client).sweep()


def runs(step: Step, client: Any) -> list[Any]:
    experiment = client.get_experiment_by_name(step.experiment)
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"]) if experiment else []


@pytest.mark.parametrize(
    ("ended", "status", "error"),
    [
        pytest.param("succeeded", "FINISHED", "", id="00 success"),
        pytest.param("failed", "FAILED", "ValueError: no", id="10 failure, with its reason"),
        pytest.param("skipped", "FINISHED", "", id="11 skipped"),
        pytest.param("killed", "KILLED", "Stopped", id="12 stopped from outside"),
        pytest.param(None, "KILLED", "The process disappeared", id="20 killed without a word"),
    ],
)
def test_the_record_says_how_it_ended(step: Step, client: Any, ended: str | None, status: str, error: str):
    """However an attempt ends, its run says so and is not left running."""
    step.line(auc=0.5)
    step.end(ended, error) if ended else step.die()
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert run.info.status == status
    assert run.info.end_time >= run.info.start_time
    assert run.data.tags[names.ENDED] == (ended or "killed")
    assert run.data.tags.get(names.ERROR, "").startswith(error)
    assert float(run.data.tags[names.SECONDS]) >= 0
    assert run.data.metrics == {"auc": 0.5}
    assert spool.attempts(step.spool) == []


def test_a_running_attempt_is_seen(step: Step, client: Any):
    """What a step has recorded so far is on the server while it runs."""
    step.line(loss=1.0, step=1)
    assert flush(step, client) == 1
    [run] = runs(step, client)
    assert (run.info.status, run.data.tags[names.ENDED]) == ("RUNNING", "running")
    assert (run.data.metrics, run.data.params) == ({"loss": 1.0}, {"rate": "0.1"})


def test_lines_become_points_and_values(step: Step, client: Any):
    """Numbers are points with their step, NaN is kept, none is lost in 3,000."""
    for number in range(3000):
        step.line(loss=number / 2, step=number)
    step.line(nan=math.nan, matrix=[[1, 2], [3, 4]], note="text", nested={"auc": 0.9})
    step.end("succeeded")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert {(point.step, point.value) for point in history} == {(n, n / 2) for n in range(3000)}
    assert math.isnan(run.data.metrics["nan"])
    assert run.data.metrics["nested.auc"] == 0.9
    # Texts and lists come by way of the step, which masks secrets in them.
    assert names.VALUE_PREFIX + "note" not in run.data.tags


def test_nan_and_infinity_arrive(step: Step, client: Any):
    """NaN as it is; infinity as the largest number, which is how MLflow's databases keep it."""
    step.line(a=math.nan, b=math.inf, c=-math.inf)
    step.python("import mlflow; mlflow.log_metrics({'d': float('nan'), 'e': float('inf')})")
    step.end("succeeded")
    assert flush(step, client) == 0
    metrics = runs(step, client)[0].data.metrics
    assert math.isnan(metrics["a"])
    assert math.isnan(metrics["d"])
    assert [shown(metrics[name]) for name in "bce"] == [math.inf, -math.inf, math.inf]


def test_names_have_a_limit_and_points_have_none(step: Step, client: Any, monkeypatch: pytest.MonkeyPatch):
    """Whatever the way in and however often the flusher starts anew: so many names, one notice, every point of them."""
    monkeypatch.setattr(delivery, "MAX_NAMES", 5)
    step.line(**{f"line{n}": n for n in range(3)})
    flush(step, client)
    metrics = [[f"call{n}", 1.0, 1, 0, None] for n in range(4)]
    step.attempt.append({"e": "metrics", "run": step.run, "m": metrics})
    flush(step, client)  # a new Flusher each time: what it knows is on the disk
    (step.attempt.folder / spool.SENT).write_text(json.dumps({"creating": step.run}))  # or, lost, on the server
    step.line(late=1, line0=7)
    step.end("succeeded")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert run.data.metrics == {"line0": 7.0, "line1": 1.0, "line2": 2.0, "call0": 1.0, "call1": 1.0}
    assert run.data.tags[names.NOTICE_PREFIX + "names"].startswith("More than")


def test_what_came_of_it_has_a_hash(steps: Callable[[str], Step], client: Any, mlflow_server: str):
    """Attempts with equal outputs and equal last values came to the same result."""
    found = []
    for first, sha in ((-1.0, "a"), (-2.0, "a"), (-2.0, "b")):
        step = steps(mlflow_server)
        step.line(loss=first)
        step.line(loss=0.5)
        output = {names.OUTPUT_PREFIX + "return_value": json.dumps({"sha256": sha})}
        step.attempt.append({"e": "tags", "run": step.run, "t": output})
        step.end("succeeded")
        assert flush(step, client) == 0
        found.append(runs(step, client)[0].data.tags[names.VERSION_RESULTS])
    assert found[0] == found[1] != found[2]


def test_who_read_a_result_is_found_by_one_search(step: Step, client: Any):
    """Lineage goes both ways: a run names what it read, and is found by it."""
    one, two = str(uuid.uuid4()), str(uuid.uuid4())
    step.attempt.append({"e": "tags", "run": step.run, "t": {names.READS: f"{one},{two}"}})
    step.end("succeeded")
    assert flush(step, client) == 0
    experiments = [found.experiment_id for found in client.search_experiments()]
    found = client.search_runs(experiments, f"tags.`{names.READS}` LIKE '%{two}%'")
    assert [run.info.run_id for run in found] == [runs(step, client)[0].info.run_id]


def own_files(step: Step) -> Path:
    folder = step.attempt.folder / spool.ARTIFACTS / step.run / names.FILES
    (folder / names.VALUES_FOLDER).mkdir(parents=True)
    (folder / names.SOURCE_FILE).write_text("def f(): ...\n")
    (folder / names.VALUES_FOLDER / "matrix.json").write_text("[[1]]")
    return folder


def test_files_of_the_record_are_artifacts(step: Step, client: Any):
    """Source, environment and long values can be read where the run is, beside the author's own files."""
    own_files(step)
    step.python("import mlflow; mlflow.log_text('hello', 'notes.txt')")
    step.end("succeeded")
    assert flush(step, client) == 0
    run = runs(step, client)[0].info.run_id
    assert {file.path for file in client.list_artifacts(run)} == {"notes.txt", "skyrail"}
    assert {file.path for file in client.list_artifacts(run, "skyrail")} == {"skyrail/source.py", "skyrail/values"}


def test_a_server_without_artifacts_keeps_the_record(step: Step, client: Any, tmp_path: Path):
    """Where artifacts cannot be stored, metrics and the end arrive, and a notice says what is missing."""
    experiment = client.create_experiment(step.experiment, artifact_location="s3://nobody/may/write/here")
    own_files(step)
    step.line(loss=1.0)
    step.end("succeeded")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_ACCESS_KEY_ID": "x",
                            "AWS_SECRET_ACCESS_KEY": "y", "AWS_MAX_ATTEMPTS": "1"}.items():  # fmt: skip
            patch.setenv(name, value)
        assert flush(step, client) == 0
    [run] = client.search_runs([experiment])
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 1.0})
    assert "are not among the artifacts" in run.data.tags[names.NOTICE_PREFIX + "files"]


def test_a_crash_of_the_flusher_doubles_nothing(step: Step, client: Any):
    """Whatever the flusher forgets, the run exists once with each point once."""
    step.line(loss=1.0, step=1)
    flush(step, client)
    # Created, but the answer was lost with the process.
    (step.attempt.folder / spool.SENT).write_text(json.dumps({"creating": step.run}))
    step.line(loss=2.0, step=2)
    flush(step, client)
    # And a half-written memory, which a crash of the machine may leave.
    (step.attempt.folder / spool.SENT).write_text('{"creating": "' + step.run[:10])
    assert Sender(step.attempt.folder, client).sent.doubtful
    step.end("succeeded")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, "loss")] == [(1, 1.0), (2, 2.0)]


def test_one_bad_value_costs_only_itself(step: Step, client: Any):
    """What the server refuses is noted on the run; everything else arrives."""
    step.attempt.append({"e": "params", "run": step.run, "p": {"rate": "0.2", "depth": "3"}})  # rate is 0.1 already
    step.line(loss=1.0)
    step.end("succeeded")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert run.data.params == {"rate": "0.1", "depth": "3"}
    assert "rate" in run.data.tags[names.NOTICE_PREFIX + "params"]
    assert run.data.metrics == {"loss": 1.0}


def test_one_broken_attempt_holds_up_no_other(
    step: Step, client: Any, steps: Callable[[str], Step], mlflow_server: str
):
    """An attempt that cannot be sent is set aside after a few tries, whole; later ones arrive meanwhile."""
    step.attempt.append({"e": "metrics", "run": "unknown", "m": [["a", 1, 1, 1, None]]})
    step.die()
    other = steps(mlflow_server)
    other.end("succeeded")
    flusher = Flusher(step.spool, client)
    assert flusher.sweep() == 1
    [run] = runs(other, client)
    assert run.info.status == "FINISHED"
    for _ in range(GIVE_UP - 1):
        flusher.sweep()
    [aside] = (step.spool / spool.ASIDE).iterdir()
    assert aside.name.startswith(step.attempt.folder.name)
    assert spool.attempts(step.spool) == []


def test_a_living_attempt_is_never_set_aside(step: Step, client: Any):
    """While a step runs its folder stays where it writes."""
    (step.attempt.folder / spool.EVENTS).write_text('{"e": "nonsense"}\n')
    flusher = Flusher(step.spool, client)
    for _ in range(GIVE_UP + 2):
        assert flusher.sweep() == 1


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({"e": "tags", "t": {"note": "NUL \0, half a pair \ud800"}}, id="00 characters no database takes"),
        pytest.param({"e": "params", "p": {"a\0b": "\ud800"}}, id="01 in a parameter"),
        pytest.param({"e": "metrics", "m": [["huge step", 1.0, 1, 2**63, None]]}, id="10 a step beyond 64 bits"),
        pytest.param({"e": "metrics", "m": [["x", 1.0, 2**70, 1, None]]}, id="11 a time beyond 64 bits"),
        pytest.param({"e": "model", "model": "m-1", "name": "a/b", "type": None, "at": 1, "tags": {}, "params": {}},
                     id="20 a model's name that MLflow refuses"),
        pytest.param({"e": "model_final", "model": "unknown", "status": "READY"}, id="21 a model nobody knows"),
        pytest.param({"e": "untag", "k": "never set"}, id="30 a tag that is not there"),
        pytest.param({"e": "tags", "t": {"mlflow.runName": ""}, "x": "y" * 10_000}, id="31 an empty name"),
    ],
)  # fmt: skip
def test_an_odd_value_costs_only_itself(step: Step, client: Any, event: dict[str, Any]):
    """Whatever cannot be sent as it is, the rest of the attempt arrives and says how it ended."""
    step.attempt.append({"run": step.run, **event})
    step.line(loss=1.0)
    step.end("failed", "ValueError: bad byte \0")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert (run.info.status, run.data.metrics["loss"]) == ("FAILED", 1.0)
    assert run.data.tags[names.ERROR] == "ValueError: bad byte \N{REPLACEMENT CHARACTER}"


def test_texts_of_a_killed_attempt_stay_here(step: Step, client: Any):
    """Nobody masked secrets in them: the run says that they are not kept."""
    (step.attempt.folder / spool.TEXTS).write_text('{"at": 1, "values": {"conn": "postgres://u:hunter2@h"}}\n')
    step.die()
    assert flush(step, client) == 0
    [run] = runs(step, client)
    assert "hunter2" not in str(run.data.tags)
    assert "are not kept" in run.data.tags[names.NOTICE_PREFIX + "values"]


def test_a_server_that_is_away_loses_nothing(step: Step, client: Any):
    """While nobody answers everything waits, and arrives in order when the server is back."""
    from mlflow import MlflowClient

    away = MlflowClient(tracking_uri="http://127.0.0.1:9")
    step.line(loss=1.0)
    step.end("succeeded")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with pytest.raises(ServerAwayError):
            Flusher(step.spool, away).sweep()
    assert spool.attempts(step.spool) == [step.attempt.folder]
    assert flush(step, client) == 0
    assert [run.info.status for run in runs(step, client)] == ["FINISHED"]


def test_the_authors_own_calls_land_in_the_run(step: Step, client: Any):
    """MLflow's client, with no word about Skyrail, logs to the attempt's run, without the server's help."""
    step.python("""
        import mlflow
        mlflow.set_experiment("whatever")
        mlflow.log_param("depth", 3)
        mlflow.log_metric("loss", 0.5, step=2)
        mlflow.set_tag("team", "a")
        mlflow.log_text("hello", "notes/x.txt")
        run = mlflow.active_run().info.run_id
        assert mlflow.get_run(run).data.metrics == {"loss": 0.5}
        assert mlflow.artifacts.load_text(f"runs:/{run}/notes/x.txt") == "hello"
        with mlflow.start_run(nested=True):
            mlflow.log_metric("inner", 1)
        mlflow.end_run("FAILED")
    """)
    step.end("succeeded")
    assert flush(step, client) == 0
    attempt, nested = runs(step, client)
    assert attempt.info.status == "FINISHED"
    assert (attempt.data.params, attempt.data.metrics) == ({"rate": "0.1", "depth": "3"}, {"loss": 0.5})
    assert attempt.data.tags["team"] == "a"
    assert [file.path for file in client.list_artifacts(attempt.info.run_id, "notes")] == ["notes/x.txt"]
    assert nested.data.metrics == {"inner": 1.0}
    assert nested.data.tags["mlflow.parentRunId"] == attempt.info.run_id


def test_a_logged_model_survives(step: Step, client: Any, steps: Callable[[str], Step], mlflow_server: str):
    """A model logged in a step loads there, and in a later step by the address it had."""
    address = step.python("""
        import mlflow, mlflow.sklearn
        from sklearn.linear_model import LogisticRegression
        model = LogisticRegression().fit([[0.0], [1.0]], [0, 1])
        info = mlflow.sklearn.log_model(model, name="m", pip_requirements=["scikit-learn"])
        assert list(mlflow.pyfunc.load_model(info.model_uri).predict([[0.0], [1.0]])) == [0, 1]
        print(info.model_uri)
    """).splitlines()[-1]
    step.end("succeeded")
    assert flush(step, client) == 0
    [run] = runs(step, client)
    [output] = run.outputs.model_outputs
    assert client.get_logged_model(output.model_id).source_run_id == run.info.run_id
    later = steps(mlflow_server)
    later.python(f"""
        import mlflow
        assert list(mlflow.sklearn.load_model({address!r}).predict([[1.0]])) == [1]
        assert mlflow.get_run({step.run!r}).info.run_id == {run.info.run_id!r}
    """)
    later.end("succeeded")


def test_a_second_value_of_a_parameter_is_refused(step: Step):
    """As by the server, where the author sees it; so is a model's name that the server would not have."""
    step.python("""
        import mlflow
        mlflow.log_param("a", 1)
        mlflow.log_param("a", 1)
        model = lambda: mlflow.MlflowClient().create_logged_model("x", name="a/b")
        for call in (lambda: mlflow.log_param("a", 2), model):
            try:
                call()
            except mlflow.exceptions.MlflowException as error:
                assert error.error_code == "INVALID_PARAMETER_VALUE", error
            else:
                raise AssertionError("taken")
    """)


def test_a_spool_that_is_gone_does_not_stop_the_author(steps: Callable[[str], Step]):
    """Logging goes on into nothing, with one warning."""
    step = steps("http://127.0.0.1:9")
    shutil.rmtree(step.attempt.folder)
    step.python("""
        import mlflow
        mlflow.log_metric("loss", 1)
        mlflow.log_param("a", 1)
        mlflow.set_tag("t", "v")
    """)


def test_a_spool_with_an_odd_path_is_found(tmp_path: Path, mlflow_server: str):
    """Whatever characters a path has, it survives as an address."""
    step = Step(tmp_path / "a#b ?c%41ü", mlflow_server)
    step.python("import mlflow; mlflow.log_metric('loss', 1)")
    step.die()
    assert "metrics" in (step.attempt.folder / spool.EVENTS).read_text()


def test_logging_needs_no_server(steps: Callable[[str], Step]):
    """With the tracking server away, an author's calls work and are quick to return."""
    step = steps("http://127.0.0.1:9")
    step.python("""
        import mlflow
        mlflow.log_metric("loss", 1)
        mlflow.log_text("x", "x.txt")
        with mlflow.start_run(nested=True):
            mlflow.log_param("p", 1)
    """)
    step.end("succeeded")
    kinds = [event["e"] for event, _ in spool.read_events(step.attempt.folder / spool.EVENTS)]
    assert {"metrics", "run", "params", "run_end", "end"} <= set(kinds)


def test_a_killed_step_keeps_what_it_logged(step: Step, client: Any):
    """A run that the author had open below a killed attempt is closed as killed too."""
    step.python("""
        import os, mlflow
        with mlflow.start_run(nested=False):
            mlflow.log_metric("before", 1)
            with mlflow.start_run(nested=True):
                mlflow.log_metric("inner", 2)
                os._exit(0)
    """)
    step.die()
    assert flush(step, client) == 0
    assert [run.info.status for run in runs(step, client)] == ["KILLED", "KILLED"]
