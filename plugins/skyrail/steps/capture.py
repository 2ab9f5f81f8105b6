"""Record one attempt of a step, and never stand in its way.

Everything goes to the spool on local disk. Whatever fails here is one warning in the log; the step goes on without
its record.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import platform
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from skyrail.metrics.registry import CAPTURE_SECONDS, timing
from skyrail.settings import TrackingSettings, airflow_home, load, spool_folder, store_url
from skyrail.steps.artifacts.store import Reference, Store
from skyrail.steps.options import StepOptions
from skyrail.steps.recording import Recorder
from skyrail.tracking import names, spool
from skyrail.tracking.points import understand
from skyrail.tracking.version import GitState, environment_sha256, source_sha256

log = logging.getLogger(__name__)

MAX_VALUE = 500
"""Characters of a parameter that are recorded; a longer one is cut, and its end marked."""


class Capture:
    """The record of one attempt while it runs. Used as a context manager around the step's function."""

    def __init__(
        self,
        function: Callable[..., Any],
        identity: dict[str, str],
        params: dict[str, Any],
        options: StepOptions | None = None,
    ) -> None:
        self.options = options or StepOptions()
        self.settings = load(TrackingSettings)
        self.store = Store(store_url(self.settings))
        self.identity = identity
        self.inputs: list[tuple[Any, Reference]] = []
        """Each object that was read from the store, with its reference: the lineage of what is made from it."""
        self.attempt: spool.Attempt | None = None
        """None while there is no record: before the start, or because it cannot be written."""
        self._folder: Path | None = None
        self._function = function
        self._params = params
        self._lock: IO[bytes] | None = None
        self._recorder: Recorder | None = None
        self._environment: dict[str, str | None] = {}
        self._spent = 0.0
        self._gave_up = False

    @property
    def made_by(self) -> str:
        """The attempt in words: `dag/run/task/map index/try`."""
        parts = (names.DAG_ID, names.RUN_ID, names.TASK_ID, names.MAP_INDEX, names.TRY_NUMBER)
        return "/".join(self.identity[part] for part in parts)

    # --- the step's values ---

    def get(self, name: str, reference: Reference) -> Any:
        """Read an input and note it."""
        value = self.store.get(reference)
        self.inputs.append((value, reference))
        self.note_input(name, reference)
        return value

    def note_input(self, name: str, reference: Reference) -> None:
        """Note an input that another process reads."""
        self.note({names.INPUT_PREFIX + name: _short(reference)})

    def put(self, name: str, value: Any) -> Reference:
        """Write an output and note it."""
        reference = self.store.put(value, made_by=self.made_by, attempt=self.identity[names.ATTEMPT_ID])
        return self._note_output(name, reference)

    def keep(self, name: str, file: IO[bytes], *, form: str, summary: str) -> Reference:
        """Store an output that another process wrote, and note it. `form` is the name of its format."""
        attempt = self.identity[names.ATTEMPT_ID]
        reference = self.store.keep(file, form=form, summary=summary, made_by=self.made_by, attempt=attempt)
        return self._note_output(name, reference)

    def _note_output(self, name: str, reference: Reference) -> Reference:
        self.note({names.OUTPUT_PREFIX + name: _short(reference)})
        if reference.format == "pickle":
            log.info("The result %s (%s) is stored as a pickle.", name, reference.summary)
        return reference

    def note(self, tags: dict[str, str]) -> None:
        """Add tags to the record."""
        self._event({"e": "tags", "run": self._run, "t": tags})

    def note_params(self, params: dict[str, Any]) -> None:
        """Add parameters to the record, secrets masked."""
        self._event({"e": "params", "run": self._run, "p": _masked(params)})

    # --- life ---

    def __enter__(self) -> Capture:
        global _current
        _current = self
        with self._overhead("begun"):
            self._open()
            self._recorder = Recorder(self.attempt.folder)  # type: ignore[union-attr]
            self._set_environment()
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        global _current
        _current = None
        with self._overhead("ended"):
            if self._recorder is not None:
                self._recorder.stop()
            _end_mlflow_runs()
            self._restore_environment()
            self._keep_texts()
            ended, message = how_it_ended(error)
            self.end(ended, message)
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        with contextlib.suppress(Exception):
            timing(
                CAPTURE_SECONDS,
                self._spent,
                dag_id=self.identity[names.DAG_ID],
                task_id=self.identity[names.TASK_ID],
            )

    def end(self, ended: names.Ended, message: str = "") -> None:
        """Write how the attempt ended; the last word before the process is gone is what counts."""
        if self._folder is None:
            return
        event = {
            "e": "end",
            "ended": ended,
            "error": _redact(message)[:MAX_VALUE],
            "at": spool.now_ms(),
            "tags": {names.CAPTURE_SECONDS: f"{self._spent:.3f}"},
        }
        # Whatever else could not be written: without this one the attempt would look killed.
        try:
            spool.append_event(self._folder, event)
        except OSError as error:
            self._give_up(error)

    def _keep_texts(self) -> None:
        """Add the texts and lists of the metric lines to the record: here, where secrets are known and masked."""
        if self.attempt is None:
            return
        values: dict[str, Any] = {}
        for line, _ in spool.read_events(self.attempt.folder / spool.TEXTS):
            values.update(understand(line["values"]).values)
        if values:
            self.note({names.VALUE_PREFIX + name: json.dumps(_redact(value, name)) for name, value in values.items()})

    @property
    def _run(self) -> str:
        return self.attempt.run if self.attempt else ""

    def _open(self) -> None:
        file = inspect.getsourcefile(inspect.unwrap(self._function)) or "."
        git = GitState(Path(file).resolve().parent)
        run = uuid.UUID(self.identity[names.ATTEMPT_ID]).hex
        tags = {
            names.KIND: names.ATTEMPT,
            **self.identity,
            names.SOURCE_SHA256: source_sha256(self._function),
            names.ENVIRONMENT_SHA256: environment_sha256(airflow_home() / "cache"),
            names.PYTHON: platform.python_version(),
            "mlflow.source.name": f"{Path(file).name}:{self._function.__name__}",
            "mlflow.source.type": "JOB",
            "mlflow.user": "airflow",
        }
        code = git.read()
        tags[names.COMMIT], tags[names.DIRTY] = code.commit, str(code.dirty).lower()
        if code.commit:
            tags["mlflow.source.git.commit"] = code.commit
        event: spool.Event = {
            "e": "attempt",
            "run": run,
            "experiment": self.identity[names.DAG_ID],
            "server": self.settings.server,
            "name": run_name(self.identity),
            "at": spool.now_ms(),
            "tags": tags,
            "params": _masked(self._params),
        }
        self.attempt, self._lock = spool.open_attempt(spool_folder(self.settings), run, event)
        self._folder = self.attempt.folder

    def _set_environment(self) -> None:
        """Lead MLflow's client, here and in child processes, to the spool."""
        assert self.attempt is not None  # noqa: S101
        values = {
            "MLFLOW_TRACKING_URI": self.attempt.tracking_uri,
            "MLFLOW_REGISTRY_URI": self.settings.server,
            "MLFLOW_RUN_ID": self.attempt.run,
            "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        }
        self._environment = {name: os.environ.get(name) for name in values}
        os.environ.update(values)

    def _restore_environment(self) -> None:
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def _event(self, event: spool.Event) -> None:
        if self.attempt is None:
            return
        try:
            self.attempt.append(event)
        except OSError as error:
            self._give_up(error)

    @contextlib.contextmanager
    def _overhead(self, moment: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        except Exception as error:
            log.debug("Recording could not be %s", moment, exc_info=True)
            self._give_up(error)
        finally:
            self._spent += time.monotonic() - started

    def _give_up(self, error: Exception) -> None:
        """Go on without a record, saying so once."""
        if self._gave_up:
            return
        self._gave_up = True
        self.attempt = None
        log.warning(
            "This attempt is not recorded from here on: %s. The step itself goes on. Check the disk and the rights of "
            "the spool (%s).",
            error,
            spool_folder(self.settings),
        )


def _end_mlflow_runs() -> None:
    """End what the author left active in MLflow's client, while it still knows the spool.

    At the end of the process it would do so itself, and make a database in the current folder to look for the run in.
    """
    mlflow = sys.modules.get("mlflow")
    for _ in range(100):
        if mlflow is None or mlflow.active_run() is None:
            return
        mlflow.end_run()


_current: Capture | None = None


def current() -> Capture | None:
    """Return the record of the step that runs in this process, or None outside a step."""
    return _current


def how_it_ended(error: BaseException | None) -> tuple[names.Ended, str]:
    """Say how an attempt ended by what its function raised."""
    if error is None:
        return "succeeded", ""
    # By name: importing Airflow's exceptions costs a second where nothing else has loaded them.
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "AirflowSkipException" in kinds:
        return "skipped", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "killed", "Interrupted."
    if "AirflowTaskTimeout" in kinds:
        return "failed", "Took longer than its execution_timeout."
    first_line = str(error).strip().partition("\n")[0]
    return "failed", f"{type(error).__name__}: {first_line}" if first_line else type(error).__name__


def run_name(identity: dict[str, str]) -> str:
    """Return the name of an attempt's MLflow run: the task, the date it is for, and what tells it apart."""
    name = identity[names.TASK_ID]
    if identity[names.MAP_INDEX] != "-1":
        name += f"[{identity[names.MAP_INDEX]}]"
    if date := identity[names.LOGICAL_DATE]:
        name += f" {date[:10]}"
    if identity[names.TRY_NUMBER] != "1":
        name += f" (try {identity[names.TRY_NUMBER]})"
    return name


def _short(reference: Reference) -> str:
    return json.dumps({
        "uri": reference.uri,
        "sha256": reference.sha256,
        "bytes": reference.bytes,
        "format": reference.format,
        "summary": reference.summary,
        "made_by": reference.made_by,
        "attempt": reference.attempt,
    })  # fmt: skip


def _masked(params: dict[str, Any]) -> dict[str, str]:
    return {name: _text(_redact(value, name)) for name, value in params.items()}


def _redact(value: Any, name: str | None = None) -> Any:
    from airflow.sdk.log import redact

    return redact(value, name)


def _text(value: Any) -> str:
    if isinstance(value, str):
        text = value
    else:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            text = repr(value)
    return text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + "…"
