"""Run one container to its end."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skyrail.errors import StepError
from skyrail.steps.call import Call
from skyrail.steps.containers.creation import Mount, create
from skyrail.steps.containers.engine import Engine, Image, last_line
from skyrail.steps.containers.running import guarded, run_attached
from skyrail.tracking import names

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    code: int
    out_of_memory: bool


def run(
    call: Call,
    engine: Engine,
    image: Image,
    command: Sequence[str],
    *,
    mounts: Sequence[Mount],
    environment: Mapping[str, str],
    limits: Sequence[str],
) -> Ended:
    """Run a command in a container as this process's user, and remove that.

    Raises:
        StepError: it cannot be made or started, or its engine lost it.
        StoppedError: SIGTERM came.
    """
    name = f"skyrail-{uuid.uuid4().hex}"
    labels = {"skyrail.step": call.step, "skyrail.attempt": call.capture.identity[names.ATTEMPT_ID]}
    command_line = create(
        engine,
        name=name,
        image=image.id,
        command=command,
        mounts=mounts,
        environment=environment,
        labels=labels,
        limits=limits,
        user=(os.getuid(), os.getgid()),
    )
    with guarded(call.step, "container", engine.program, name) as guard:
        made = _ask(command_line)
        if made.returncode:
            raise _cannot(call.step, last_line(made.stderr))
        for line in made.stderr.splitlines():
            log.warning("%s says: %s", engine.program, line)
        run_attached(guard, [engine.program, "start", "--attach", name])
        inspected = _ask([engine.program, "inspect", "--format", "{{json .State}}", name])
        _ask([engine.program, "rm", "--force", "--volumes", name])
    try:
        state = json.loads(inspected.stdout)
    except ValueError:
        state = {}
    if state.get("Error") or state.get("Status") in ("created", "initialized"):
        raise _cannot(call.step, str(state.get("Error") or "the engine says in this log, above, why."))
    if state.get("Status") != "exited":
        raise StepError(
            f"The container of step {call.step!r} was lost: its engine stopped answering.",
            fix=f"Check the container engine of this machine ({engine.program} info), and try again.",
        )
    return Ended(int(state["ExitCode"]), bool(state.get("OOMKilled")))


def _cannot(step: str, reason: str) -> StepError:
    said = reason.lower()
    fix = "This is what the container engine says."
    if "bind source path does not exist" in said or "statfs" in said:
        fix = (
            "The engine does not see the folders of this process: it is on another machine, or this process is itself "
            "in a container. Run the step where the engine is."
        )
    elif "executable file not found" in said or "no such file or directory" in said:
        fix = "The program that command= names first is not in the image: give its path there, or another image."
    elif "permission denied" in said:
        fix = "Make the program executable for every user in the image (chmod 755): it runs as the task's user."
    elif "exec format error" in said:
        fix = "The image is for another kind of processor, or the program is a script that lacks a line like #!/bin/sh."
    elif "could not select device driver" in said or "cdi" in said:
        fix = "Install the NVIDIA container toolkit on this machine."
    return StepError(f"The container of step {step!r} cannot be started: {reason}", fix=fix)


def _ask(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
