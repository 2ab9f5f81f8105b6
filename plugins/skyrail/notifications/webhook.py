"""A webhook, through Airflow's own notifier and an HTTP connection: chat systems, pagers, own services."""

from __future__ import annotations

import dataclasses

from skyrail.notifications.message import Message
from skyrail.notifications.target import Target

TIMEOUT_SECONDS = 10


class WebhookTarget(Target):
    """Post each message as JSON: `at`, `severity`, `title`, `message`, `link`, and `text`, which chat systems show."""

    name = "webhook"

    @property
    def fix(self) -> str:
        """Name the connection, and what belongs into it."""
        return (
            f"Check the Airflow connection {self.settings.webhook_conn_id!r}: its host is the whole address, and "
            "headers that the receiver wants go into its extra."
        )

    def is_configured(self) -> bool:
        """Return whether there is a connection."""
        return bool(self.settings.webhook_conn_id)

    def send(self, message: Message) -> None:
        """Post the message; an answer other than success raises."""
        from airflow.providers.http.notifications.http import HttpNotifier

        link = message.absolute_link()
        text = "\n".join(part for part in (message.title, message.message, link) if part)
        HttpNotifier(
            http_conn_id=self.settings.webhook_conn_id,
            json={**dataclasses.asdict(message), "link": link, "text": text},
            extra_options={"timeout": TIMEOUT_SECONDS},
        ).notify({})
