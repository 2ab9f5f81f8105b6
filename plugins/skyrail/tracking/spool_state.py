"""What an attempt's spool says so far: its events and metric lines, folded."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from skyrail.tracking import spool
from skyrail.tracking.points import understand


@dataclass
class RunState:
    """One run of the attempt: its own, or one that the author opened below it."""

    name: str
    start: int
    tags: dict[str, str]
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[list[Any]]] = field(default_factory=dict)
    """Points in the order of arrival: value, milliseconds, step."""
    status: str = "RUNNING"
    end: int | None = None


class SpoolState:
    """Fold an attempt's files, and go on where it stopped when they grow."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = ""
        self.experiment = ""
        self.server = ""
        self.runs: dict[str, RunState] = {}
        self.models: dict[str, dict[str, Any]] = {}
        self._offsets = {spool.EVENTS: 0, spool.LINES: 0}

    def refresh(self) -> None:
        """Take up what was added since the last call."""
        for event, offset in spool.read_events(self.folder / spool.EVENTS, self._offsets[spool.EVENTS]):
            self._offsets[spool.EVENTS] = offset
            self.take(event)
        for line, offset in spool.read_events(self.folder / spool.LINES, self._offsets[spool.LINES]):
            self._offsets[spool.LINES] = offset
            if "values" in line:
                understood = understand(line["values"])
                for name, value in understood.numbers.items():
                    point = [value, line["at"], understood.step]
                    self.runs[self.run].metrics.setdefault(name, []).append(point)

    def take(self, event: spool.Event) -> None:
        """Fold one event. One about a run or model that is not this attempt's changes nothing."""
        with contextlib.suppress(KeyError):
            getattr(self, f"_on_{event['e']}", _ignore)(event)

    def _on_attempt(self, event: spool.Event) -> None:
        self.run, self.experiment, self.server = event["run"], event["experiment"], event["server"]
        self.runs[self.run] = RunState(event["name"], event["at"], dict(event["tags"]), dict(event["params"]))

    def _on_run(self, event: spool.Event) -> None:
        self.runs[event["run"]] = RunState(event["name"], event["at"], dict(event["tags"]))

    def _on_metrics(self, event: spool.Event) -> None:
        for key, value, timestamp, step, _model in event["m"]:
            self.runs[event["run"]].metrics.setdefault(key, []).append([value, timestamp, step])

    def _on_params(self, event: spool.Event) -> None:
        self.runs[event["run"]].params.update(event["p"])

    def _on_tags(self, event: spool.Event) -> None:
        self.runs[event["run"]].tags.update(event["t"])

    def _on_untag(self, event: spool.Event) -> None:
        self.runs[event["run"]].tags.pop(event["k"], None)

    def _on_run_end(self, event: spool.Event) -> None:
        run = self.runs[event["run"]]
        run.status, run.end = event["status"], event["at"]

    def _on_model(self, event: spool.Event) -> None:
        self.models[event["model"]] = dict(event)

    def _on_model_tags(self, event: spool.Event) -> None:
        self.models[event["model"]]["tags"].update(event["t"])

    def _on_model_params(self, event: spool.Event) -> None:
        self.models[event["model"]]["params"].update(event["p"])

    def _on_model_final(self, event: spool.Event) -> None:
        self.models[event["model"]]["status"] = event["status"]


def _ignore(event: spool.Event) -> None:
    """Pass over an event that changes nothing here."""
