"""New messages are read once, whole, and whatever else lies in the file disturbs nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrail.embedded.inbox import Inbox, Message


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        pytest.param('{"title": "a", "message": "b"}\n', [Message("a", "b")], id="00 a message"),
        pytest.param('{"title": "a"}\n{"title": "b"}\n', [Message("a"), Message("b")], id="01 two"),
        pytest.param(
            '{"title": "a", "severity": "error", "link": "l"}\n', [Message("a", "", "error", "l")], id="02 all"
        ),
        pytest.param('{"title": "a"', [], id="10 half a line waits"),
        pytest.param('no json\n{"title": "a"}\n', [Message("a")], id="20 a line that is no message"),
        pytest.param('[1]\n"x"\n{"at": 1}\n', [], id="21 nor are these"),
    ],
)
def test_new_lines(added: str, expected: list[Message], tmp_path: Path) -> None:
    file = tmp_path / "inbox"
    file.write_text('{"title": "old"}\n')
    inbox = Inbox(file)
    with file.open("a") as lines:
        lines.write(added)
    assert list(inbox.new()) == expected
    assert list(inbox.new()) == []


def test_half_a_line_is_read_when_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "inbox"
    inbox = Inbox(file)
    assert list(inbox.new()) == []
    file.write_text('{"title":')
    assert list(inbox.new()) == []
    with file.open("a") as lines:
        lines.write(' "a"}\n')
    assert list(inbox.new()) == [Message("a")]


def test_a_file_that_was_replaced_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "inbox"
    file.write_text('{"title": "a long old message"}\n')
    inbox = Inbox(file)
    file.write_text('{"title": "new"}\n')
    assert list(inbox.new()) == [Message("new")]
