"""What can go wrong between `packages=` and a ready interpreter."""

from __future__ import annotations

from skyrail.errors import StepError


class StepEnvironmentError(StepError):
    """A step's own environment cannot be locked, built or used."""


class StepKilledError(StepError):
    """The process of a step's body was ended by a signal."""
