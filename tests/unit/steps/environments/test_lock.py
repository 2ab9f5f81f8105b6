"""A lock is read when the DAG is parsed: a pure comparison, nothing started."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrail.steps.environments import lock as locks
from skyrail.steps.environments import resolve
from skyrail.steps.environments.errors import StepEnvironmentError
from skyrail.steps.environments.lock import check, collecting, parse, render
from skyrail.steps.environments.wanted import wanted_by

RESOLVED = "alpha==1.0 \\\n    --hash=sha256:aa\n    # via what was asked\n"


def _lock(dag_file: Path, *packages: str, python: str = "") -> Path:
    wanted = wanted_by("d.t", packages, dag_file)
    resolve.write(wanted.path, render(wanted, python, RESOLVED))
    return wanted.path


def test_a_lock_is_found(dag_file: Path, monkeypatch: pytest.MonkeyPatch):
    """Steps with equal packages have one lock, and nothing is started to find it."""
    path = _lock(dag_file, "alpha", "beta")
    monkeypatch.setenv("PATH", "")
    found = check("d.t", ("beta", "alpha"), dag_file)
    assert found == check("d.other", ("alpha", "beta"), dag_file) == parse(path, path.read_text())
    assert found.text == path.read_text()
    assert len(found.sha256) == 64


@pytest.mark.parametrize(
    ("change", "same"),
    [
        pytest.param(("# via what was asked", "# via beta"), True, id="00 a comment"),
        pytest.param(("# asked: alpha", "# asked: alpha>0"), True, id="01 what was asked"),
        pytest.param(("alpha==1.0", "alpha==1.1"), False, id="10 a version"),
        pytest.param(("sha256:aa", "sha256:ab"), False, id="11 a hash"),
        pytest.param(("# asked", "# python: 3.12\n# asked"), False, id="12 the Python"),
    ],
)
def test_the_hash_is_of_the_resolution(dag_file: Path, change: tuple[str, str], same: bool):
    """Two locks with the same hash give the same environment."""
    path = _lock(dag_file, "alpha")
    before = path.read_text()
    assert change[0] in before
    assert (parse(path, before).sha256 == parse(path, before.replace(*change)).sha256) is same


@pytest.mark.parametrize(
    ("locked", "asked", "says"),
    [
        pytest.param((), ("alpha",), "The packages of step 'd.t' are not locked: there is no ", id="00 missing"),
        pytest.param(("alpha",), ("alpha", "beta"), "are not locked", id="01 other packages"),
        pytest.param(("r.txt",), ("r.txt",), "is out of date: +alpha>1, -alpha.", id="10 a changed file"),
    ],
)
def test_a_lock_that_does_not_fit_is_an_error(
    dag_file: Path, locked: tuple[str, ...], asked: tuple[str, ...], says: str
):
    """The DAG does not load, and the error has the command that helps."""
    requirements = dag_file.parent / "r.txt"
    requirements.write_text("alpha\n")
    if locked:
        _lock(dag_file, *locked)
    requirements.write_text("alpha>1\n")
    with pytest.raises(StepEnvironmentError) as error:
        check("d.t", asked, dag_file)
    assert says in error.value.message
    assert error.value.fix == f"Run: skyrail lock {dag_file}"


def test_with_auto_lock_it_is_made_later(dag_file: Path, monkeypatch: pytest.MonkeyPatch):
    """A person's machine needs no second command: the lock is still to be made."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    found = check("d.t", ("alpha",), dag_file)
    assert (found.sha256, found.text) == ("", "")
    assert not found.path.exists()


def test_collecting_refuses_nothing(dag_file: Path):
    """`skyrail lock` sees what is asked for where nothing is locked yet."""
    with collecting() as found:
        check("d.t", ("alpha",), dag_file)
    assert [wanted.requirements for wanted in found] == [("alpha",)]
    with pytest.raises(StepEnvironmentError):
        check("d.t", ("alpha",), dag_file)


def test_the_lock_holds_for_every_python(index, dag_file: Path):
    """What uv resolves is kept with its hashes, and made again it is the same."""
    wanted = wanted_by("d.t", ("gamma",), dag_file)
    text = resolve.resolve(wanted)
    assert locks.asked(text) == ("gamma",)
    assert [line for line in text.splitlines() if "==" in line] == ["alpha==1.1 \\", "gamma==1.0 \\"]
    assert text.count("--hash=sha256:") == 2
    assert "/tmp" not in text
    assert resolve.resolve(wanted) == text


def test_versions_are_kept_unless_upgraded(index, dag_file: Path):
    """A lock that is made again keeps its versions; `--upgrade` takes the newest."""
    requirements = dag_file.parent / "r.txt"
    requirements.write_text("alpha<2\n")
    wanted = wanted_by("d.t", ("r.txt",), dag_file)
    resolve.write(wanted.path, resolve.resolve(wanted))
    requirements.write_text("alpha\nbeta; python_version < '3'\n")
    wanted = wanted_by("d.t", ("r.txt",), dag_file)
    assert "alpha==1.1" in resolve.resolve(wanted)
    assert "alpha==2.0" in resolve.resolve(wanted, upgrade=True)


def test_a_lock_remembers_its_python(index, dag_file: Path):
    """A lock for one Python can hold what needs it, and stays for that Python."""
    wanted = wanted_by("d.t", ("newer",), dag_file)
    resolve.write(wanted.path, resolve.resolve(wanted, python="3.12"))
    assert check("d.t", ("newer",), dag_file).python == "3.12"
    assert parse(wanted.path, resolve.resolve(wanted)).python == "3.12"


def test_a_step_that_runs_locks_into_the_cache(
    index, dag_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """Nothing is written beside the DAG while a run goes on; the log says how to keep the lock, and it is found."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    with caplog.at_level("INFO"):
        made = resolve.settle(wanted_by("d.t", ("beta",), dag_file), dag_file)
    assert made.path.parent == tmp_path / "cache" / "locks"
    assert list(dag_file.parent.iterdir()) == [dag_file]
    assert f"run `skyrail lock {dag_file}` and commit" in caplog.text
    assert check("d.t", ("beta",), dag_file) == made
    assert check("d.t", ("beta",), dag_file).folder == dag_file.parent


def test_a_lock_beside_the_dag_comes_first(index, dag_file: Path, monkeypatch: pytest.MonkeyPatch):
    """What was committed is what runs."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    resolve.settle(wanted_by("d.t", ("alpha",), dag_file), dag_file)
    path = _lock(dag_file, "alpha")
    assert check("d.t", ("alpha",), dag_file).path == path


def test_two_folders_of_dags_share_a_cache(index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Requirements files of the same name and other content have a lock each, and neither is made twice."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK", "True")
    files = [tmp_path / "a" / "dag.py", tmp_path / "b" / "dag.py"]
    for file, requirement in zip(files, ("alpha", "gamma"), strict=True):
        file.parent.mkdir()
        (file.parent / "requirements.txt").write_text(requirement)
    made = [resolve.settle(wanted_by("d.t", ("requirements.txt",), file), file) for file in files]
    assert made[0].path != made[1].path
    assert [check("d.t", ("requirements.txt",), file) for file in files] == made
