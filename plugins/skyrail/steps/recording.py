"""The stdout of a step through the recorder, for as long as the step's function runs."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

from skyrail.tracking import recorder as recorder_program
from skyrail.tracking import spool

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""How long the recorder may take to empty the pipe when the function is over. Only a child process that the function
left running, and that still holds its output, makes it wait."""


class Recorder:
    """Lead file descriptor 1 through the recorder program, and back. Never breaks the step's output."""

    def __init__(self, folder: Path) -> None:
        _flush()
        self._saved = os.dup(1)
        self._read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", recorder_program.__file__, str(folder / spool.LINES)],
                stdin=self._read,
                stdout=self._saved,
            )
        except BaseException:
            for descriptor in (self._saved, self._read, write):
                os.close(descriptor)
            raise
        os.dup2(write, 1)
        os.close(write)
        self._over = threading.Event()
        # The read end stays open here: were the recorder to die, printing would otherwise kill the step by SIGPIPE.
        self._watcher = threading.Thread(target=self._watch, name="skyrail-recorder", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Give the step its output back, and wait until the recorder has read all of it."""
        _flush()
        self._over.set()
        os.dup2(self._saved, 1)  # closes the pipe's last write end, which is the recorder's end of file
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(DRAIN_SECONDS)
        self._watcher.join(DRAIN_SECONDS if self._process.poll() is not None else 0)
        os.close(self._read)
        os.close(self._saved)

    def _watch(self) -> None:
        self._process.wait()
        if self._over.is_set():
            return
        os.dup2(self._saved, 1)
        os.set_blocking(self._read, False)
        with contextlib.suppress(OSError):
            while rest := os.read(self._read, 1 << 16):
                os.write(self._saved, rest)
        log.warning(
            "The recorder ended (exit code %s): metrics printed from now on are not recorded.", self._process.returncode
        )


def _flush() -> None:
    for stream in (sys.stdout, sys.__stdout__):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
