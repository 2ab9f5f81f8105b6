"""What `image=` and `command=` of a step may be, found out when the DAG file is read."""

from __future__ import annotations

import difflib
import dis
import inspect
import re
from collections.abc import Callable, Sequence
from typing import Any

from skyrail.errors import StepError
from skyrail.steps.containers.command import placeholders, template_in

IMAGE = re.compile(
    r"(?P<id>sha256:[0-9a-f]{64})"
    r"|(?P<name>(?:(?:\w[\w.-]*(?::\d+)?|\[[\da-fA-F:]+\](?::\d+)?)/)?"
    r"[a-z\d]+(?:(?:\.|_{1,2}|-+)[a-z\d]+)*(?:/[a-z\d]+(?:(?:\.|_{1,2}|-+)[a-z\d]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
"""An image reference as registries and engines understand it."""

_EMPTY = {"RESUME", "NOP", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"}


def check(step: str, *, image: Any, command: Any, function: Callable[..., Any]) -> tuple[str, tuple[str, ...]]:
    """Return the image and the command of a step as they are stored; an empty text or tuple for what was not given.

    Raises:
        StepError: one of them cannot be, or does not go with the step's function.
    """
    checked = "" if image is None else _image(step, image)
    if command is None:
        if has_no_body(function):
            raise StepError(
                f"Step {step!r} has image= without command=, and its function has no body.",
                fix='Say what to run in the image, as in command=["./train.sh", "{rate}"], or write the body.',
            )
        return checked, ()
    items = _command(step, command)
    _function(step, function, items)
    return checked, items


def has_no_body(function: Callable[..., Any]) -> bool:
    """Tell whether a function does nothing: `...`, `pass` or a docstring alone."""
    code = inspect.unwrap(function).__code__
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return False
    # By its bytecode: the source may be out of reach, and reading it costs more.
    instructions = list(dis.get_instructions(code))
    returned = instructions[-1].argval if instructions[-1].opname == "RETURN_CONST" else instructions[-2].argval
    return returned is None and {instruction.opname for instruction in instructions} <= _EMPTY


def _image(step: str, image: Any) -> str:
    if not isinstance(image, str) or not IMAGE.fullmatch(image):
        raise StepError(
            f"Step {step!r} has image={image!r}, which is no name of an image.",
            fix='Write it as in image="registry.example.org/team/train:1.2" or, so that it stays the same, with its '
            'digest: image="registry.example.org/team/train@sha256:…" (all lower case).',
        )
    return image


def _command(step: str, command: Any) -> tuple[str, ...]:
    example = 'command=["./train.sh", "--rate", "{rate}"]'
    if isinstance(command, str):
        raise StepError(
            f"Step {step!r} has the text {command!r} as its command.",
            fix=f"Write a list with one item an argument, as in {example}: no shell reads it. For a shell's pipes and "
            f'variables write command=["sh", "-c", {command!r}].',
        )
    if not isinstance(command, list | tuple) or not command or not all(isinstance(item, str) for item in command):
        raise StepError(f"Step {step!r} has command={command!r}.", fix=f"Write a list of texts, as in {example}.")
    if not command[0] or any("\0" in item for item in command):
        raise StepError(
            f"Step {step!r} has command={list(command)!r}, which no system can start.",
            fix="The first item names the program, and no item may hold a NUL character.",
        )
    if template := template_in(command):
        raise StepError(
            f"Step {step!r} has {template} in its command, which Airflow does not render.",
            fix=f'Give it to the function as an argument, as in {step}(day="{{{{ ds }}}}"), and write {{day}} in the '
            "command.",
        )
    return tuple(command)


def _function(step: str, function: Callable[..., Any], command: Sequence[str]) -> None:
    if not has_no_body(function):
        raise StepError(
            f"The function of step {step!r} has a body, which would never run: its command does.",
            fix="Write ... for its body, or take command= away.",
        )
    parameters = inspect.signature(function).parameters
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise StepError(
                f"The function of step {step!r} takes any arguments (*{name}), which a program cannot be given.",
                fix="Name each argument.",
            )
    for name in placeholders(command):
        if name in parameters:
            continue
        close = difflib.get_close_matches(name, parameters, 1)
        known = f"It takes {', '.join(parameters)}." if parameters else "It takes no arguments."
        hint = f"Did you mean {{{close[0]}}}?" if close else known
        raise StepError(
            f"The command of step {step!r} refers to {{{name}}}, which is no argument of its function.",
            fix=f"{hint} For the text {{{name}}} itself, write {{{{{name}}}}}.",
        )
