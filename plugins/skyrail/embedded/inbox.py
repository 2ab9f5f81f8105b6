"""Messages for people, as the platform writes them: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Message:
    """One message."""

    title: str = ""
    message: str = ""
    severity: str = "info"
    link: str = ""


class Inbox:
    """The lines that are added to the file from now on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = path.stat().st_size if path.exists() else 0

    def new(self) -> Iterator[Message]:
        """Return the messages added since the last call. A line that is not complete yet waits for the next."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self.position:  # the file was replaced
                    self.position = 0
                file.seek(self.position)
                for line in file:
                    if not line.endswith(b"\n"):
                        break
                    self.position += len(line)
                    if message := _parse(line):
                        yield message
        except FileNotFoundError:
            return


def _parse(line: bytes) -> Message | None:
    try:
        value = json.loads(line)
        texts = {name: str(value[name]) for name in ("title", "message", "severity", "link") if value.get(name)}
    except (ValueError, AttributeError):
        return None
    return Message(**texts) if "title" in texts or "message" in texts else None
