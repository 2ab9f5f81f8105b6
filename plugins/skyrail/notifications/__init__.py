"""Reach a person: one message to every target that `[skyrail_notifications]` configures."""

from __future__ import annotations

from typing import Any


def notify(title: str, message: str = "", *, severity: str = "warning", link: str = "") -> None:
    """Send a message to every configured target, for example from inside a step.

    The text is sent as it is. `severity` is "info", "warning" or "critical"; `link` is an address, or a path of the
    api-server such as "/skyrail/models/flight-delay".

    Raises:
        SkyrailError: targets are configured, and not one could be reached.
    """
    # Nothing is loaded until there is something to say: task processes import this package.
    from skyrail.notifications.message import Message
    from skyrail.notifications.send import send

    send(Message.make(title, message, severity=severity, link=link))


def __getattr__(name: str) -> Any:
    if name == "SkyrailNotifier":
        from skyrail.notifications.notifier import SkyrailNotifier

        return SkyrailNotifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
