"""What an engine is told, to make a container: pure functions of plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skyrail.steps.containers.engine import Engine


@dataclass(frozen=True)
class Mount:
    """A folder of this machine that a container sees."""

    here: Path
    there: str
    writable: bool = False


def create(
    engine: Engine,
    *,
    name: str,
    image: str,
    command: Sequence[str],
    mounts: Sequence[Mount],
    environment: Mapping[str, str],
    labels: Mapping[str, str],
    limits: Sequence[str],
    user: tuple[int, int],
) -> list[str]:
    """Return the command that makes a container, without privileges, as the task's own user."""
    own = "0:0" if engine.rootless and not engine.podman else f"{user[0]}:{user[1]}"
    arguments = [engine.program, "create", "--name", name, "--init", "--user", own]
    if engine.podman and engine.rootless:
        arguments.append("--userns=keep-id")
    elif engine.remapped:
        arguments.append("--userns=host")
    # label=disable: where SELinux is on, a container could not read folders of the step otherwise.
    arguments += ["--cap-drop=ALL", "--security-opt=no-new-privileges", "--security-opt=label=disable"]
    arguments += ["--log-driver=none"]  # what it prints is in the step's log, and need not be on the disk twice
    arguments += [f"--label={key}={value}" for key, value in labels.items()]
    arguments += [f"--env={key}={value}" for key, value in environment.items()]
    for mount in mounts:
        fields = [
            "type=bind",
            f"source={mount.here}",
            f"target={mount.there}",
            *([] if mount.writable else ["readonly"]),
        ]
        arguments.append(f"--mount={','.join(_csv(field) for field in fields)}")
    return [*arguments, *limits, f"--entrypoint={command[0]}", image, *command[1:]]


def limits(engine: Engine, needs: Mapping[str, Any], gpus: int, devices: str | None) -> list[str]:
    """Return the arguments by which a container gets no more than its step asked for.

    Args:
        engine: the engine, whose machine may have fewer CPUs than were asked for.
        needs: `cpu` in CPUs, `memory` and `shared_memory` in bytes; what is not stated has no limit.
        gpus: how many GPUs it gets.
        devices: which they are, as in CUDA_VISIBLE_DEVICES.
    """
    arguments = []
    if cpu := needs.get("cpu"):
        arguments.append(f"--cpus={min(cpu, engine.cpus or cpu):g}")
    if memory := needs.get("memory"):
        arguments += [f"--memory={memory}", f"--memory-swap={memory}"]  # equal: no swap beside it
    if shared := needs.get("shared_memory"):
        arguments.append(f"--shm-size={shared}")
    if not gpus:
        # Images made for CUDA ask for all GPUs by themselves where NVIDIA's runtime is the default one.
        return [*arguments, "--env=NVIDIA_VISIBLE_DEVICES=void"]
    if engine.podman:
        wanted = devices.split(",") if devices else ["all"]
        return [*arguments, *(f"--device=nvidia.com/gpu={device}" for device in wanted)]
    return [*arguments, f'--gpus="device={devices}"' if devices else f"--gpus={gpus}"]


def _csv(field: str) -> str:
    """Return one field of a line of CSV, which is how engines read mounts."""
    quoted = field.replace('"', '""')
    return f'"{quoted}"' if any(character in field for character in ',"\n') else field
