"""Send one attempt's spool to the MLflow server, as far as it goes, and remember how far.

Sending again what may have arrived already is harmless: MLflow keeps equal points, parameters and tags once, and a
run is looked up by its local id before it is created a second time. So a crash at any moment loses and doubles nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from skyrail.tracking import names, spool
from skyrail.tracking.points import metric_name, understand

log = logging.getLogger(__name__)

BATCH = 1000
"""Points in one request; MLflow takes no more."""

TURN = 20
"""Full batches after which another attempt has its turn: one that logs a million points must not hold up the rest."""

TAGS_BATCH = 100
MAX_TAG = 8000
MAX_PARAM = 6000

STATUS = {"succeeded": "FINISHED", "skipped": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
"""MLflow's status for each way an attempt can end."""

KILLED = {
    "ended": "killed",
    "error": "The process disappeared without a word: it was killed, most often because memory ran out, or it left "
    "by os._exit.",
}

DOUBT_SECONDS = 30.0
"""An attempt that is older than this and has no memory of being sent may have lost it: the server is asked first."""


@dataclass
class Sent:
    """How far an attempt has been sent; kept in its folder as `sent.json`."""

    events: int = 0
    lines: int = 0
    runs: dict[str, str] = field(default_factory=dict)
    """The server's id of each local run."""
    models: dict[str, str] = field(default_factory=dict)
    creating: str = ""
    """Local id of a run or model that may or may not exist on the server already."""
    open_runs: list[str] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)
    """What each run's folder of artifacts looked like when it was sent."""
    refused: list[str] = field(default_factory=list)
    """Local ids of runs and models that the server would not have; what belongs to them is passed over."""
    doubtful: bool = False
    """Whether an earlier memory was lost, so that anything may exist on the server already."""
    end: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Batch:
    points: list[Any] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Sender:
    """Send one attempt. `client` is an `mlflow.MlflowClient` of the server."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder = folder
        self.client = client
        self.run = folder.name.partition("-")[2]
        first, _ = next(spool.read_events(folder / spool.EVENTS), ({}, 0))
        self.experiment: str = first["experiment"]  # KeyError: not an attempt's folder
        self.sent = self._load()

    def advance(self) -> bool:
        """Send what is new. Return True when the attempt is over, complete, and its folder removed.

        Raises:
            mlflow.exceptions.MlflowException: the server is away, or refused something as a whole.
        """
        # Asked before reading: what was written before the process ended is then surely read.
        over = not spool.is_alive(self.folder) and not spool.is_recording(self.folder)
        complete = self._send_events() and self._send_lines()
        if not (over and complete):
            return False
        self._finish()
        spool.remove(self.folder)
        return True

    # --- reading ---

    def _send_events(self) -> bool:
        """Send new events; False when the turn ended before they did."""
        batches: dict[str, _Batch] = {}
        turn = 0
        offset = self.sent.events
        for event, offset in spool.read_events(self.folder / spool.EVENTS, self.sent.events):
            kind = event["e"]
            if event.get("run") in self.sent.refused or event.get("model") in self.sent.refused:
                continue
            if kind in ("metrics", "params", "tags"):
                batch = batches.setdefault(event["run"], _Batch())
                batch.points += [tuple(point) for point in event.get("m", [])]
                batch.params.update(event.get("p", {}))
                batch.tags.update(event.get("t", {}))
                if len(batch.points) >= BATCH:
                    self._send_batches(batches, events=offset)
                    turn += 1
                    if turn == TURN:
                        return False
                continue
            self._send_batches(batches, events=self.sent.events)
            self._take(kind, event)
            self.sent.events = offset
            self._save()
        self._send_batches(batches, events=offset)
        return True

    def _send_lines(self) -> bool:
        """Send new metric lines; False when the turn ended before they did."""
        batch = _Batch()
        turn = 0
        offset = self.sent.lines
        for line, offset in spool.read_events(self.folder / spool.LINES, self.sent.lines):
            if "too_long" in line:
                batch.tags[names.NOTICE_PREFIX + "lines"] = (
                    f"{line['too_long']} lines of the log were longer than 1 MiB and were not looked at for metrics."
                )
                continue
            understood = understand(line["values"])
            batch.points += [
                (name, value, line["at"], understood.step, None) for name, value in understood.numbers.items()
            ]
            # Other values than numbers come from the step, which masks secrets in them.
            if len(batch.points) >= BATCH:
                self._send_batches({self.run: batch}, lines=offset)
                batch = _Batch()
                turn += 1
                if turn == TURN:
                    return False
        self._send_batches({self.run: batch}, lines=offset)
        return True

    # --- events ---

    def _take(self, kind: str, event: spool.Event) -> None:
        """Act on one event. If the server refuses it, that costs the run or model it is about, and nothing else."""
        if kind == "attempt":  # without its run there is nothing to note a refusal on
            self._on_attempt(event)
            return
        try:
            getattr(self, f"_on_{kind}")(event)
        except Exception as error:
            if not is_refusal(error):
                raise
            if kind in ("run", "model"):
                self.sent.refused.append(event[kind])
            self._notice(kind, f"The tracking server refused a {kind}: {error}")

    def _on_attempt(self, event: spool.Event) -> None:
        tags = {**event["tags"], names.ENDED: "running"}
        self._create_run(self.run, event["experiment"], event["at"], event["name"], tags)
        self._send_batches({self.run: _Batch(params=event["params"])})

    def _on_run(self, event: spool.Event) -> None:
        tags = dict(event["tags"])
        if parent := self.sent.runs.get(tags.get("mlflow.parentRunId", "")):
            tags["mlflow.parentRunId"] = parent
        self._create_run(event["run"], self.experiment, event["at"], event["name"], tags)
        self.sent.open_runs.append(event["run"])

    def _on_run_end(self, event: spool.Event) -> None:
        self.client.set_terminated(self.sent.runs[event["run"]], event["status"], event["at"])
        if event["run"] in self.sent.open_runs:
            self.sent.open_runs.remove(event["run"])

    def _on_untag(self, event: spool.Event) -> None:
        self.client.delete_tag(self.sent.runs[event["run"]], event["k"])

    def _on_inputs(self, event: spool.Event) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelInput

        datasets = [
            DatasetInput(Dataset(**given["dataset"]), [InputTag(key, value) for key, value in given["tags"].items()])
            for given in event["datasets"]
        ]
        models = [LoggedModelInput(self.sent.models.get(model, model)) for model in event["models"]]
        self.client.log_inputs(self.sent.runs[event["run"]], datasets, models or None)

    def _on_outputs(self, event: spool.Event) -> None:
        from mlflow.entities import LoggedModelOutput

        models = [LoggedModelOutput(self.sent.models.get(model, model), step) for model, step in event["models"]]
        self.client.log_outputs(self.sent.runs[event["run"]], models)

    def _on_model(self, event: spool.Event) -> None:
        local = event["model"]
        run = self.sent.runs.get(event["run"], event["run"])
        experiment = self.client.get_run(self.sent.runs[self.run]).info.experiment_id
        if self.sent.doubtful or self.sent.creating == local:
            found = self.client.search_logged_models(
                [experiment], filter_string=f"tags.`{names.LOCAL_ID}` = '{local}'", max_results=1
            )
            if found:
                self.sent.models[local] = found[0].model_id
                return
        self._announce(local)
        created = self.client.create_logged_model(
            experiment,
            name=event["name"],
            source_run_id=run,
            tags={**event["tags"], names.LOCAL_ID: local},
            params=event["params"],
            model_type=event["type"],
        )
        self.sent.models[local] = created.model_id

    def _on_model_tags(self, event: spool.Event) -> None:
        self.client.set_logged_model_tags(self.sent.models[event["model"]], event["t"])

    def _on_model_params(self, event: spool.Event) -> None:
        self.client.log_model_params(self.sent.models[event["model"]], event["p"])

    def _on_model_final(self, event: spool.Event) -> None:
        model = self.sent.models[event["model"]]
        files = self.folder / spool.MODELS / event["model"]
        if files.is_dir():
            self.client.log_model_artifacts(model, str(files))
        self.client.finalize_logged_model(model, event["status"])

    def _on_end(self, event: spool.Event) -> None:
        self.sent.end = event

    # --- sending ---

    def _create_run(self, local: str, experiment: str, at: int, name: str, tags: dict[str, str]) -> None:
        if local in self.sent.runs:
            return
        experiment_id = self._experiment(experiment)
        if self.sent.doubtful or self.sent.creating == local:
            found = self.client.search_runs([experiment_id], f"tags.`{names.LOCAL_ID}` = '{local}'", max_results=1)
            if found:
                self.sent.runs[local] = found[0].info.run_id
                return
        self._announce(local)
        given = {clean(key): clean(value)[:MAX_TAG] for key, value in {**tags, names.LOCAL_ID: local}.items()}
        created = self.client.create_run(experiment_id, start_time=at, run_name=clean(name), tags=given)
        self.sent.runs[local] = created.info.run_id
        self._save()

    def _announce(self, local: str) -> None:
        self.sent.creating = local
        self._save()

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            try:
                return self.client.create_experiment(name)
            except Exception:  # another flusher was faster
                found = self.client.get_experiment_by_name(name)
                if found is None:
                    raise
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _send_batches(self, batches: dict[str, _Batch], events: int | None = None, lines: int | None = None) -> None:
        from mlflow.entities import Metric, Param, RunTag

        for local, batch in batches.items():
            run = self.sent.runs[local]
            points = [
                Metric(metric_name(key), value, at, step, model_id=self.sent.models.get(model, model))
                for key, value, at, step, model in batch.points
            ]
            params = [Param(metric_name(key), clean(value)[:MAX_PARAM]) for key, value in batch.params.items()]
            tags = [RunTag(clean(key)[:250], clean(value)[:MAX_TAG]) for key, value in batch.tags.items()]
            for group in _groups(points, BATCH):
                self._log(run, metrics=group)
            for group in _groups(params, TAGS_BATCH):
                self._log(run, params=group)
            for group in _groups(tags, TAGS_BATCH):
                self._log(run, tags=group)
        batches.clear()
        if events is not None and events != self.sent.events:
            self.sent.events = events
            self._save()
        if lines is not None and lines != self.sent.lines:
            self.sent.lines = lines
            self._save()

    def _log(self, run: str, **what: list[Any]) -> None:
        """Log one batch; when it is refused, each item alone, so that one bad item costs only itself."""
        [(kind, items)] = what.items()
        try:
            self.client.log_batch(run, **what)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(items) == 1:
                self._notice(kind, f"The tracking server refused {kind} {items[0].key!r}: {error}")
                return
            for item in items:
                self._log(run, **{kind: [item]})

    def _notice(self, topic: str, sentence: str) -> None:
        """Say on the attempt's run what it lacks."""
        log.warning("%s of %s: %s", self.folder.name, self.experiment, sentence)
        text = clean(sentence.partition("\n")[0])[:1000]
        try:
            self.client.set_tag(self.sent.runs[self.run], names.NOTICE_PREFIX + topic, text)
        except Exception as error:
            if not is_refusal(error):
                raise

    def _upload(self) -> None:
        """Upload what was logged as artifacts and is not on the server yet."""
        for files in sorted((self.folder / spool.ARTIFACTS).glob("*")):
            run = self.sent.runs.get(files.name)
            content = sorted((str(path), path.stat().st_mtime_ns) for path in files.rglob("*") if path.is_file())
            looks = hashlib.sha256(repr(content).encode()).hexdigest()
            if run and content and self.sent.uploaded.get(files.name) != looks:
                self.client.log_artifacts(run, str(files))
                self.sent.uploaded[files.name] = looks
                self._save()

    def _finish(self) -> None:
        written = (self.folder / name for name in (spool.LOCK, spool.EVENTS, spool.LINES))
        last_change = max(path.stat().st_mtime for path in written if path.exists())
        end = {**KILLED, "at": int(last_change * 1000), **self.sent.end}
        status = STATUS[end["ended"]]
        self._upload()
        for local in self.sent.open_runs:
            self.client.set_terminated(self.sent.runs[local], status, end["at"])
        if not self.sent.end and (self.folder / spool.TEXTS).exists() and (self.folder / spool.TEXTS).stat().st_size:
            self._notice("values", "Texts and lists of a killed attempt are not kept: nobody masked secrets in them.")
        tags = {names.ENDED: end["ended"], names.ERROR: end.get("error", ""), **end.get("tags", {})}
        started = int(self.folder.name.partition("-")[0])
        tags[names.SECONDS] = f"{(end['at'] - started) / 1000:.3f}"
        self._send_batches({self.run: _Batch(tags=tags)})
        self.client.set_terminated(self.sent.runs[self.run], status, end["at"])

    # --- memory ---

    def _load(self) -> Sent:
        try:
            return Sent(**json.loads((self.folder / spool.SENT).read_bytes()))
        except FileNotFoundError:
            age = time.time() - int(self.folder.name.partition("-")[0]) / 1000
            return Sent(doubtful=age > DOUBT_SECONDS)
        except (ValueError, TypeError):
            return Sent(doubtful=True)

    def _save(self) -> None:
        temporary = self.folder / f"{spool.SENT}.new"
        temporary.write_text(json.dumps(asdict(self.sent)))
        temporary.replace(self.folder / spool.SENT)


def is_refusal(error: Exception) -> bool:
    """Tell whether the server understood and refused, so that sending the same again is useless."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, ValueError | RecursionError | KeyError):  # it cannot even be said to a server
        return True
    if not isinstance(error, MlflowException):
        return False
    status = error.get_http_status_code()
    return 400 <= status < 500 and status not in (401, 403, 408, 429)


def clean(text: str) -> str:
    """Replace what no database takes: the character NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _groups(items: list[Any], size: int) -> Iterator[list[Any]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
