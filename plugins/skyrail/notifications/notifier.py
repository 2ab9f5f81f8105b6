"""Skyrail's notifier for callbacks of DAGs and tasks, on Airflow's notifiers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from skyrail.notifications.message import Message
from skyrail.notifications.send import send

if TYPE_CHECKING:
    from airflow.sdk import Context


class SkyrailNotifier(BaseNotifier):
    """Send a message to every target of `[skyrail_notifications]`, for example when a task fails.

    `title`, `message` and `link` are templates::

        @task.step(on_failure_callback=SkyrailNotifier("{{ ti.task_id }} failed", link="{{ ti.log_url }}"))
    """

    template_fields: Sequence[str] = ("title", "message", "link")

    def __init__(self, title: str, message: str = "", severity: str = "warning", link: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        Message.make(title, severity=severity)  # a mistake shows when the DAG is parsed, not when something has failed
        self.title = title
        self.message = message
        self.severity = severity
        self.link = link

    def notify(self, context: Context) -> None:  # noqa: ARG002 (the templates have used it)
        """Send the message.

        Raises:
            SkyrailError: not one target could be reached.
        """
        send(Message.make(self.title, self.message, severity=self.severity, link=self.link))
