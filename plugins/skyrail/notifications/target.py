"""The family of targets. A new one is a module with a subclass, and a line in `send.TARGETS`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from skyrail.notifications.message import Message
from skyrail.settings import NotificationSettings


class Target(ABC):
    """One way to reach somebody.

    Override, in this order: `name` and `fix`, `is_configured`, `send`. What `send` raises is logged with `fix` and
    does not keep the message from the other targets.
    """

    name: ClassVar[str]
    """One word, the label of the metric."""

    def __init__(self, settings: NotificationSettings) -> None:
        self.settings = settings

    @property
    @abstractmethod
    def fix(self) -> str:
        """What to do when it fails, a sentence that starts with Check."""

    @abstractmethod
    def is_configured(self) -> bool:
        """Return whether the settings want messages there."""

    @abstractmethod
    def send(self, message: Message) -> None:
        """Deliver one message, or raise."""
