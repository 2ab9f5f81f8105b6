"""Environments are built once, shared, repaired, and removed when there is no room: never while one is used."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.unit.steps.child.calls import OURS, other_python

from skyrail.steps.environments import cache, resolve
from skyrail.steps.environments.lock import Lock, parse
from skyrail.steps.environments.wanted import wanted_by


@pytest.fixture
def locked(index, dag_file: Path):
    def make(*packages: str) -> Lock:
        wanted = wanted_by("d.t", packages, dag_file)
        resolve.write(wanted.path, resolve.resolve(wanted))
        return parse(wanted.path, wanted.path.read_text())

    return make


def _version(interpreter: Path, module: str = "alpha") -> str:
    code = f"import {module}; print({module}.VERSION)"
    return subprocess.run([interpreter, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def _package(interpreter: Path) -> Path:
    [file] = interpreter.parents[1].glob("lib/python*/site-packages/alpha.py")
    return file


def test_two_locks_two_versions(locked):
    """Environments with conflicting versions stand beside each other."""
    assert _version(cache.ensure(locked("alpha<2"))) == "1.1"
    assert _version(cache.ensure(locked("alpha>=2"))) == "2.0"


def test_a_lock_for_another_python_is_built_with_it(index, dag_file: Path, monkeypatch: pytest.MonkeyPatch):
    """The environment has the Python that its lock names, found on this machine."""
    other = other_python()
    if other is None:
        pytest.skip(f"this machine has no Python 3.11 to 3.13 beside {OURS}")
    monkeypatch.setenv("PATH", f"{other.parent}{os.pathsep}{os.environ['PATH']}")
    wanted = wanted_by("d.t", ("alpha",), dag_file)
    lock = parse(wanted.path, resolve.resolve(wanted, python=other.name.removeprefix("python")))
    resolve.write(lock.path, resolve.resolve(wanted, python=lock.python))
    interpreter = cache.ensure(lock)
    assert interpreter.resolve().samefile(other)
    assert _version(interpreter) == "2.0"


def test_a_built_environment_needs_nothing(locked, index, monkeypatch: pytest.MonkeyPatch):
    """Once built, neither an index nor uv nor its cache is needed."""
    lock = locked("alpha")
    built = cache.ensure(lock)
    index.asked.clear()
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setattr("uv.find_uv_bin", lambda: "/nowhere/uv")
    assert cache.ensure(lock) == built
    assert index.asked == []


def test_no_index_is_asked_for_what_uv_has(locked, index, tmp_path: Path):
    """A second machine's folder on the same disk, or an environment that made room: the files are there."""
    lock = locked("alpha")
    cache.ensure(lock)
    index.asked.clear()
    assert cache.build(lock, tmp_path / "another")
    assert index.asked == []


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda interpreter: _package(interpreter).unlink(), id="00 a file is gone"),
        pytest.param(lambda interpreter: os.truncate(_package(interpreter), 3), id="01 it is cut, in uv's cache too"),
        pytest.param(lambda interpreter: interpreter.unlink(), id="10 the interpreter is gone"),
        pytest.param(lambda interpreter: (interpreter.unlink(), interpreter.symlink_to("/nowhere")),
                     id="11 its Python is gone"),
        pytest.param(lambda interpreter: (interpreter.parents[1] / cache.MARKER).write_text("{"), id="20 the marker"),
        pytest.param(lambda interpreter: (interpreter.parents[1] / cache.MARKER).unlink(), id="21 no marker"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("noticed", ["after a use that fails", "after an hour"])
def test_a_damaged_environment_is_built_again(locked, harm, noticed: str):
    """What is missing or cut is noticed: files by the next look at all of them, the rest at once."""
    lock = locked("alpha")
    interpreter = cache.ensure(lock)
    path = interpreter.parents[1]
    if noticed == "after an hour":
        an_hour_ago = time.time() - cache.CHECK_SECONDS
        os.utime(path / cache.CHECKED, (an_hour_ago, an_hour_ago))
    else:
        with pytest.raises(ModuleNotFoundError), cache.in_use(lock):
            raise ModuleNotFoundError
    harm(interpreter)
    assert _version(cache.ensure(lock)) == "2.0"
    assert _package(cache.ensure(lock)).stat().st_size > 3


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda interpreter: interpreter.unlink(), id="00 the interpreter is gone"),
        pytest.param(lambda interpreter: (interpreter.parents[1] / cache.MARKER).write_text("{"), id="10 the marker"),
    ],
)
def test_an_environment_that_cannot_start_is_built_at_once(locked, harm):
    """No attempt has to fail for it."""
    lock = locked("alpha")
    harm(cache.ensure(lock))
    assert _version(cache.ensure(lock)) == "2.0"


def test_every_file_is_looked_at_once_an_hour(locked):
    """A look at every file counts for an hour, so that a start does not wait for it."""
    lock = locked("alpha")
    checked = cache.ensure(lock).parents[1] / cache.CHECKED
    os.utime(checked, (1000, 1000))
    cache.ensure(lock)
    looked = checked.stat().st_mtime
    assert looked > 1000
    os.utime(checked, (looked - 60, looked - 60))
    cache.ensure(lock)
    assert checked.stat().st_mtime == looked - 60


def test_what_is_added_is_no_damage(locked):
    """What Python and libraries add to an environment changes nothing."""
    lock = locked("alpha")
    path = cache.ensure(lock).parents[1]
    _version(cache.ensure(lock))
    assert list(path.glob("lib/*/site-packages/__pycache__/alpha.*"))
    (path / "lib" / "fonts.cache").write_text("")
    inode = path.stat().st_ino
    assert cache.ensure(lock).parents[1].stat().st_ino == inode


def test_two_workers_build_one(locked, index, tmp_path: Path):
    """Of processes that need the same environment at once, one builds it and the others wait."""
    lock = locked("alpha")
    code = (
        "import sys; from pathlib import Path; from skyrail.steps.environments import cache, lock\n"
        "path = Path(sys.argv[1]); import logging; logging.basicConfig(level=logging.INFO, format='%(message)s')\n"
        "print('built', cache.build(lock.parse(path, path.read_text()), Path(sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(lock.path), str(tmp_path / "cache")]
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: subprocess.run(command, capture_output=True, text=True, check=False), range(4)))
    assert sorted(run.stdout.split()[-1] for run in done) == ["False", "False", "False", "True"], done
    assert len(cache.entries(tmp_path / "cache")) == 1


BUILD = """
import sys
from pathlib import Path
from skyrail.steps.environments import cache, lock
path = Path(sys.argv[1])
cache.build(lock.parse(path, path.read_text()), Path(sys.argv[2]))
"""


def test_a_build_whose_task_is_killed_stays_locked_until_uv_ends(locked, index, tmp_path: Path):
    """Else a second build would remove the files under the first uv's hands, or both would write them."""
    lock = locked("alpha")
    path = tmp_path / "cache" / cache.key(lock)
    index.gate = threading.Event()
    with subprocess.Popen([sys.executable, "-c", BUILD, str(lock.path), str(path.parent)]) as task:
        index.waiting.acquire()
        [uv] = psutil.Process(task.pid).children()
        task.send_signal(signal.SIGKILL)
    assert task.returncode == -signal.SIGKILL
    assert uv.is_running()
    assert cache.is_in_use(path)
    index.gate.set()
    psutil.wait_procs([uv])
    assert not cache.is_in_use(path)
    assert _version(cache.ensure(lock)) == "2.0"


def test_those_used_longest_ago_make_room(locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Beyond the limit the oldest go, but for one in use; a use makes an environment young."""
    root = tmp_path / "cache"
    locks = [locked(packages) for packages in ("alpha==1.0", "alpha==1.1", "beta", "gamma")]
    paths = [cache.ensure(lock).parents[1] for lock in locks[:3]]
    for age, path in enumerate(paths):
        os.utime(path / cache.MARKER, (1000 + age, 1000 + age))
    cache.ensure(locks[0])
    assert [entry.path for entry in cache.entries(root)] == [paths[1], paths[2], paths[0]]
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__KEEP_GIB", "0")
    with cache.in_use(locks[1]):
        assert cache.is_in_use(paths[1])
        with cache.in_use(locks[3]) as newest:
            assert {entry.path for entry in cache.entries(root)} == {paths[1], newest.parents[1]}
    assert not cache.is_in_use(paths[1])
    assert len(cache.shrink(root, 0)) == 2
    assert not list(root.glob("*py*/"))


def test_a_build_that_was_cut_off_leaves_nothing(locked, tmp_path: Path):
    """What a killed build or removal left is taken away, and is no environment."""
    lock = locked("alpha")
    root = tmp_path / "cache"
    for left in (f".building-{cache.key(lock)}", ".building-py311-other", ".removing-py311-other-1", "py311-other"):
        (root / left / "bin").mkdir(parents=True)
    assert _version(cache.ensure(lock)) == "2.0"
    cache.shrink(root, 1 << 40)
    assert [path.name for path in root.glob(".*")] == []
    assert [path.name for path in root.glob("py*/")] == [cache.key(lock)]


def test_a_baked_environment_is_used_where_it_is_carried(locked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A baked folder may be moved and read only, and is looked at first; nothing is built beside it."""
    lock = locked("alpha")
    assert cache.build(lock, tmp_path / "made", baked=True)
    (tmp_path / "made").rename(tmp_path / "carried")
    [pyc] = (tmp_path / "carried").glob("*/lib/*/site-packages/__pycache__/alpha.*")
    assert pyc.stat().st_nlink == 1
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__BAKED", str(tmp_path / "carried"))
    interpreter = cache.ensure(lock)
    assert interpreter.is_relative_to(tmp_path / "carried")
    assert _version(interpreter) == "2.0"
    assert not (tmp_path / "cache").exists() or not cache.entries(tmp_path / "cache")
