"""Lines a second through the recorder, metric lines and others.

The whole program, reading from a pipe and writing the log and the metrics to files.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import row
from skyrail.tracking import recorder

LINES = 500_000
RUNS = 5


def main() -> None:
    """Print lines a second for a log without metrics and for one of nothing else."""
    log = b"".join(b'{"level": "info", "n": %d}\n' % n for n in range(LINES))
    streams = {
        "log lines through the recorder": (b"".join(b"epoch %d: still going\n" % n for n in range(LINES)), "any"),
        "metric lines through the recorder": (
            b"".join(b'{"loss": %f, "step": %d}\n' % (n / 7, n) for n in range(LINES)), "any",
        ),
        "a log in JSON, with metrics=prefixed": (log, "prefixed"),
    }  # fmt: skip
    for name, (stream, metrics) in streams.items():
        seconds = []
        for _ in range(RUNS):
            with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("wb") as log:
                answer = os.open(os.devnull, os.O_WRONLY)
                command = [sys.executable, "-I", "-S", recorder.__file__, folder, "no mark", str(answer), metrics]
                started = time.perf_counter()
                process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, pass_fds=[answer])
                process.stdin.write(stream)  # type: ignore[union-attr]
                process.stdin.close()  # type: ignore[union-attr]
                code = process.wait()
                seconds.append(time.perf_counter() - started)
                os.close(answer)
                if code:
                    raise SystemExit(f"The recorder ended with {code}.")
        row(name, [LINES / one for one in seconds], "lines/s")
        row("  of that, one line", [1e6 * one / LINES for one in seconds], "us")
