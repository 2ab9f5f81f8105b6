"""Read the messages that the notifier left in its inbox file, newest first."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

# Enough for some hundred messages; an inbox that grew for a year is not read whole for each page.
TAIL_BYTES = 128 * 1024


@dataclass(frozen=True)
class Message:
    """One message."""

    at: datetime | None
    severity: str
    title: str
    message: str
    link: str


def read_inbox(file: str, limit: int = 20) -> tuple[Message, ...]:
    """Return the newest messages; lines that are not messages are left out, a missing file is an empty inbox."""
    if not file:
        return ()
    try:
        with Path(file).open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - TAIL_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return ()
    messages = (message for line in reversed(lines) if (message := _message(line)) is not None)
    return tuple(message for message, _ in zip(messages, range(limit), strict=False))


def _message(line: bytes) -> Message | None:
    try:
        entry: Any = json.loads(line)
        words = {name: str(entry.get(name) or "") for name in ("severity", "title", "message", "link")}
    except (ValueError, AttributeError):  # cut off at the tail's beginning, or half written
        return None
    # Anybody's link would be followed from a signed-in page.
    link = words.pop("link")
    return Message(
        at=_moment(entry.get("at")), link=link if link.startswith(("http://", "https://", "/")) else "", **words
    )


def _moment(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
