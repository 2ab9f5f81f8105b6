"""How files differ from the commit, so that an attempt of unsaved code can be made again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skyrail.tracking import git_state
from skyrail.tracking.git_state import Code, GitState, Patch


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
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "dags").mkdir()
    (folder / "dags/dag.py").write_text("x = 1\n")
    (folder / "other.py").write_text("y = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "one")
    return folder


def nothing(_: Path) -> None:
    pass


CHANGES = [
    pytest.param(lambda folder: (folder / "dags/dag.py").write_text("x = 2\n"), id="00 edited"),
    pytest.param(lambda folder: (folder / "dags/new.py").write_text("z\n"), id="01 a new file"),
    pytest.param(lambda folder: (folder / "dags/größe é.py").write_text("z\n"), id="02 with a name of its own"),
    pytest.param(lambda folder: (folder / "other.py").unlink(), id="03 a file gone, elsewhere in the repository"),
    pytest.param(lambda folder: git(folder, "rm", "-q", "other.py"), id="04 staged"),
    pytest.param(lambda folder: (folder / "blob").write_bytes(bytes(range(256))), id="05 a new file that is no text"),
    pytest.param(lambda folder: (folder / "run").symlink_to("other.py"), id="06 a link"),
    pytest.param(lambda folder: (folder / "other.py").chmod(0o755), id="07 made executable"),
    pytest.param(lambda folder: (folder / "dags/latin.py").write_bytes(b"# \xe9\n"), id="08 another encoding"),
]


@pytest.mark.parametrize("change", [pytest.param(nothing, id="09 as committed"), *CHANGES])
def test_the_commit_and_whether_it_is_true(repository: Path, change: Callable[[Path], Any]):
    """A run names its commit, and says when the files were not those of the commit."""
    change(repository)
    assert GitState(repository / "dags").read() == Code(git(repository, "rev-parse", "HEAD"), change is not nothing)


@pytest.mark.parametrize("change", CHANGES)
def test_the_patch_makes_the_files_again(repository: Path, tmp_path: Path, change: Callable[[Path], Any]):
    """Commit and patch together are the code that ran; the repository is left as it was."""
    change(repository)
    before = git(repository, "status", "--porcelain")
    state = GitState(repository / "dags")
    state.read()
    patch = state.patch()
    assert patch.content
    assert git(repository, "status", "--porcelain") == before
    git(tmp_path, "clone", "-q", str(repository), "again")
    (tmp_path / "patch").write_bytes(patch.content)
    git(tmp_path / "again", "apply", str(tmp_path / "patch"))
    assert files(tmp_path / "again") == files(repository)


def files(folder: Path) -> dict[str, Any]:
    paths = [path for path in folder.rglob("*") if ".git" not in path.parts and not path.is_dir()]
    return {
        str(path.relative_to(folder)): (path.is_symlink(), path.stat().st_mode & 0o100, path.read_bytes())
        for path in paths
    }


def test_an_ignored_file_is_not_a_change(repository: Path):
    """What the repository ignores says nothing about the code."""
    (repository / ".gitignore").write_text("out\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    (repository / "out").write_text("x")
    state = GitState(repository)
    assert not state.read().dirty
    assert state.patch() == Patch(b"")


@pytest.mark.parametrize(
    ("write", "sentence"),
    [
        pytest.param(lambda folder: (folder / "data").write_bytes(os.urandom(6 << 20)), "Untracked files of 6 MB",
                     id="00 data that git does not ignore"),
        pytest.param(lambda folder: (folder / "other.py").write_bytes(os.urandom(6 << 20)), "more than 5 MiB",
                     id="01 a tracked file that grew"),
    ],
)  # fmt: skip
def test_a_patch_too_large_is_not_known(repository: Path, write: Callable[[Path], Any], sentence: str):
    """Half a patch would be worse than none: it says so instead."""
    write(repository)
    state = GitState(repository)
    assert state.read().dirty
    assert state.patch().content is None
    assert sentence in state.patch().why_not


def test_files_that_are_secret_by_name_stay_out(repository: Path):
    """A key that lies about untracked does not travel with the record."""
    for name in (".env", "server.key", "aws_credentials"):
        (repository / name).write_text("hunter2")
    (repository / "new.py").write_text("z\n")
    state = GitState(repository)
    state.read()
    patch = state.patch()
    assert b"hunter2" not in (patch.content or b"")
    assert b"new.py" in (patch.content or b"")
    assert patch.why_not.startswith("Not in the patch, for their names:")


def test_no_repository_is_no_commit(tmp_path: Path):
    """Code outside git is recorded without a commit."""
    assert GitState(tmp_path).read() == Code()


def test_a_repository_without_commits(tmp_path: Path):
    """Before the first commit there is none to name, and nothing that files could differ from."""
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("")
    state = GitState(tmp_path)
    assert state.read() == Code("", True)
    assert state.patch().content is None


def test_no_git_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A machine without git records without a commit."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert GitState(tmp_path).read() == Code()


def test_git_that_takes_too_long_is_not_waited_for(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A repository on a slow disk costs a bounded time and its commit."""
    slow = tmp_path / "bin/git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(git_state, "GIT_SECONDS", 0.2)
    assert GitState(repository).read() == Code()
