"""Hand one message to every configured target; one that fails does not stop the others."""

from __future__ import annotations

import logging

from skyrail.errors import SkyrailError
from skyrail.metrics.registry import NOTIFICATIONS, incr
from skyrail.notifications.email import EmailTarget
from skyrail.notifications.inbox import InboxTarget
from skyrail.notifications.message import Message
from skyrail.notifications.target import Target
from skyrail.notifications.webhook import WebhookTarget
from skyrail.settings import NotificationSettings, load

log = logging.getLogger(__name__)

# The inbox first: it is local, so the message is on screen before a mail server has answered.
TARGETS: tuple[type[Target], ...] = (InboxTarget, EmailTarget, WebhookTarget)


def send(message: Message, settings: NotificationSettings | None = None) -> None:
    """Send a message to every target that the settings configure.

    Raises:
        SkyrailError: every configured target failed, so that nobody was reached.
    """
    settings = settings or load(NotificationSettings)
    targets = [target for kind in TARGETS if (target := kind(settings)).is_configured()]
    if not targets:
        log.warning(
            "The message %r has nowhere to go. Set inbox, email_to or webhook_conn_id in [skyrail_notifications].",
            message.title,
        )
        return
    failed = {target: problem for target in targets if (problem := _try(target, message))}
    if len(failed) == len(targets):
        raise SkyrailError(
            f"The message {message.title!r} reached nobody: "
            + "; ".join(f"{target.name} failed with {problem}" for target, problem in failed.items())
            + ".",
            fix="\n".join(target.fix for target in failed),
        )


def _try(target: Target, message: Message) -> str:
    """Send to one target; return what went wrong, or nothing."""
    try:
        target.send(message)
    except Exception as error:  # whatever a target's library raises, the other targets still get the message
        problem = f"{type(error).__name__}: {error}".rstrip(".")
        log.error("The message %r did not reach %s (%s). %s", message.title, target.name, problem, target.fix)
        incr(NOTIFICATIONS, target=target.name, outcome="failed")
        return problem
    incr(NOTIFICATIONS, target=target.name, outcome="sent")
    return ""
