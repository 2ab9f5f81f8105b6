"""What git says about a folder: the commit, whether files differ from it, and how."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

GIT_SECONDS = 5.0
"""How long git may take; a repository in which it needs longer is recorded without a commit rather than waited for."""

MAX_PATCH = 5 << 20
"""Largest patch, in bytes, that is kept. Code is far smaller; data that nobody told git to ignore is not."""

SECRET_FILES = (
    ".env*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "id_rsa*",
    "id_ed25519*",
    ".netrc",
    ".pgpass",
    "*credentials*",
)
"""Untracked files of such names stay out of a patch: git has been told nothing of them, and they are no code."""


@dataclass(frozen=True)
class Code:
    """State of the repository that a file belongs to."""

    commit: str = ""
    """40 or 64 hex digits, empty outside a repository or before its first commit."""
    dirty: bool = False
    """Whether tracked or untracked files differ from the commit."""


@dataclass(frozen=True)
class Patch:
    """How the files differ from the commit."""

    content: bytes | None = b""
    """What `git apply` takes; None when it is not known."""
    why_not: str = ""
    """Why it is not known, or what is not in it, in a sentence."""


class GitState:
    """Ask git about a folder: start early, read the answers when the rest is done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._patch = Patch()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        with contextlib.suppress(OSError):  # no git on this machine
            self._process = _git(folder, "status", "--porcelain=v2", "--branch")

    def read(self) -> Code:
        """Return commit and state, or empty ones when git has none in time. If files differ, go on and ask how."""
        if self._process is None:
            return Code()
        try:
            output, _ = self._process.communicate(timeout=GIT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            return Code()
        code = parse_status(output.decode(errors="replace")) if self._process.returncode == 0 else Code()
        if code.dirty and code.commit:
            self._thread = threading.Thread(target=self._ask_how, name="skyrail-patch", daemon=True)
            self._thread.start()
        elif code.dirty:
            self._patch = Patch(None, "The repository has no commit yet that files could differ from.")
        return code

    def patch(self) -> Patch:
        """Return how the files differ from the commit, as far as git says so in time."""
        if self._thread is not None:
            self._thread.join(GIT_SECONDS)
            if self._thread.is_alive():
                return Patch(None, f"git took longer than {GIT_SECONDS:.0f} s to say how files differ from the commit.")
        return self._patch

    def _ask_how(self) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="skyrail-") as scratch:
                self._patch = read_patch(self._folder, Path(scratch))
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            self._patch = Patch(None, f"git could not say how files differ from the commit: {error}")


def parse_status(output: str) -> Code:
    """Read the output of `git status --porcelain=v2 --branch`."""
    commit, dirty = "", False
    for line in output.splitlines():
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ")
        elif not line.startswith("#"):
            dirty = True
    return Code("" if commit == "(initial)" else commit, dirty)


def read_patch(folder: Path, scratch: Path) -> Patch:
    """Return how a repository's files, tracked and untracked, differ from its commit. Nothing in it is touched.

    Raises:
        OSError: a file cannot be read.
        subprocess.SubprocessError: git fails, or takes too long.
    """
    top, index = _ask(folder, "rev-parse", "--show-toplevel", "--git-path", "index").decode().splitlines()
    root = Path(top)
    found = [
        Path(os.fsdecode(name)) for name in _ask(root, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0")
    ]
    found = [path for path in found if path != Path()]
    secret = [path for path in found if any(fnmatch.fnmatch(path.name.lower(), pattern) for pattern in SECRET_FILES)]
    untracked = [path for path in found if path not in secret]
    size = sum((root / path).lstat().st_size for path in untracked)
    if size > MAX_PATCH:
        most = f"more than {MAX_PATCH >> 20} MiB"
        return Patch(None, f"Untracked files of {size / 1e6:.0f} MB are not kept: {most}. Let git ignore data.")
    environment = {}
    if untracked:
        # In an index of our own they count as added: the repository's index stays as it is.
        environment["GIT_INDEX_FILE"] = str(scratch / "index")
        # With its time: by that git knows which files may have changed too soon after it to look different.
        with contextlib.suppress(FileNotFoundError):
            shutil.copy2(folder / index, scratch / "index")
        names = b"\0".join(os.fsencode(path) for path in untracked)
        add = ("add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        _ask(root, *add, given=names, environment={**environment, "GIT_LITERAL_PATHSPECS": "1"})
    differ = ("diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD")
    diff = _git(root, *differ, environment=environment)
    killer = threading.Timer(GIT_SECONDS, diff.kill)
    killer.start()
    with diff:
        assert diff.stdout is not None  # noqa: S101
        content = diff.stdout.read(MAX_PATCH + 1)
        if len(content) > MAX_PATCH:
            diff.kill()
    killer.cancel()
    if len(content) > MAX_PATCH:
        return Patch(None, f"What differs from the commit is not kept: more than {MAX_PATCH >> 20} MiB.")
    if diff.returncode:
        return Patch(None, "git could not say how files differ from the commit.")
    left_out = f"Not in the patch, for their names: {', '.join(map(str, secret[:5]))}." if secret else ""
    return Patch(content, left_out)


def _ask(folder: Path, *arguments: str, given: bytes = b"", environment: Mapping[str, str] | None = None) -> bytes:
    process = _git(folder, *arguments, stdin=subprocess.PIPE, environment=environment)
    try:
        output, _ = process.communicate(given, timeout=GIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, ["git", *arguments])
    return output


def _git(
    folder: Path,
    *arguments: str,
    stdin: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    # The folder may belong to someone else, such as a mounted volume.
    command = ["git", "-C", str(folder), "-c", "safe.directory=*", "-c", "core.fsmonitor=false", "--no-optional-locks"]
    return subprocess.Popen(
        [*command, *arguments],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", **(environment or {})},
    )
