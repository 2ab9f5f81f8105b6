"""Time from an empty folder and an empty home to the sign-in link: clone, install, start.

What is fetched comes over the network each time; no cache of an earlier installation is used.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

from bench.report import row
from bench.start import ROOT, environment, free_port


def main() -> None:
    """Print the time of the clone and `make up` in an empty home, once."""
    with tempfile.TemporaryDirectory() as folder:
        clone, home = Path(folder) / "clone", Path(folder) / "home"
        home.mkdir()
        values = environment(HOME=str(home), XDG_CACHE_HOME=str(home / ".cache"))
        values.pop("VIRTUAL_ENV", None)
        started = time.perf_counter()
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], env=values, check=True)
        arguments = f"ARGS=--detach --port {free_port()} --mlflow-port {free_port()}"
        subprocess.run(["make", "up", arguments], cwd=clone, env=values, check=True, capture_output=True)
        row("clone to sign-in link, everything fetched", [time.perf_counter() - started], "s")
        subprocess.run([clone / ".venv/bin/skyrail", "down"], cwd=clone, env=values, check=True, capture_output=True)
