"""Record one attempt of a step, and never stand in its way.

Everything goes to the spool on local disk. Whatever fails here is one warning in the log; the step goes on without
its record.
"""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from skyrail.metrics.registry import CAPTURE_SECONDS, timing
from skyrail.settings import TrackingSettings, load, spool_folder, store_url
from skyrail.steps.artifacts.store import Reference, Store
from skyrail.steps.ending import how_it_ended, run_name
from skyrail.steps.mlflow_client import end_mlflow_runs, give_back, lead
from skyrail.steps.options import StepOptions
from skyrail.steps.provenance import Provenance, place_tags
from skyrail.steps.recording import Recorder
from skyrail.steps.texts import keep_values
from skyrail.tracking import names, spool
from skyrail.tracking.masking import redact
from skyrail.tracking.usage import Usage

log = logging.getLogger(__name__)

MAX_ERROR = 500
"""Characters of an error that are recorded."""


class Capture:
    """The record of one attempt while it runs. Used as a context manager around the step's function."""

    def __init__(
        self,
        function: Callable[..., Any],
        identity: dict[str, str],
        params: dict[str, Any],
        options: StepOptions | None = None,
    ) -> None:
        self.settings = load(TrackingSettings)
        self.options = options or StepOptions()
        self.store = Store(store_url(self.settings), self.settings.store_key_conn_id)
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
        self._provenance: Provenance | None = None
        self._usage: Usage | None = None
        self._pickled: list[str] = []
        self._nowhere: Path | None = None
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
        if self._provenance is not None:
            self._provenance.take_input(name, reference)
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
            self._pickled.append(f"{name} ({reference.summary})")
        return reference

    def note(self, tags: dict[str, str]) -> None:
        """Add tags to the record."""
        if self._provenance is not None:
            self._provenance.take_tags(tags)
        self._event({"e": "tags", "run": self._run, "t": tags})

    def note_params(self, params: dict[str, Any]) -> None:
        """Add parameters to the record, secrets masked."""
        if self._provenance is not None:
            self._event({"e": "params", "run": self._run, "p": self._provenance.take_params(params)})

    def note_environment(self, sha256: str, text: str) -> None:
        """Say that the body runs in an environment of its own: the hash of its lock, and the lock."""
        if self._provenance is not None:
            self._provenance.take_environment(text)
        self.note({names.LOCK_SHA256: sha256})

    def gpus_held(self) -> None:
        """Count the seconds of GPUs from now on: the step has waited for them until here."""
        if self._usage is not None:
            self._usage.gpus_held()

    def bound(self) -> None:
        """Write the version as far as it is known, once all arguments are: a running attempt has one too."""
        if self._provenance is not None and self.attempt is not None:
            with self._overhead("begun"):
                self.note(self._provenance.version_tags(over=False))

    # --- life ---

    def __enter__(self) -> Capture:
        global _current
        _current = self
        with self._overhead("begun"):
            self._usage = Usage()
            self._open()
            self._recorder = Recorder(self._folder, self.options.metrics)  # type: ignore[arg-type]
        with self._overhead("begun"):
            self._environment = lead(self.attempt or self._unrecorded(), self.settings.server)
        return self

    def __exit__(self, _kind: Any, error: BaseException | None, _trace: Any) -> None:
        global _current
        _current = None
        for stage in (self._stop, self._keep_values, self._keep_version):
            with self._overhead("ended"):  # each on its own: what one cannot do does not stop the next
                stage()
        with self._overhead("ended"):
            self.end(*how_it_ended(error))
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if self._nowhere is not None:
            shutil.rmtree(self._nowhere, ignore_errors=True)
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
        used: dict[str, str] = {}
        if self._usage is not None:
            # A container's memory and processor time are the engine's to count, and not this process's.
            used = self._usage.tags(self.options.gpus, own=not self.options.image)
        event = {
            "e": "end",
            "ended": ended,
            "error": redact(message)[:MAX_ERROR],
            "at": spool.now_ms(),
            "tags": {**used, names.CAPTURE_SECONDS: f"{self._spent:.3f}"},
        }
        # Whatever else could not be written: without this one the attempt would look killed.
        try:
            spool.append_event(self._folder, event)
        except OSError as error:
            self._give_up(error)

    def _stop(self) -> None:
        try:
            if self._recorder is not None:
                self._recorder.stop()
            end_mlflow_runs()
        finally:
            give_back(self._environment)

    def _keep_values(self) -> None:
        if self.attempt is not None and (tags := keep_values(self.attempt.folder, self._files)):
            self.note(tags)

    def _keep_version(self) -> None:
        if self.attempt is None or self._provenance is None:
            return
        tags = self._provenance.version_tags(over=True)
        if self._pickled:
            tags[names.NOTICE_PREFIX + "pickle"] = (
                f"Stored as a pickle, which only an environment like this one reads: {', '.join(self._pickled[:5])}."
            )
        self.note(tags)
        self._provenance.write_files(self._files, over=True)

    @property
    def _run(self) -> str:
        return self.attempt.run if self.attempt else ""

    @property
    def _local_id(self) -> str:
        return uuid.UUID(self.identity[names.ATTEMPT_ID]).hex

    @property
    def _files(self) -> Path:
        """Where files of Skyrail's own wait to become artifacts of the run."""
        assert self._folder is not None  # noqa: S101
        return self._folder / spool.ARTIFACTS / self._run / names.FILES

    def _open(self) -> None:
        self._provenance = Provenance(self._function, self.identity, self.options)
        run = self._local_id
        event: spool.Event = {
            "e": "attempt",
            "run": run,
            "experiment": self.identity[names.DAG_ID],
            "server": self.settings.server,
            "name": run_name(self.identity),
            "at": spool.now_ms(),
            "tags": {
                names.KIND: names.ATTEMPT,
                **self.identity,
                **place_tags(self.options),
                "mlflow.user": "airflow",
                **self._provenance.first_tags(),
            },
            "params": self._provenance.take_params(self._params),
        }
        self.attempt, self._lock = spool.open_attempt(spool_folder(self.settings), run, event)
        self._folder = self.attempt.folder
        self._provenance.write_files(self._files, over=False)

    def _unrecorded(self) -> spool.Attempt:
        """Make an attempt that nobody sends. By itself MLflow's client would make a database in the current folder."""
        self._nowhere = Path(tempfile.mkdtemp(prefix="skyrail-unrecorded-"))
        return spool.Attempt(self._nowhere / f"unrecorded-{self._local_id}", self._local_id)

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


_current: Capture | None = None


def current() -> Capture | None:
    """Return the record of the step that runs in this process, or None outside a step."""
    return _current


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
