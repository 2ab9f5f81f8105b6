"""The state folder: found, made, closed to others."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from skyrail.embedded.home import Home


@pytest.mark.parametrize(
    ("option", "variable", "expected"),
    [
        pytest.param(None, None, "work/.skyrail", id="00 in the current directory"),
        pytest.param(None, "", "work/.skyrail", id="01 an empty SKYRAIL_HOME is none"),
        pytest.param(None, "../other", "other", id="10 SKYRAIL_HOME"),
        pytest.param("mine", "../other", "work/mine", id="20 the option goes first"),
    ],
)
def test_the_folder_is_the_option_the_variable_or_the_default(
    option: str | None, variable: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.delenv("SKYRAIL_HOME", raising=False)
    if variable is not None:
        monkeypatch.setenv("SKYRAIL_HOME", variable)
    home = Home.locate(Path(option) if option else None)
    assert home.path.is_absolute()
    assert home.path.resolve() == tmp_path / expected


def test_all_folders_are_closed_to_other_users(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    folders = [home.path, *(folder for folder in home.path.rglob("*") if folder.is_dir())]
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders if folder != home.artifacts.parent} == {0o700}


def test_git_never_adds_the_folder(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    assert (home.path / ".gitignore").read_text() == "*\n"
