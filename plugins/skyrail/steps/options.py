"""What a step asks for beyond an Airflow task."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class StepOptions:
    """The options of one step, as they were understood when the DAG file was read.

    As `to_dict` they are plain JSON values: an attribute of the operator, and so part of the serialized DAG.
    """

    needs: dict[str, Any] = field(default_factory=dict)
    """What was stated of cpu, memory, gpu, gpu_type, disk and shared_memory; see `resources.needs`."""
    target: str = ""
    """Where it runs: `local`, `celery` or `kubernetes`."""
    resource_class: str = ""
    """The class that the needs were matched to."""
    gpus: int = 0
    """How many GPUs the step gets where it runs; 0 when it asks for some and may go on without."""
    notices: tuple[str, ...] = ()
    """What the author should know about the place that was found, in sentences."""
    packages: tuple[str, ...] = ()
    """Requirements of its own environment; a single path of a requirements file counts as it stands."""
    image: str = ""
    command: tuple[str, ...] = ()
    identity: str = ""
    metrics: str = "any"
    """`any`: each line that is a JSON object; `prefixed`: only those that say they are metrics."""
    grow_on_oom: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from the defaults, as plain JSON values."""
        ours, usual = asdict(self), asdict(StepOptions())
        differing = {name: value for name, value in ours.items() if value != usual[name]}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in differing.items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> StepOptions:
        """Return the options that `to_dict` wrote."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
        }
        return cls(**given)
