"""The stdout of a step through the recorder, for as long as the step's function runs."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import select
import subprocess
import sys
import threading
from pathlib import Path

from skyrail.tracking import recorder as recorder_program

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""How long the recorder may take to read what is still in the pipe when the function is over: milliseconds, unless the
disk or the log stands still."""


class Recorder:
    """Lead file descriptor 1 through the recorder program, and back. Never breaks the step's output."""

    def __init__(self, folder: Path, metrics: str = "any") -> None:
        _flush()
        self._mark = f"\x01skyrail-{secrets.token_hex(16)}\x01"
        self._saved = os.dup(1)
        self._read, self._write = os.pipe()
        self._answer, answer = os.pipe()
        program = [sys.executable, "-I", "-S", recorder_program.__file__]
        command = [*program, str(folder), self._mark, str(answer), metrics]
        try:
            self._process = subprocess.Popen(command, stdin=self._read, stdout=self._saved, pass_fds=[answer])
        except BaseException:
            for descriptor in (self._saved, self._read, self._write, self._answer):
                os.close(descriptor)
            raise
        finally:
            os.close(answer)
        os.dup2(self._write, 1)
        self._over, self._rescuing = threading.Event(), threading.Event()
        # The read end stays open here: were the recorder to die, printing would otherwise kill the step by SIGPIPE.
        self._watcher = threading.Thread(target=self._watch, name="skyrail-recorder", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Give the step its output back, and wait until the recorder has kept every line printed until now."""
        _flush()
        self._over.set()
        os.dup2(self._saved, 1)
        # The mark and not the pipe's end: children that the function left running may hold the pipe for hours.
        _, writable, _ = select.select([], [self._write], [], ANSWER_SECONDS)
        if writable and self._process.poll() is None:
            os.write(self._write, self._mark.encode())
        os.close(self._write)
        answered, _, _ = select.select([self._answer], [], [], ANSWER_SECONDS)
        if not answered:
            log.warning("The recorder has not kept all lines within %.0f s; it goes on by itself.", ANSWER_SECONDS)
        os.close(self._answer)
        os.close(self._saved)
        if self._process.poll() is None and not self._rescuing.is_set():
            os.close(self._read)

    def _watch(self) -> None:
        self._process.wait()
        if self._over.is_set():
            return
        self._rescuing.set()
        log_output = os.dup(self._saved)
        os.dup2(log_output, 1)
        log.warning(
            "The recorder ended (exit code %s): metrics printed from now on are not recorded.", self._process.returncode
        )
        # Children of the step still print into the pipe: carry it over until the last one has closed it.
        with contextlib.suppress(OSError):
            while rest := os.read(self._read, 1 << 16):
                os.write(log_output, rest)


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
