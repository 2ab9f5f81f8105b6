"""Run a step whose body is a program, in an image or on this machine, or a function in an image."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.artifacts.store import Reference
from skyrail.steps.call import Call
from skyrail.steps.containers import container, engine
from skyrail.steps.containers.arguments import Arguments, understand
from skyrail.steps.containers.command import fill, placeholders, text
from skyrail.steps.containers.creation import Mount
from skyrail.steps.containers.creation import limits as limits_of
from skyrail.steps.containers.ending import check
from skyrail.steps.containers.folders import CONFIG, INPUTS, OUTPUTS, Folders
from skyrail.steps.containers.folders import fill as fill_folders
from skyrail.steps.containers.outputs import keep
from skyrail.steps.containers.running import run_group
from skyrail.tracking import names

log = logging.getLogger(__name__)

IN_IMAGE = {"HOME": "/tmp"}  # noqa: S108 -- in an image, where the task's user has no home
"""What the environment of a program in an image has beyond its folders. Nothing of this process's own is in it."""


MAX_ARGUMENT = (128 << 10) - 1
"""Bytes of one argument that Linux gives to a program."""


def run(call: Call) -> Any:
    """Run the body of a step that has an image, a command, or both.

    Raises:
        StepError: it cannot be started, or failed.
    """
    if not call.options.image:
        return _run_here(call)
    arguments = understand(call) if call.options.command else None  # a mistake there needs no engine to be found
    machine = engine.find(call.step)
    image = engine.image(machine, call.step, call.options.image)
    note(call, image)
    limits = limits_of(machine, call.options.needs, call.options.gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))
    if arguments is None:
        from skyrail.steps.containers import function

        return function.run(call, machine, image, IN_IMAGE, limits)
    folders = Folders.make(call.folder, in_container=True)
    paths = fill_folders(call, arguments, folders)
    ended = container.run(
        call,
        machine,
        image,
        filled(call, arguments, paths),
        mounts=[
            Mount(folders.here / name, str(folders.there / name), writable=name == OUTPUTS)
            for name in (INPUTS, OUTPUTS, CONFIG)
        ],
        environment={**IN_IMAGE, **folders.environment},
        limits=limits,
    )
    check(call.step, ended.code, out_of_memory=ended.out_of_memory, memory=call.options.needs.get("memory"))
    return keep(call, folders.here / OUTPUTS)


def _run_here(call: Call) -> dict[str, Reference] | None:
    arguments = understand(call)
    folders = Folders.make(call.folder, in_container=False)
    paths = fill_folders(call, arguments, folders)
    command = filled(call, arguments, paths)
    where = Path(inspect.getsourcefile(inspect.unwrap(call.function)) or ".").resolve().parent
    try:
        code = run_group(call.step, command, folder=where, environment={**os.environ, **folders.environment})
    except OSError as error:
        fix = f"Give its path, relative to {where}, or install it on this machine."
        if isinstance(error, PermissionError):
            fix = f"Make it executable: chmod +x {command[0]}"
        elif not isinstance(error, FileNotFoundError):
            fix = "A script needs a first line such as #!/bin/sh; a program must be for this kind of processor."
        raise StepError(
            f"The program {command[0]!r} of step {call.step!r} cannot be started: {error.strerror or error}.", fix=fix
        ) from None
    check(call.step, code)
    return keep(call, folders.here / OUTPUTS)


def note(call: Call, image: engine.Image) -> None:
    """Note in the record which image it is, and tell the author when another may be it tomorrow."""
    call.capture.note({names.IMAGE: image.name})
    if "sha256:" not in call.options.image:
        log.info(
            "The image %s is named without its digest, and what it names can change. This attempt runs %s.",
            call.options.image,
            image.name,
        )


def filled(call: Call, arguments: Arguments, paths: dict[str, str]) -> Sequence[str]:
    """Return the step's command with its arguments in it.

    Raises:
        StepError: one of them is a secret, since every user of a machine can read the arguments of its programs; or
            too long for one.
    """
    from airflow.sdk.log import redact

    command = call.options.command
    for name in placeholders(command):
        if name in arguments.parameters:
            value = text(arguments.parameters[name])
            if redact(value) != value:
                raise StepError(
                    f"The command of step {call.step!r} would show a secret, in {{{name}}}.",
                    fix=f"Let the program read {name!r} from the file parameters.json in the folder $SKYRAIL_CONFIG.",
                )
    items = fill(command, {**arguments.parameters, **paths})
    for item, written in zip(items, command, strict=True):
        if len(os.fsencode(item)) > MAX_ARGUMENT or "\0" in item:
            raise StepError(
                f"The item {written!r} of the command of step {call.step!r} is too long with its values, or has a NUL.",
                fix="Let the program read the values from the file parameters.json in the folder $SKYRAIL_CONFIG.",
            )
    return items
