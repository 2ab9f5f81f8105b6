"""Lines a second through the recorder, metric lines and others.

The whole program, reading from a pipe and writing the log and the metrics to files.
"""

from __future__ import annotations

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
    streams = {
        "log lines through the recorder": b"".join(b"epoch %d: still going strong\n" % n for n in range(LINES)),
        "metric lines through the recorder": b"".join(b'{"loss": %f, "step": %d}\n' % (n / 7, n) for n in range(LINES)),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, stream in streams.items():
            seconds = []
            for number in range(RUNS):
                path = Path(folder) / f"{number}"
                started = time.perf_counter()
                with (Path(folder) / "log").open("wb") as log:
                    command = [sys.executable, "-I", "-S", recorder.__file__, str(path)]
                    subprocess.run(command, input=stream, stdout=log, check=True)
                seconds.append(time.perf_counter() - started)
                path.unlink(missing_ok=True)
            row(name, [LINES / one for one in seconds], "lines/s")
            row("  of that, one line", [1e6 * one / LINES for one in seconds], "us")
