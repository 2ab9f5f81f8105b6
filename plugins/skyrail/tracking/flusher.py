"""Send every attempt's spool to the MLflow server, for as long as there is something to send.

`python -m skyrail.tracking.flusher` runs beside the workers of one machine; `--once` sends what is there and ends.
With `--drain`, for the side of a pod, it sends what is left when it is told to stop, as long as the pod lets it.
While the server is away everything stays on disk, in order, and is tried again with growing pauses.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

from skyrail.metrics.registry import ATTEMPTS_RECORDED, FLUSHER_BACKLOG, FLUSHER_ERRORS, gauge, incr
from skyrail.notifications import notify
from skyrail.settings import TrackingSettings, load, spool_folder
from skyrail.tracking import names, spool
from skyrail.tracking.delivery import clean, is_refusal
from skyrail.tracking.sender import Sender

log = logging.getLogger("skyrail.flusher")

LOCK = ".flusher"
"""File in the spool that the one flusher at work holds locked; its time is the flusher's last sign of life."""

MAX_PAUSE = 15.0
"""Longest pause, in seconds, between two tries of a server that is away."""

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS)
"""Errors that are the disk's, and no attempt's."""

GIVE_UP = 5
"""An attempt that fails this often although the server is there is set aside, so that it holds up no other."""


class Flusher:
    """Send all attempts of one spool, oldest first."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder = folder
        self.client = client
        self.senders: dict[str, Sender] = {}
        self.failures: dict[str, int] = {}
        self.more = False
        """Whether the last sweep left something because it was another attempt's turn."""

    def sweep(self) -> int:
        """Send what is new of every attempt. Return how many attempts are left.

        Raises:
            ServerAwayError: the server does not answer.
            OSError: the disk of the spool is full or broken.
        """
        spool.sweep(self.folder)
        self.more = False
        mark(self.folder)
        for folder in spool.attempts(self.folder):
            mark(self.folder)
            try:
                sender = self.senders.get(folder.name) or Sender(folder, self.client)
                self.senders[folder.name] = sender
                over = sender.advance()
            except Exception as error:
                if isinstance(error, OSError) and error.errno in DISK:
                    raise
                if not is_refusal(error) and not self.answers():
                    raise ServerAwayError(str(error).partition("\n")[0][:300]) from error
                self._failed(folder, error)
            else:
                self.more = self.more or sender.more
                if over:
                    self._recorded(sender)
        left = spool.attempts(self.folder)
        gauge(FLUSHER_BACKLOG, len(left))
        return len(left)

    def answers(self) -> bool:
        """Tell whether the server is there, so that a failure is about what was sent."""
        try:
            self.client.search_experiments(max_results=1)
        except Exception:
            return False
        return True

    def _recorded(self, sender: Sender) -> None:
        self.senders.pop(sender.folder.name, None)
        self.failures.pop(sender.folder.name, None)
        ended = sender.sent.end.get("ended", "killed")
        log.info("Recorded %s of %s: %s", sender.folder.name, sender.experiment, ended)
        incr(ATTEMPTS_RECORDED, dag_id=sender.experiment, ended=ended)

    def _failed(self, folder: Path, error: Exception) -> None:
        """Note a failure that is this attempt's own, and set it aside when there were too many."""
        count = self.failures[folder.name] = self.failures.get(folder.name, 0) + 1
        sender = self.senders.pop(folder.name, None)  # what it remembers may be what is wrong: read it again from disk
        incr(FLUSHER_ERRORS, reason="attempt")
        if count <= GIVE_UP:
            log.error("Could not send %s (try %d of %d)", folder.name, count, GIVE_UP, exc_info=error)
        if count < GIVE_UP or spool.is_alive(folder) or spool.is_recording(folder):
            return
        aside = self.folder / spool.ASIDE / f"{folder.name}.{int(time.time())}"
        try:
            aside.parent.mkdir(exist_ok=True)
            folder.rename(aside)
        except OSError as problem:
            log.error("Cannot set aside %s: %s", folder, problem)
            return
        self._say(sender, aside, error)

    def _say(self, sender: Sender | None, aside: Path, error: Exception) -> None:
        """Let people know: in the log, on the run if there is one, and by a message."""
        sentence = f"Part of an attempt's record cannot be sent ({str(error).partition(chr(10))[0][:200]})."
        log.error("%s It was set aside in %s; move it back into the spool to try again.", sentence, aside)
        try:
            if sender and sender.run in sender.sent.runs:
                run = sender.sent.runs[sender.run]
                self.client.set_tag(run, names.NOTICE_PREFIX + "record", clean(sentence))
                self.client.set_tag(run, names.ENDED, "killed")
                self.client.set_terminated(run, "KILLED")
            notify(sentence, f"It was set aside in {aside}. Move it back into the spool to try again.")
        except Exception:
            log.exception("Nobody could be told")


def mark(folder: Path) -> None:
    """Leave the time in the spool, by which a probe sees that the flusher goes on."""
    with contextlib.suppress(OSError):  # no disk: the sweep says so
        os.utime(folder / LOCK)


class ServerAwayError(Exception):
    """The tracking server does not answer."""


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
    chosen = sys.argv[1:] if arguments is None else arguments
    once, drain = "--once" in chosen, "--drain" in chosen
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    settings = load(TrackingSettings)
    folder = spool_folder(settings)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    flusher = Flusher(folder, _client(settings))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = (folder / LOCK).open("w")
    while not _lock(lock):  # two would create each run twice
        if once:
            log.info("Another flusher is at work on %s.", folder)
            return 0
        if stopped.wait(1.0):
            return 0
    log.info("Sending %s to %s", folder, settings.server)
    pause = settings.flush_seconds
    while not stopped.is_set():
        try:
            flusher.sweep()
            pause = settings.flush_seconds
            if flusher.more:
                continue
        except ServerAwayError as error:
            incr(FLUSHER_ERRORS, reason="away")
            pause = min(pause * 2, MAX_PAUSE)
            log.warning(
                "The tracking server does not answer; trying again in %.0f s. Nothing is lost. %s", pause, error
            )
            if once:
                return 1
        except OSError as error:
            incr(FLUSHER_ERRORS, reason="disk")
            pause = min(pause * 2, MAX_PAUSE)
            log.error("The disk of %s: %s. Trying again in %.0f s; make room.", folder, error, pause)
            if once:
                return 1
        if once:
            return 0
        stopped.wait(pause)
    return _drained(flusher, settings.flush_seconds) if drain else 0


def _drained(flusher: Flusher, pause: float) -> int:
    """Send what is left in a pod that ends. Return the exit code; Kubernetes kills what takes longer than its grace."""
    while True:
        try:
            left = flusher.sweep()
        except (ServerAwayError, OSError) as error:
            log.warning("Not all was sent yet, and the pod ends: %s", error)
            left = 1
        if not left:
            log.info("All was sent.")
            return 0
        time.sleep(pause)


def _lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
