"""Secrets are made once, and never changed."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from skyrail.errors import SkyrailError
from skyrail.operations import secret_files


def content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in sorted(folder.iterdir())}


def test_each_secret_is_a_file_that_its_owner_alone_can_read(tmp_path: Path):
    made = secret_files.ensure(tmp_path)
    assert sorted(made) == sorted([*secret_files.GENERATED, *secret_files.ADDRESSES]) == sorted(content(tmp_path))
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {0o600}


def test_no_two_are_alike(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in "ab":
        secret_files.ensure(tmp_path / name)
    values = [text for name in "ab" for text in content(tmp_path / name).values()]
    assert len(set(values)) == len(values)
    assert len(base64.urlsafe_b64decode(content(tmp_path / "a")["fernet-key"])) == 32


def test_a_second_run_changes_nothing(tmp_path: Path):
    secret_files.ensure(tmp_path)
    before = content(tmp_path)
    assert secret_files.ensure(tmp_path) == []
    assert content(tmp_path) == before


def test_a_run_that_was_cut_off_is_completed_from_what_is_there(tmp_path: Path):
    """A password that a database has already must not change under it."""
    secret_files.ensure(tmp_path)
    before = content(tmp_path)
    for name in ("jwt-secret", "airflow-database"):
        (tmp_path / name).unlink()
    assert secret_files.ensure(tmp_path) == ["jwt-secret", "airflow-database"]
    after = content(tmp_path)
    assert {name for name in after if after[name] != before[name]} == {"jwt-secret"}


def test_an_empty_secret_stops_everything(tmp_path: Path):
    (tmp_path / "fernet-key").write_text("\n")
    with pytest.raises(SkyrailError, match=r"fernet-key is empty\.\nRestore it from a backup"):
        secret_files.ensure(tmp_path)
