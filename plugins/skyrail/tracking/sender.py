"""Send one attempt's spool to the MLflow server, as far as it goes, and remember how far.

Sending again what may have arrived already is harmless: MLflow keeps equal points, parameters and tags once, and a
run is looked up by its local id before it is created a second time. So a crash at any moment loses and doubles nothing.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from skyrail.tracking import names, spool
from skyrail.tracking.delivery import BATCH, MAX_TAG, Batch, Delivery, clean, is_refusal
from skyrail.tracking.points import understand
from skyrail.tracking.sent import Sent
from skyrail.tracking.version_key import results

TURN = 20
"""Full batches after which another attempt has its turn: one that logs a million points must not hold up the rest."""

STATUS = {"succeeded": "FINISHED", "skipped": "FINISHED", "failed": "FAILED", "killed": "KILLED"}
"""MLflow's status for each way an attempt can end."""

KILLED = {
    "ended": "killed",
    "error": "The process disappeared without a word: it was killed, most often because memory ran out, or it left "
    "by os._exit.",
}


class Sender:
    """Send one attempt. `client` is an `mlflow.MlflowClient` of the server."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder = folder
        self.client = client
        self.run = folder.name.partition("-")[2]
        first, _ = next(spool.read_events(folder / spool.EVENTS), ({}, 0))
        self.experiment: str = first["experiment"]  # KeyError: not an attempt's folder
        self.sent = Sent.load(folder)
        self.delivery = Delivery(folder, self.run, client, self.sent)
        self.more = False
        """Whether the last turn ended before all was sent."""

    def advance(self) -> bool:
        """Send what is new. Return True when the attempt is over, complete, and its folder removed.

        Raises:
            mlflow.exceptions.MlflowException: the server is away, or refused something as a whole.
        """
        # Asked before reading: what was written before the process ended is then surely read.
        over = not spool.is_alive(self.folder) and not spool.is_recording(self.folder)
        self.more = not (self._send_events() and self._send_lines())
        if self.more or not over:
            return False
        self._finish()
        spool.remove(self.folder)
        return True

    # --- reading ---

    def _send_events(self) -> bool:
        """Send new events; False when the turn ended before they did."""
        batches: dict[str, Batch] = {}
        turn = 0
        offset = self.sent.events
        for event, offset in spool.read_events(self.folder / spool.EVENTS, self.sent.events):
            kind = event["e"]
            if event.get("run") in self.sent.refused or event.get("model") in self.sent.refused:
                continue
            if kind in ("metrics", "params", "tags"):
                batch = batches.setdefault(event["run"], Batch())
                batch.points += [tuple(point) for point in event.get("m", [])]
                batch.params.update(event.get("p", {}))
                batch.tags.update(event.get("t", {}))
                if len(batch.points) >= BATCH:
                    self.delivery.send(batches, events=offset)
                    turn += 1
                    if turn == TURN:
                        return False
                continue
            self.delivery.send(batches, events=self.sent.events)
            self._take(kind, event)
            self.sent.events = offset
            self.sent.save(self.folder)
        self.delivery.send(batches, events=offset)
        return True

    def _send_lines(self) -> bool:
        """Send new metric lines; False when the turn ended before they did."""
        batch = Batch()
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
                self.delivery.send({self.run: batch}, lines=offset)
                batch = Batch()
                turn += 1
                if turn == TURN:
                    return False
        self.delivery.send({self.run: batch}, lines=offset)
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
            self.delivery.notice(kind, f"The tracking server refused a {kind}: {error}")

    def _on_attempt(self, event: spool.Event) -> None:
        tags = {**event["tags"], names.ENDED: "running"}
        self._create_run(self.run, event["experiment"], event["at"], event["name"], tags)
        self.delivery.send({self.run: Batch(params=event["params"])})

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
                self.sent.names[local] = list(found[0].data.metrics)
                return
        self._announce(local)
        given = {clean(key): clean(value)[:MAX_TAG] for key, value in {**tags, names.LOCAL_ID: local}.items()}
        created = self.client.create_run(experiment_id, start_time=at, run_name=clean(name), tags=given)
        self.sent.runs[local] = created.info.run_id
        self.sent.save(self.folder)

    def _announce(self, local: str) -> None:
        self.sent.creating = local
        self.sent.save(self.folder)

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

    def _finish(self) -> None:
        written = (self.folder / name for name in (spool.LOCK, spool.EVENTS, spool.LINES))
        last_change = max(path.stat().st_mtime for path in written if path.exists())
        end = {**KILLED, "at": int(last_change * 1000), **self.sent.end}
        status = STATUS[end["ended"]]
        self.delivery.upload()
        for local in self.sent.open_runs:
            self.client.set_terminated(self.sent.runs[local], status, end["at"])
        if not self.sent.end and (self.folder / spool.TEXTS).exists() and (self.folder / spool.TEXTS).stat().st_size:
            self.delivery.notice(
                "values", "Texts and lists of a killed attempt are not kept: nobody masked secrets in them."
            )
        tags = {names.ENDED: end["ended"], names.ERROR: end.get("error", ""), **end.get("tags", {})}
        started = int(self.folder.name.partition("-")[0])
        tags[names.SECONDS] = f"{(end['at'] - started) / 1000:.3f}"
        run = self.client.get_run(self.sent.runs[self.run])
        tags.update(results(_outputs(run.data.tags), run.data.metrics))
        self.delivery.send({self.run: Batch(tags=tags)})
        self.client.set_terminated(self.sent.runs[self.run], status, end["at"])


def _outputs(tags: dict[str, str]) -> dict[str, str]:
    """Return the hash of each output that a run's tags refer to."""
    found: dict[str, str] = {}
    for name, text in tags.items():
        if name.startswith(names.OUTPUT_PREFIX):
            with contextlib.suppress(ValueError, KeyError, TypeError):  # cut, or written by the author
                found[name] = json.loads(text)["sha256"]
    return found
