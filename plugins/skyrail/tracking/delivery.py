"""Say batches and files of one attempt to the MLflow server, so that one bad item costs only itself."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from skyrail.tracking import names, spool
from skyrail.tracking.points import MAX_NAMES, TOO_MANY_NAMES, metric_name
from skyrail.tracking.sent import Sent

log = logging.getLogger(__name__)

BATCH = 1000
"""Points in one request; MLflow takes no more."""

TAGS_BATCH = 100
MAX_TAG = 8000
MAX_PARAM = 6000


@dataclass
class Batch:
    """What is said about one run in one go."""

    points: list[Any] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


class Delivery:
    """Deliver for one attempt, whose own run is `run`. `client` is an `mlflow.MlflowClient` of the server."""

    def __init__(self, folder: Path, run: str, client: Any, sent: Sent) -> None:
        self.folder = folder
        self.run = run
        self.client = client
        self.sent = sent
        self._names: dict[str, dict[str, None]] = {}

    def send(self, batches: dict[str, Batch], events: int | None = None, lines: int | None = None) -> None:
        """Send batches by local run, and remember how far the files have been sent with them.

        Raises:
            mlflow.exceptions.MlflowException: the server is away.
        """
        from mlflow.entities import Metric, Param, RunTag

        for local, batch in batches.items():
            run = self.sent.runs[local]
            points = [
                Metric(key, value, at, step, model_id=self.sent.models.get(model, model))
                for key, value, at, step, model in self._named(local, batch.points)
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
            self.sent.save(self.folder)
        if lines is not None and lines != self.sent.lines:
            self.sent.lines = lines
            self.sent.save(self.folder)

    def _named(self, local: str, points: list[Any]) -> Iterator[Any]:
        """Yield the points of a run's first names, as many as it may have; say so when there are more."""
        seen = self._names.setdefault(local, dict.fromkeys(self.sent.names.get(local, ())))
        known, left_out = len(seen), False
        for point in points:
            name = metric_name(point[0])
            if name not in seen:
                if len(seen) >= MAX_NAMES:
                    left_out = True
                    continue
                seen[name] = None
            yield (name, *point[1:])
        if len(seen) != known:
            self.sent.names[local] = list(seen)
        if left_out and "names" not in self.sent.said:
            self.sent.said.append("names")
            self.notice("names", TOO_MANY_NAMES)

    def _log(self, run: str, **what: list[Any]) -> None:
        """Log one batch; when it is refused, each item alone, so that one bad item costs only itself."""
        [(kind, items)] = what.items()
        try:
            self.client.log_batch(run, **what)
        except Exception as error:
            if not is_refusal(error):
                raise
            if len(items) == 1:
                self.notice(kind, f"The tracking server refused {kind} {items[0].key!r}: {error}")
                return
            for item in items:
                self._log(run, **{kind: [item]})

    def notice(self, topic: str, sentence: str) -> None:
        """Say on the attempt's run what it lacks."""
        log.warning("%s: %s", self.folder.name, sentence)
        text = clean(sentence.partition("\n")[0])[:1000]
        try:
            self.client.set_tag(self.sent.runs[self.run], names.NOTICE_PREFIX + topic, text)
        except Exception as error:
            if not is_refusal(error):
                raise

    def upload(self) -> None:
        """Upload what was logged as artifacts and is not on the server yet."""
        for files in sorted((self.folder / spool.ARTIFACTS).glob("*")):
            run = self.sent.runs.get(files.name)
            content = sorted((str(path), path.stat().st_mtime_ns) for path in files.rglob("*") if path.is_file())
            looks = hashlib.sha256(repr(content).encode()).hexdigest()
            if run and content and self.sent.uploaded.get(files.name) != looks:
                self._upload_own(run, files / names.FILES)
                if any(path.name != names.FILES for path in files.iterdir()):
                    self.client.log_artifacts(run, str(files))
                self.sent.uploaded[files.name] = looks
                self.sent.save(self.folder)

    def _upload_own(self, run: str, files: Path) -> None:
        """Upload what Skyrail itself has written. Where the server takes no artifacts, the record is kept without."""
        if not files.is_dir():
            return
        try:
            self.client.log_artifacts(run, str(files), names.FILES)
        except Exception as error:
            if not is_refusal(error) and not self._answers():
                raise
            self.notice("files", f"Source and environment are not among the artifacts: {error}")
        else:
            shutil.rmtree(files, ignore_errors=True)

    def _answers(self) -> bool:
        try:
            self.client.get_run(self.sent.runs[self.run])
        except Exception:
            return False
        return True


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
