"""What a step says it needs."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.quantities import cpus, memory, say_bytes, say_cpus


@dataclass(frozen=True)
class Needs:
    """The stated needs of a step; None is what was not said."""

    cpu: float | None = None
    """CPUs."""
    memory: int | None = None
    """Bytes."""
    gpu: int | None = None
    gpu_type: str | None = None
    """A type that some resource class names, in lower case."""
    disk: int | None = None
    """Bytes."""
    shared_memory: int | None = None
    """Bytes of `/dev/shm`."""

    @classmethod
    def of(cls, step: str, **options: Any) -> Needs:
        """Understand the arguments of `@task.step`; None is what was not said. A `gpu_type` alone asks for one GPU.

        Raises:
            ResourceError: naming every argument that cannot be, each with what to write.
        """
        said = {name: value for name, value in options.items() if value is not None}
        understood: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for name, value in said.items():
            if name not in READERS:
                close = difflib.get_close_matches(name, READERS, 1)
                wrong[name] = f"no need: did you mean {close[0]}=?" if close else f"no need: there are {_KNOWN}"
                continue
            try:
                understood[name] = READERS[name](value)
            except ValueError as error:
                wrong[name] = str(error)
        if "gpu_type" in understood and understood.setdefault("gpu", 1) == 0:
            wrong["gpu_type"] = "idle beside gpu=0: take one of them away"
        if understood.get("shared_memory", 0) > understood.get("memory", float("inf")):
            wrong["shared_memory"] = "more than memory=, of which it is a part: ask for more memory"
        if wrong:
            listed = " and ".join(f"{name}={said[name]!r}" for name in wrong)
            fix = "\n".join(f"{name}= is {why}" for name, why in wrong.items())
            raise ResourceError(f"Step {step!r} cannot have {listed}.", fix=fix)
        return cls(**understood)

    @property
    def stated(self) -> dict[str, Any]:
        """What was said, by the name of its argument."""
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}

    def to_dict(self) -> dict[str, Any]:
        """Return what was said as plain JSON values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Needs:
        """Return the needs that `to_dict` wrote."""
        return cls(**values)


def gpus(value: Any) -> int:
    """Return a number of GPUs.

    Raises:
        ValueError: it is none, in words that follow "is".
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 1000:
        raise ValueError("no number of GPUs: write a whole number from 0 up")
    return value


def gpu_type(value: Any) -> str:
    """Return the type of a GPU in lower case.

    Raises:
        ValueError: it is none, in words that follow "is".
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError('no type of GPU: write its name as text, such as "a100"')
    return value.strip().lower()


READERS: dict[str, Callable[[Any], Any]] = {
    "cpu": cpus,
    "memory": memory,
    "gpu": gpus,
    "gpu_type": gpu_type,
    "disk": memory,
    "shared_memory": memory,
}
"""How each need is read, from a step's arguments and from a resource class alike."""

_KNOWN = ", ".join(READERS)


def say(name: str, value: Any) -> str:
    """Return a need or an offer in words, such as `16 GiB`."""
    if name == "cpu":
        return say_cpus(value)
    if name in ("memory", "disk", "shared_memory"):
        return say_bytes(value)
    return f"{value} GPU{'' if value == 1 else 's'}" if name == "gpu" else str(value)
