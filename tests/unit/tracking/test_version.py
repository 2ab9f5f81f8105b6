"""What makes an attempt's version."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skyrail.tracking import version


def git(folder: Path, *arguments: str) -> str:
    identity = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b",
    }
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **identity},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "dag.py").write_text("x = 1\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "one")
    return tmp_path


@pytest.mark.parametrize(
    ("change", "dirty"),
    [
        pytest.param(lambda _: None, False, id="00 as committed"),
        pytest.param(lambda folder: (folder / "dag.py").write_text("x = 2\n"), True, id="10 edited"),
        pytest.param(lambda folder: (folder / "new.py").write_text(""), True, id="11 a new file"),
        pytest.param(lambda folder: (folder / "dag.py").unlink(), True, id="12 a file gone"),
        pytest.param(lambda folder: git(folder, "rm", "-q", "--cached", "dag.py"), True, id="13 staged"),
    ],
)
def test_the_commit_and_whether_it_is_true(repository: Path, change: Callable[[Path], Any], dirty: bool):
    """A run names its commit, and says when the files were not those of the commit."""
    change(repository)
    head = git(repository, "rev-parse", "HEAD")
    assert version.GitState(repository).read() == version.Code(head, dirty)


def test_an_ignored_file_is_not_a_change(repository: Path):
    """What the repository ignores says nothing about the code."""
    (repository / ".gitignore").write_text("out\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    (repository / "out").write_text("x")
    assert not version.GitState(repository).read().dirty


def test_no_repository_is_no_commit(tmp_path: Path):
    """Code outside git is recorded without a commit."""
    assert version.GitState(tmp_path).read() == version.Code()


def test_a_repository_without_commits(tmp_path: Path):
    """Before the first commit there is none to name, and the files differ from nothing."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("")
    assert version.GitState(tmp_path).read() == version.Code("", True)


def test_no_git_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without git records without a commit."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert version.GitState(tmp_path).read() == version.Code()


def load(source: str, tmp_path: Path, name: str) -> Callable[..., Any]:
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(source))
    namespace: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), namespace)
    return namespace["f"] if "f" in namespace else namespace["g"]()


def test_equal_source_has_one_hash(tmp_path: Path):
    """A function's hash follows its text: not where it stands, but any change of it."""
    one = version.source_sha256(load("def f(x):\n    return x\n", tmp_path, "one"))
    nested = "def g():\n    def f(x):\n        return x\n    return f\n"
    assert version.source_sha256(load(nested, tmp_path, "two")) == one
    assert version.source_sha256(load("def f(x):\n    return x + 0\n", tmp_path, "three")) != one
    assert len(one) == 64


def test_a_function_without_source_has_no_hash():
    """What was made in a shell is recorded without a hash."""
    assert version.source_sha256(eval("lambda x: x")) == ""


def test_the_environment_has_one_hash_and_a_cache(tmp_path: Path):
    """The hash is the same each time; a broken cache is written anew; one that cannot be written is done without."""
    first = version.environment_sha256(tmp_path / "cache")
    [kept] = (tmp_path / "cache").iterdir()
    assert version.environment_sha256(tmp_path / "cache") == first == kept.read_text()
    assert version.environment_sha256(Path("/proc/nowhere")) == first


def test_the_environment_lists_what_is_installed():
    """Interpreter and platform first, then each distribution once."""
    listed = version.environment()
    assert listed[0].startswith("python==")
    assert any(line.startswith("apache-airflow-core==3.3.") for line in listed)
    assert len(listed) == len(set(listed))
