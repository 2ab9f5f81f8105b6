"""Send every attempt's spool to the MLflow server, for as long as there is something to send.

`python -m skyrail.tracking.flusher` runs beside the workers of one machine; `--once` sends what is there and ends.
While the server is away everything stays on disk, in order, and is tried again with growing pauses.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from skyrail.metrics.registry import ATTEMPTS_RECORDED, FLUSHER_BACKLOG, FLUSHER_ERRORS, gauge, incr
from skyrail.settings import TrackingSettings, load, spool_folder
from skyrail.tracking import spool
from skyrail.tracking.sender import Sender, is_refusal

log = logging.getLogger("skyrail.flusher")

MAX_PAUSE = 15.0
"""Longest pause, in seconds, between two tries of a server that is away."""

GIVE_UP = 5
"""An attempt that fails this often although the server is there is set aside, so that it holds up no other."""


class Flusher:
    """Send all attempts of one spool, oldest first."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder = folder
        self.client = client
        self.senders: dict[str, Sender] = {}
        self.failures: dict[str, int] = {}

    def sweep(self) -> int:
        """Send what is new of every attempt. Return how many attempts are left.

        Raises:
            mlflow.exceptions.MlflowException: the server is away.
        """
        for folder in spool.attempts(self.folder):
            try:
                sender = self.senders.get(folder.name) or Sender(folder, self.client)
                self.senders[folder.name] = sender
                over = sender.advance()
            except Exception as error:
                if _is_away(error):
                    raise
                self._failed(folder, error)
                continue
            if over:
                self._recorded(sender)
        left = spool.attempts(self.folder)
        gauge(FLUSHER_BACKLOG, len(left))
        return len(left)

    def _recorded(self, sender: Sender) -> None:
        self.senders.pop(sender.folder.name, None)
        self.failures.pop(sender.folder.name, None)
        ended = sender.sent.end.get("ended", "killed")
        log.info("Recorded %s of %s: %s", sender.folder.name, sender.experiment, ended)
        incr(ATTEMPTS_RECORDED, dag_id=sender.experiment, ended=ended)

    def _failed(self, folder: Path, error: Exception) -> None:
        count = self.failures[folder.name] = self.failures.get(folder.name, 0) + 1
        self.senders.pop(folder.name, None)  # what it remembers may be what is wrong: read it again from disk
        incr(FLUSHER_ERRORS, reason="attempt")
        log.exception("Could not send %s (try %d of %d)", folder.name, count, GIVE_UP, exc_info=error)
        if count >= GIVE_UP:
            aside = self.folder / ".rejected"
            aside.mkdir(exist_ok=True)
            folder.rename(aside / folder.name)
            log.error("Set aside in %s. Nothing is lost: move it back to try again.", aside / folder.name)


def _is_away(error: Exception) -> bool:
    from mlflow.exceptions import MlflowException

    return isinstance(error, MlflowException | ConnectionError | TimeoutError) and not is_refusal(error)


def _client(settings: TrackingSettings) -> Any:
    # The flusher has its own pauses; MLflow's client would otherwise retry inside one call for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(int(settings.request_seconds)))
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=settings.server, registry_uri=settings.server)


def main(arguments: list[str] | None = None) -> int:
    """Run until told to stop; with `--once`, until everything that is over was sent. Return the exit code."""
    once = "--once" in (sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = load(TrackingSettings)
    folder = spool_folder(settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    flusher = Flusher(folder, _client(settings))
    log.info("Sending %s to %s", folder, settings.server)
    pause = settings.flush_seconds
    while not stopped.is_set():
        try:
            flusher.sweep()
            pause = settings.flush_seconds
        except Exception as error:
            if not _is_away(error):
                raise
            incr(FLUSHER_ERRORS, reason="away")
            pause = min(pause * 2, MAX_PAUSE)
            log.warning(
                "The tracking server does not answer; trying again in %.0f s. Nothing is lost. %s", pause, _line(error)
            )
            if once:
                return 1
        if once:
            return 0
        stopped.wait(pause)
    return 0


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]


if __name__ == "__main__":
    sys.exit(main())
