"""A real container engine, and an image made of programs of this machine: no registry is needed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from skyrail.errors import StepError
from skyrail.steps.artifacts.store import Store
from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.containers import engine as engines
from skyrail.steps.containers.engine import Engine
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

PROGRAMS = ("sh", "cat", "cp", "env", "grep", "id", "mkdir", "perl", "sleep", "touch")


@pytest.fixture(scope="session")
def engine() -> Engine:
    """Return the engine of this machine."""
    try:
        return engines.find("dag.train")
    except StepError as error:
        reason = str(error)
    if os.environ.get("SKYRAIL_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def libraries(program: Path) -> list[Path]:
    """Return the shared libraries that a program loads, its loader included."""
    said = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return [Path(word) for word in said.split() if word.startswith("/")]


def python_files() -> Iterator[Path]:
    """Return what the Python of these tests is made of, without what is installed into it."""
    home = Path(sys.base_prefix)
    standard = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    for path in standard.rglob("*"):
        unused = {"site-packages", "dist-packages", "test", "__pycache__", "idlelib", "ensurepip"}
        if path.is_file() and not unused & set(path.relative_to(standard).parts):
            yield path
            if ".so" in path.suffixes:
                yield from libraries(path)


def make_image(engine: Engine, name: str, archive: Path, *, python: bool) -> None:
    """Make an image of programs of this machine, at the same paths."""
    files: dict[str, Path] = {}
    for program in PROGRAMS:
        path = Path(shutil.which(program) or pytest.fail(f"{program} is not installed."))
        files[f"/usr/bin/{program}"] = path
        files |= {str(library): library for library in libraries(path)}
    files["/bin/sh"] = files["/usr/bin/sh"]
    if python:
        program = Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}"
        files[str(program)] = program
        files |= {str(path): path for path in [*libraries(program), *python_files()]}
    with tarfile.open(archive, "w") as tar:
        for target, path in sorted(files.items()):
            tar.add(path.resolve(), target)
        if python:
            link = tarfile.TarInfo("usr/bin/python3")
            link.type, link.linkname = tarfile.SYMTYPE, str(program)
            tar.addfile(link)
        for folder, mode in (("tmp", 0o1777), ("work", 0o755)):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)
    changes = ["--change", "ENV PATH=/usr/bin:/bin", "--change", "WORKDIR /work", "--change", 'ENTRYPOINT ["/bin/no"]']
    subprocess.run([engine.program, "import", *changes, str(archive), name], check=True, capture_output=True)


def removed(engine: Engine, name: str) -> None:
    subprocess.run([engine.program, "image", "rm", "--force", name], check=True, capture_output=True)


@pytest.fixture(scope="session")
def image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of an image with a shell and Perl."""
    name = f"skyrail-test-{uuid.uuid4().hex}:1"
    make_image(engine, name, tmp_path_factory.mktemp("image") / "image.tar", python=False)
    yield name
    removed(engine, name)


@pytest.fixture(scope="session")
def python_image(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of an image that has Python, too, and no package but the standard library."""
    name = f"skyrail-test-{uuid.uuid4().hex}:1"
    make_image(engine, name, tmp_path_factory.mktemp("image") / "image.tar", python=True)
    yield name
    removed(engine, name)


@pytest.fixture(autouse=True)
def only_warnings(caplog: pytest.LogCaptureFixture) -> None:
    """Keep notices out of stdout, where Airflow's log goes outside of tasks."""
    caplog.set_level("WARNING", logger="skyrail")


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Call]:
    """Return a function that makes a call; without a record, with a store of its own."""
    identity = dict.fromkeys((names.DAG_ID, names.RUN_ID, names.TASK_ID, names.MAP_INDEX, names.TRY_NUMBER), "1")
    identity[names.ATTEMPT_ID] = str(uuid.uuid4())

    def make(function: Callable[..., Any], image: str, command: list[str], needs: Any = None, **kwargs: Any) -> Call:
        options = StepOptions(image=image, command=tuple(command), needs=needs or {})
        capture = Capture(function, identity, {}, options)
        capture.store = Store(str(tmp_path / "store"))
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
        return Call("dag.train", function, [], kwargs, options, capture, folder)

    return make
