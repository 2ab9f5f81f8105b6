"""One-time sign-in links: made by the command line, used up once by the api-server."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skyrail.auth.links import Redemption, create_link_token, redeem
from skyrail.errors import SkyrailError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "login"


def test_a_link_works_once(folder: Path):
    """The first attempt is accepted, every later one hears that the link was used."""
    token = create_link_token(folder)
    assert [redeem(folder, token) for _ in range(3)] == [Redemption.ACCEPTED, Redemption.USED, Redemption.USED]


def test_of_many_attempts_at_once_one_wins(folder: Path):
    """Two clicks, or two api-servers, never both sign in."""
    tokens = [create_link_token(folder) for _ in range(20)]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda token: redeem(folder, token), tokens * 8))
    assert results.count(Redemption.ACCEPTED) == len(tokens)
    assert set(results) == {Redemption.ACCEPTED, Redemption.USED}


def test_an_old_link_is_refused(folder: Path):
    """A link that has expired says so."""
    assert redeem(folder, create_link_token(folder, lifetime_seconds=-1)) is Redemption.EXPIRED


def test_one_link_does_not_spend_another(folder: Path):
    """Several links may be good at once."""
    first, second = create_link_token(folder), create_link_token(folder)
    assert redeem(folder, second) is Redemption.ACCEPTED
    assert redeem(folder, first) is Redemption.ACCEPTED


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="00 nothing"),
        pytest.param("x" * 43, id="10 never made"),
        pytest.param("x" * 42, id="20 cut off"),
        pytest.param("x" * 100_000, id="30 far too long"),
        pytest.param("../../../../etc/passwd", id="40 a path"),
        pytest.param("\x00" * 43, id="50 NUL bytes"),
        pytest.param("é" * 43, id="60 not ASCII"),
        pytest.param("x" * 43 + "\n", id="70 a line end after it"),
    ],
)
def test_garbage_is_refused(folder: Path, token: str):
    """Nothing that was not made here is accepted, and nothing crashes."""
    create_link_token(folder)
    assert redeem(folder, token) is Redemption.UNKNOWN


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="00 empty"),
        pytest.param("soon", id="10 no number"),
        pytest.param("\xff\xfe", id="20 binary"),
        pytest.param("inf", id="30 never"),
    ],
)
def test_a_damaged_file_accepts_nobody(folder: Path, content: str):
    """Half-written or changed files count as expired."""
    token = create_link_token(folder)
    [file] = folder.iterdir()
    file.write_text(content, encoding="latin-1")
    assert redeem(folder, token) is Redemption.EXPIRED


def test_no_folder_accepts_nobody(folder: Path):
    """A missing folder is as good as an empty one."""
    assert redeem(folder, "x" * 43) is Redemption.UNKNOWN


def test_the_folder_is_private_and_holds_no_token(folder: Path):
    """Only the owner may look, and what is there signs nobody in."""
    folder.mkdir(mode=0o755)
    token = create_link_token(folder)
    [file] = folder.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in file.name + file.read_text()


def test_old_files_are_swept(folder: Path):
    """Making a link removes what died more than a day ago, and nothing else."""
    fresh = create_link_token(folder)
    create_link_token(folder, lifetime_seconds=-2 * 24 * 3600)
    (folder / "README").write_text("mine")
    create_link_token(folder)
    assert len(list(folder.iterdir())) == 3
    assert redeem(folder, fresh) is Redemption.ACCEPTED


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path):
    """The error says which folder, and what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SkyrailError, match=r"file/login cannot be written .*\n.*user that runs Skyrail"):
        create_link_token(tmp_path / "file" / "login")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_root_makes_links_for_the_owner_of_the_folder(folder: Path):
    """A link that root prints can be used by a platform that runs as somebody else."""
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    create_link_token(folder)
    [file] = folder.iterdir()
    assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)


def test_making_a_link_loads_nothing_heavy():
    """The command line makes links without Airflow."""
    code = "import sys, skyrail.auth.links; print([m for m in ('airflow', 'fastapi', 'jwt') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"
