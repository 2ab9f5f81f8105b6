"""The inbox: a file that `skyrail up` shows in the terminal, and the Skyrail page to whoever is signed in."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

from skyrail.notifications.message import Message
from skyrail.notifications.target import Target


class InboxTarget(Target):
    """Append each message to a file, as a JSON object on a line of its own."""

    name = "inbox"

    @property
    def fix(self) -> str:
        """Name the file."""
        return f"Check that {self.settings.inbox} can be written and its disk is not full, or set another inbox."

    def is_configured(self) -> bool:
        """Return whether there is a file."""
        return bool(self.settings.inbox)

    def send(self, message: Message) -> None:
        """Append the message; writers in other processes never mix their lines with it."""
        line = json.dumps(dataclasses.asdict(message), ensure_ascii=False).encode() + b"\n"
        file = Path(self.settings.inbox)
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # One write with O_APPEND is what keeps lines whole, so it is not continued when it was cut short.
            if os.write(descriptor, line) < len(line):
                os.write(descriptor, b"\n")
                raise OSError(f"{file} took only a part of the message")
        finally:
            os.close(descriptor)
