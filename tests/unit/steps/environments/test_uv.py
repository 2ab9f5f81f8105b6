"""What uv says when it cannot: the conflict, and what to do. All of it said by the real uv."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.steps.environments.index import wheel

from skyrail.steps.environments import cache, resolve
from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.lock import Lock, parse, render
from skyrail.steps.environments.wanted import wanted_by


@pytest.mark.parametrize(
    ("packages", "environment", "says", "fix"),
    [
        pytest.param(("beta", "gamma"), {}, "gamma depend on alpha<2", "a wider range", id="00 a conflict"),
        pytest.param(("alpha<1.1", "alpha>1.1"), {}, "alpha<1.1 and alpha>1.1", "a wider range", id="01 with oneself"),
        pytest.param(("nowhere",), {}, "nowhere was not found", "Check the spelling", id="10 no such package"),
        pytest.param(("alpha==9",), {}, "there is no version of alpha==9", "a version that exists", id="11 no version"),
        pytest.param(("al pha",), {}, "found `p`", "as for pip", id="12 no requirement"),
        pytest.param(("newer",), {}, "newer==1.0 requires Python >=3.12", "--python 3.13", id="20 a newer Python"),
        pytest.param(("compiled",), {}, "no wheels with a matching", "There is no wheel", id="21 no wheel"),
        pytest.param(("alpha",), {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}, "127.0.0.1:9/simple/alpha",
                     "The package index is away", id="30 the index is away"),
        pytest.param(("alpha",), {"UV_OFFLINE": "1"}, "alpha was not found in the cache", "UV_OFFLINE",
                     id="31 no network allowed"),
    ],
)  # fmt: skip
def test_what_cannot_be_resolved(
    index, dag_file: Path, monkeypatch, packages: tuple[str, ...], environment: dict[str, str], says: str, fix: str
):
    """The message names the step and the conflict, in a few lines, with the fix."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StepEnvironmentError) as error:
        resolve.resolve(wanted_by("d.t", packages, dag_file))
    assert error.value.message.startswith("The packages of step 'd.t' cannot be locked: ")
    assert says in error.value.message
    assert fix in error.value.fix
    assert len(error.value.message) < 550


def _locked(dag_file: Path, *packages: str, python: str = "") -> Lock:
    wanted = wanted_by("d.t", packages, dag_file)
    resolve.write(wanted.path, resolve.resolve(wanted, python=python))
    return parse(wanted.path, wanted.path.read_text())


@pytest.mark.parametrize(
    ("environment", "says", "fix"),
    [
        pytest.param({"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}, "127.0.0.1:9", "index is away", id="00 away"),
        pytest.param({"UV_OFFLINE": "1"}, "not found in the cache", "UV_OFFLINE", id="01 no network allowed"),
    ],
)
def test_what_cannot_be_built(index, dag_file: Path, monkeypatch, tmp_path: Path, environment, says: str, fix: str):
    """Without an index nothing can be built that is not cached, and nothing is left behind."""
    lock = _locked(dag_file, "alpha")
    for name, value in {**environment, "UV_CACHE_DIR": str(tmp_path / "another")}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StepEnvironmentError) as error:
        cache.ensure(lock)
    assert says in error.value.message
    assert fix in error.value.fix
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [f"{cache.key(lock)}.lock"]


def test_another_file_than_the_one_locked_is_refused(index, dag_file: Path, wheels: Path, tmp_path: Path):
    """A wheel that was replaced in the index is not installed."""
    wheel(wheels, "changing", "1.0")
    lock = _locked(dag_file, "changing")
    wheel(wheels, "changing", "1.0", python=">=3.10")
    with pytest.raises(StepEnvironmentError, match=r"Hash mismatch for `changing==1\.0`") as error:
        cache.ensure(lock)
    assert "Find out why" in error.value.fix


def test_a_python_that_is_not_here(index, dag_file: Path):
    """No interpreter is fetched: the error says which one is missing."""
    lock = _locked(dag_file, "alpha", python="3.99")
    with pytest.raises(StepEnvironmentError, match=r"for Python 3\.99 cannot be built: No interpreter found") as error:
        cache.ensure(lock)
    assert "Install that Python" in error.value.fix


def test_no_wheel_for_this_python(index, dag_file: Path, wheels: Path):
    """A lock can name a package that has wheels for other Pythons alone: said when it is built."""
    wheel(wheels, "elsewhere", "1.0", tag="cp312-cp312-win_amd64")
    wanted = wanted_by("d.t", ("elsewhere",), dag_file)
    hashed = "elsewhere==1.0 --hash=sha256:" + "0" * 64
    resolve.write(wanted.path, render(wanted, "", hashed))
    with pytest.raises(StepEnvironmentError) as error:
        cache.ensure(parse(wanted.path, wanted.path.read_text()))
    assert "There is no wheel for this Python" in error.value.fix
