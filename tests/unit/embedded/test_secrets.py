"""Secrets are made once, kept, and seen by nobody else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from skyrail.embedded import secrets
from skyrail.embedded.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


def test_they_are_made_once(home: Home) -> None:
    first = secrets.ensure(home)
    assert secrets.ensure(home) == first
    assert secrets.read(home) == first


def test_two_homes_share_none(tmp_path: Path, home: Home) -> None:
    other = Home(tmp_path / "other")
    other.create()
    assert not set(vars(secrets.ensure(home)).values()) & set(vars(secrets.ensure(other)).values())


def test_only_the_owner_can_read_them_even_if_somebody_opened_the_file(home: Home) -> None:
    secrets.ensure(home)
    home.secrets.chmod(0o644)
    secrets.ensure(home)
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600


def test_airflow_can_use_the_fernet_key(home: Home) -> None:
    Fernet(secrets.ensure(home).fernet_key)


def test_printing_them_shows_nothing(home: Home) -> None:
    made = secrets.ensure(home)
    assert not [value for value in vars(made).values() if value in f"{made} {made!r}"]
