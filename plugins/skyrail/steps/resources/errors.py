"""What is refused about needs and resource classes."""

from __future__ import annotations

from skyrail.errors import StepError


class ResourceError(StepError):
    """A step asks for something that no place has, or the list of places cannot be used."""
