"""Built environments: one virtualenv a lock, Python and platform, made once a machine and shared by its tasks.

    <cache>/py311-3f2a9c…/           a relocatable virtualenv under its final name: it is complete
    <cache>/py311-3f2a9c…/.skyrail   what was built, and what it then consisted of; its time is that of the last use
    <cache>/py311-3f2a9c…/.checked   its time is that of the last look at every file; a use that fails removes it
    <cache>/py311-3f2a9c….lock       locked shared by who uses it, exclusively by who builds or removes it
    <cache>/.building-py311-3f2a9c…  a build; one whose lock is free was cut off, and is removed

The kernel drops a lock when its process ends, however it ends. Nothing but files is looked at when an environment is
there: neither uv nor a network is needed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import sysconfig
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrail.settings import EnvironmentSettings, environments_folder, load
from skyrail.steps.environments import uv
from skyrail.steps.environments.contents import Contents, contents, listed
from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.lock import Lock

log = logging.getLogger(__name__)

MARKER = ".skyrail"
CHECKED = ".checked"
CHECK_SECONDS = 3600.0
"""How long an environment is used without looking at every file of it again, unless a use fails."""
BUILDING, REMOVING = ".building-", ".removing-"
GIB = 1 << 30


@dataclass(frozen=True)
class Entry:
    """One environment in a cache."""

    path: Path
    lock: str
    """Path of the lock that it was built from."""
    bytes: int
    used: float
    """Time of the last use, in seconds since 1970."""


def key(lock: Lock) -> str:
    """Return the name of a lock's environment on this machine."""
    version = python_of(lock)
    platform = f"{sys.implementation.name}-{version}-{sysconfig.get_platform()}"
    digest = hashlib.sha256(f"{lock.sha256}\n{platform}".encode()).hexdigest()
    return f"py{version.replace('.', '')}-{digest[:24]}"


def python_of(lock: Lock) -> str:
    """Return the Python that a lock's environment has, such as `3.12`."""
    return lock.python or f"{sys.version_info.major}.{sys.version_info.minor}"


def ensure(lock: Lock) -> Path:
    """Return the interpreter of a lock's environment, built when missing.

    Raises:
        StepEnvironmentError: it cannot be built.
    """
    with in_use(lock) as interpreter:
        return interpreter


@contextlib.contextmanager
def in_use(lock: Lock) -> Iterator[Path]:
    """Yield the interpreter of a lock's environment, built when missing, and keep it from being removed inside.

    Leaving by an exception has every file of it looked at before the next use.

    Raises:
        StepEnvironmentError: it cannot be built.
    """
    settings = load(EnvironmentSettings)
    # The digest of its image vouches for a baked one.
    if settings.baked and _starts(baked := Path(settings.baked) / key(lock)):
        yield interpreter_of(baked)
        return
    root = environments_folder(settings)
    built = False
    while True:
        path = root / key(lock)
        with _locked(path, fcntl.LOCK_SH):
            if _is_usable(path):
                with contextlib.suppress(OSError):  # its time is only for choosing what to remove
                    os.utime(path / MARKER)
                if built:
                    shrink(root, int(settings.keep_gib * GIB))
                try:
                    yield interpreter_of(path)
                except BaseException:  # damage may be why: the next use looks at every file
                    with contextlib.suppress(OSError):
                        (path / CHECKED).unlink()
                    raise
                return
        built = build(lock, root)


def build(lock: Lock, root: Path, *, baked: bool = False) -> bool:
    """Build a lock's environment in a cache unless it is there, and tell whether it was built now.

    Args:
        lock: what to install.
        root: the cache.
        baked: copy the files and compile all of them, for a folder that is carried elsewhere and read only.

    Raises:
        StepEnvironmentError: uv cannot build it.
    """
    path = root / key(lock)
    with _locked(path, fcntl.LOCK_EX) as held:
        if is_whole(path):
            return False
        expected = _expected(path)
        if path.exists():
            log.warning("The environment %s was damaged: it is built again.", path)
            _discard(path)
        log.info("Building the environment of %s", lock.path)
        started = time.monotonic()
        found = _install(lock, path, held, baked=baked)
        if not expected <= found.files:
            # uv's own cache shares its files with the damaged environment: around it, then.
            _discard(path)
            _install(lock, path, held, baked=baked, fresh=True)
        log.info("Built %s in %.1f s", path, time.monotonic() - started)
    return True


def _install(lock: Lock, path: Path, held: int, *, baked: bool, fresh: bool = False) -> Contents:
    building = path.with_name(f"{BUILDING}{path.name}")
    shutil.rmtree(building, ignore_errors=True)
    what = f"The environment of {lock.path} for Python {python_of(lock)} cannot be built"
    around = ["--no-cache"] if fresh else []
    try:
        make = ["venv", "--quiet", "--relocatable", "--python", _python(lock), *around, str(building)]
        uv.run(what, make, folder=lock.folder, holding=[held])
        install = ["pip", "install", "--quiet", "--require-hashes", "--only-binary", ":all:", *around]
        # Elsewhere each module is compiled when it is first imported: compiling all takes 30 times as long as the rest.
        install += ["--compile-bytecode", "--link-mode", "copy"] if baked else []
        install += ["--python", str(interpreter_of(building)), "--requirements", str(lock.path)]
        _fill(what, install, lock, held, cached=not fresh)
        found = contents(building)
        marker = {"lock": str(lock.path), "bytes": found.bytes, "files": found.dump()}
        (building / MARKER).write_text(json.dumps(marker))
        (building / CHECKED).touch()
        building.rename(path)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return found


def _fill(what: str, install: list[str], lock: Lock, held: int, *, cached: bool) -> None:
    """Install from uv's cache alone, if it has all; the lock's hashes vouch for it. Else with the index.

    uv would ask the index about each package, and wait for it though nothing new can come of it.
    """
    if cached:
        with contextlib.suppress(StepEnvironmentError):
            uv.run(what, [*install, "--offline"], folder=lock.folder, holding=[held])
            return
    uv.run(what, install, folder=lock.folder, holding=[held])


def _python(lock: Lock) -> str:
    """Return the interpreter to build with: this one, not its virtualenv; another version is looked for by uv."""
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    return sys._base_executable if python_of(lock) == ours else lock.python  # type: ignore[attr-defined]


def is_whole(path: Path) -> bool:
    """Tell whether an environment is there with every file that it was built of. What was added to it does no harm."""
    return _starts(path) and _expected(path) <= contents(path).files


def _starts(path: Path) -> bool:
    """Tell whether an environment is there with its marker and its Python, which may be gone."""
    return bool(_marker(path).get("files")) and os.access(interpreter_of(path), os.X_OK)


def _is_usable(path: Path) -> bool:
    """Tell whether an environment is whole, or was when last looked at and has not failed since."""
    checked = path / CHECKED
    with contextlib.suppress(OSError):
        if 0 <= time.time() - checked.stat().st_mtime < CHECK_SECONDS:
            return _starts(path)
    if not is_whole(path):
        return False
    with contextlib.suppress(OSError):  # of another user's cache it is looked at each time
        checked.touch()
    return True


def interpreter_of(path: Path) -> Path:
    """Return the interpreter of an environment."""
    return path / "bin" / "python"


def entries(root: Path) -> list[Entry]:
    """Return the environments of a cache, the one used longest ago first."""
    found = []
    for path in root.glob("py*/"):
        if marker := _marker(path):
            with contextlib.suppress(OSError):  # removed meanwhile
                found.append(Entry(path, marker["lock"], marker["bytes"], (path / MARKER).stat().st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def shrink(root: Path, limit: int) -> list[Entry]:
    """Remove environments used longest ago until the rest fits into `limit` bytes, and return the removed ones.

    Those in use stay.
    """
    left = entries(root)
    total, removed = sum(entry.bytes for entry in left), []
    for entry in left:
        if total <= limit:
            break
        with _free(entry.path) as free:
            if free:
                _discard(entry.path)
                removed.append(entry)
                total -= entry.bytes
                log.info("Removed the environment %s, of %.1f GiB", entry.path, entry.bytes / GIB)
    _sweep(root)
    return removed


def is_in_use(path: Path) -> bool:
    """Tell whether a process uses an environment, or builds it."""
    with _free(path) as free:
        return not free


def _marker(path: Path) -> dict[str, Any]:
    try:
        marker = json.loads((path / MARKER).read_text())
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _expected(path: Path) -> frozenset[str]:
    files = _marker(path).get("files", "")
    return listed(files) if files else frozenset()


def _discard(path: Path) -> None:
    """Remove an environment: at once from the cache, then from the disk."""
    away = path.with_name(f"{REMOVING}{path.name}-{os.getpid()}-{time.monotonic_ns()}")
    path.rename(away)
    shutil.rmtree(away, ignore_errors=True)


def _sweep(root: Path) -> None:
    """Remove what builds and removals that were cut off have left."""
    for path in root.glob(f"{REMOVING}*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in root.glob("py*/"):
        with _free(path) as free:
            if free and path.exists() and not _marker(path):
                _discard(path)
    for path in root.glob(f"{BUILDING}*"):
        with _free(root / path.name.removeprefix(BUILDING)) as free:
            if free:
                shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, how: int) -> Iterator[int]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("a") as file:
        fcntl.flock(file, how)
        yield file.fileno()


@contextlib.contextmanager
def _free(path: Path) -> Iterator[bool]:
    """Yield whether nobody else holds an environment; if so, nobody gets it inside."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
            free = True
        except BlockingIOError:
            free = False
        yield free
