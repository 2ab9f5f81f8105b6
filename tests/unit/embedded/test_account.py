"""Folders above the database are opened as little as can be, and never to everybody."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from skyrail.embedded.account import Account, open_path
from skyrail.errors import EmbeddedError


@pytest.mark.parametrize(
    ("mode", "after"),
    [
        pytest.param(0o755, 0o755, id="00 open already"),
        pytest.param(0o711, 0o711, id="01 can be passed already"),
        pytest.param(0o710, 0o710, id="02 by the group too"),
        pytest.param(0o700, 0o710, id="10 closed: passed by the group, not listed, not by others"),
    ],
)
def test_only_the_passage_of_the_group_is_added(mode: int, after: int, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(mode)
    said = open_path(Account("somebody", os.geteuid() + 1, folder.stat().st_gid), folder / "postgres")
    assert stat.S_IMODE(folder.stat().st_mode) == after
    assert [str(folder) in sentence for sentence in said if "closed" in sentence] == ([True] if mode != after else [])


def test_a_folder_that_cannot_be_opened_like_that_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    with pytest.raises(EmbeddedError, match="cannot pass through ") as refusal:
        open_path(Account("somebody", os.geteuid() + 1, folder.stat().st_gid + 1), folder / "postgres")
    assert "chmod o+x" in refusal.value.fix
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
