"""What is sent: the same few fields for every target."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from skyrail.errors import SkyrailError

SEVERITIES = ("info", "warning", "critical")


@dataclass(frozen=True)
class Message:
    """A message to people; `at` is ISO 8601 in UTC."""

    at: str
    severity: str
    title: str
    message: str
    link: str

    @classmethod
    def make(cls, title: str, message: str = "", *, severity: str = "warning", link: str = "") -> Message:
        """Make a message of this moment.

        Raises:
            SkyrailError: there is no such severity.
        """
        if severity not in SEVERITIES:
            raise SkyrailError(
                f"The message {title!r} has the severity {severity!r}, which does not exist.",
                fix=f"Use one of {', '.join(SEVERITIES)}.",
            )
        # A title is one line everywhere: in the terminal, in a table, in the subject of a mail.
        at = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(at=at, severity=severity, title=" ".join(title.split()), message=message.strip(), link=link)

    def absolute_link(self) -> str:
        """Return the link as somebody outside Airflow's pages can follow it, as far as the address is configured."""
        from airflow.configuration import conf

        base = conf.get("api", "base_url", fallback="") or ""
        # Joined by hand: urljoin would drop the sub-path that a deployment may live below.
        return base.rstrip("/") + self.link if self.link.startswith("/") else self.link
