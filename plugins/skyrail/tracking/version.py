"""What makes an attempt's version: the commit, the function's source, the environment."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

GIT_SECONDS = 5.0
"""How long git may take; a repository in which it needs longer is recorded without a commit rather than waited for."""


@dataclass(frozen=True)
class Code:
    """State of the repository that a file belongs to."""

    commit: str = ""
    """40 or 64 hex digits, empty outside a repository or before its first commit."""
    dirty: bool = False
    """Whether tracked or untracked files differ from the commit."""


class GitState:
    """Ask git about a folder: start early, read the answer when the rest is done."""

    def __init__(self, folder: Path) -> None:
        # The folder may belong to someone else (a mounted volume): reading it runs no hook and no filter of theirs.
        command = ["git", "-C", str(folder), "-c", "safe.directory=*", "-c", "core.fsmonitor=false"]
        command += ["--no-optional-locks", "status", "--porcelain=v2", "--branch"]
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no git on this machine
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"},
            )

    def read(self) -> Code:
        """Return the answer, or an empty one when git has none in time."""
        if self._process is None:
            return Code()
        try:
            output, _ = self._process.communicate(timeout=GIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Code()
        return parse_status(output.decode(errors="replace")) if self._process.returncode == 0 else Code()


def parse_status(output: str) -> Code:
    """Read the output of `git status --porcelain=v2 --branch`."""
    commit, dirty = "", False
    for line in output.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ")
        elif not line.startswith("#"):
            dirty = True
    return Code("" if commit == "(initial)" else commit, dirty)


def source_sha256(function: Callable[..., Any]) -> str:
    """Return the hash of a function's source without its indentation; empty when it has none (built in a shell)."""
    try:
        source = textwrap.dedent(inspect.getsource(inspect.unwrap(function)))
    except (OSError, TypeError):
        return ""
    return hashlib.sha256(source.encode()).hexdigest()


def environment_sha256(cache: Path) -> str:
    """Return the hash of interpreter, platform and every installed distribution with its version.

    Reading 200 distributions takes 0.1 s, so the answer is kept in `cache` for as long as the folders on `sys.path`
    are unchanged.
    """
    stamps = [(folder, Path(folder).stat().st_mtime_ns) for folder in sys.path if folder and Path(folder).is_dir()]
    key = hashlib.sha256(json.dumps([sys.version, stamps]).encode()).hexdigest()
    kept = cache / f"environment-{key[:16]}"
    try:
        return kept.read_text()
    except OSError:
        pass
    digest = hashlib.sha256("\n".join(environment()).encode()).hexdigest()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        building = kept.with_name(f"{kept.name}.{os.getpid()}")
        building.write_text(digest)
        building.replace(kept)
    except OSError:  # a cache that cannot be written costs time, nothing else
        pass
    return digest


def environment() -> list[str]:
    """Return interpreter and platform, then every installed distribution as `name==version`, sorted."""
    installed = {
        f"{name.lower().replace('_', '-')}=={distribution.version}"
        for distribution in metadata.distributions()
        if (name := distribution.metadata["Name"])
    }
    return [
        f"python=={platform.python_version()}",
        f"platform=={sys.platform}-{platform.machine()}",
        *sorted(installed),
    ]
