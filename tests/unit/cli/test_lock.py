"""`skyrail lock` and `skyrail env`: from DAG files to environments, with the real uv and an index of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.steps.environments.index import serving, wheel

DAG = """
from airflow.sdk import dag, task

@dag(schedule=None)
def example():
    @task.step(packages=["alpha<2"])
    def one(): ...

    @task.step(packages=["alpha<2"])
    def two(): ...

    @task.step(packages="requirements/three.txt")
    def three(n): ...

    one() >> two()
    three.expand(n=[1, 2])

example()
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def skyrail(tmp_path: Path):
    """Run the command in a folder with a DAG, and an index that has what it asks for."""
    wheels = tmp_path / "wheels"
    (tmp_path / "dags" / "requirements").mkdir(parents=True)
    wheels.mkdir()
    for version in ("1.0", "2.0"):
        wheel(wheels, "alpha", version)
    (tmp_path / "dags" / "example.py").write_text(DAG)
    (tmp_path / "dags" / "requirements" / "three.txt").write_text("alpha\n")
    with serving(wheels) as index:
        settings = {
            "UV_CACHE_DIR": str(tmp_path / "uv"),
            "UV_DEFAULT_INDEX": index.url,
            "UV_NO_CONFIG": "1",
            "UV_HTTP_RETRIES": "0",
            "COLUMNS": "300",
            "NO_COLOR": "1",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "SKYRAIL", "UV"))}

        def go(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
            command = [sys.executable, "-m", "skyrail.cli", *arguments]
            environment = {**kept, **settings, **variables}
            return subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
            )

        yield go


def test_locks_are_made_checked_and_kept(skyrail: Run, tmp_path: Path):
    """One lock for steps with equal packages; what fits is left alone; a changed file is noticed and locked again."""
    missing = skyrail("lock", "--check")
    assert missing.returncode == 1
    assert missing.stdout.count("are not locked") == 2
    assert not (tmp_path / "dags" / "locks").exists()

    made = skyrail("lock")
    assert (made.returncode, made.stderr) == (0, "")
    locks = sorted((tmp_path / "dags" / "locks").iterdir())
    assert [lock.name.rpartition("-")[0] for lock in locks] == ["alpha", "requirements-three"]
    assert [("alpha==1.0" in lock.read_text(), "alpha==2.0" in lock.read_text()) for lock in locks] == [
        (True, False),
        (False, True),
    ]
    assert skyrail("lock", "--check", "dags/example.py").returncode == 0
    assert skyrail("lock").stdout.count("  fits\n") == 2

    (tmp_path / "dags" / "requirements" / "three.txt").write_text("alpha==1.*\n")
    outdated = skyrail("lock", "--check")
    assert outdated.returncode == 1
    assert "is out of date: +alpha==1.*, -alpha." in outdated.stdout
    assert skyrail("lock").returncode == 0
    assert "alpha==1.0" in locks[1].read_text()


@pytest.mark.parametrize(
    ("requirements", "arguments", "says"),
    [
        pytest.param("alpha==9\n", ["lock"], "there is no version of alpha==9", id="00 what cannot be resolved"),
        pytest.param("alpha\n", ["lock", "nowhere"], "Error: There is no nowhere.", id="10 no such path"),
        pytest.param("-e .\n", ["lock"], "has no hash to be locked by", id="20 what cannot be locked"),
        pytest.param("alpha\n", ["env", "bake", "--into", "x"], "are not locked", id="30 baking before locking"),
    ],
)
def test_what_is_refused(skyrail: Run, tmp_path: Path, requirements: str, arguments: list[str], says: str):
    """Exit code 1 and a sentence, and what can be locked is."""
    (tmp_path / "dags" / "requirements" / "three.txt").write_text(requirements)
    done = skyrail(*arguments)
    assert done.returncode == 1
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list((tmp_path / "dags").glob("locks/alpha-*.txt"))) == (arguments == ["lock"])


def test_a_file_that_does_not_load_is_named(skyrail: Run, tmp_path: Path):
    """The other files are locked all the same."""
    (tmp_path / "dags" / "broken.py").write_text("from airflow.sdk import dag\nraise ValueError('not today')\n")
    done = skyrail("lock")
    assert done.returncode == 1
    assert "broken.py cannot be loaded: ValueError: not today" in done.stderr
    assert len(list((tmp_path / "dags" / "locks").iterdir())) == 2


def test_environments_are_baked_listed_and_cleaned(skyrail: Run, tmp_path: Path):
    """A baked folder has each environment; the cache of this machine is listed and emptied."""
    assert skyrail("lock").returncode == 0
    baked = skyrail("env", "bake", "--into", "baked")
    assert baked.returncode == 0, baked.stderr
    assert baked.stdout.count("  built\n") == 2
    assert f"AIRFLOW__SKYRAIL_ENVIRONMENTS__BAKED={tmp_path}/baked" in baked.stdout
    assert skyrail("env", "bake", "--into", "baked").stdout.count("  was there\n") == 2
    assert "No environment is built" in skyrail("env", "list").stdout

    (tmp_path / ".skyrail" / "airflow").mkdir(parents=True)
    (tmp_path / "baked").rename(tmp_path / ".skyrail" / "airflow" / "environments")
    listed = skyrail("env", "list").stdout
    assert listed.count("py3") == 2
    assert str(tmp_path / "dags" / "locks" / "requirements-three") in listed
    assert "Removed 2 environments" in skyrail("env", "clean").stdout
    assert "No environment is built" in skyrail("env", "list").stdout
