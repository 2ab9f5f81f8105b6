"""Every error that Skyrail raises on purpose: what went wrong, where, and what to do next."""

from __future__ import annotations


class SkyrailError(Exception):
    """Say what went wrong and, in `fix`, what the reader can do about it."""

    def __init__(self, message: str, *, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.message}\n{self.fix}" if self.fix else self.message


class SettingsError(SkyrailError):
    """A value in the configuration cannot be used."""


class EmbeddedError(SkyrailError):
    """The embedded platform (`skyrail up`) cannot start or go on."""


class StepError(SkyrailError):
    """A step was declared or used in a way that cannot work."""


class ArtifactError(SkyrailError):
    """A stored result cannot be written, or cannot be read back as it was written."""


class TrackingError(SkyrailError):
    """The tracking server refused something that the caller needs an answer to."""
