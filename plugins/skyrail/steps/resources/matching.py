"""Find the smallest resource class that has what a step needs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from skyrail.steps.resources.classes import ResourceClass
from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.needs import Needs, say

AMOUNTS = ("cpu", "memory", "gpu", "disk", "shared_memory")


@dataclass(frozen=True)
class Why:
    """One line of the reason for a class: what was asked, and what the class has."""

    field: str
    asked: str
    """Empty when nothing was said."""
    offered: str
    """Empty when the class promises nothing."""


@dataclass(frozen=True)
class Match:
    """A class, and why it is the one."""

    resource_class: ResourceClass
    why: tuple[Why, ...]


def match(
    needs: Needs,
    classes: Sequence[ResourceClass],
    *,
    identity: str | None = None,
    image: str | None = None,
    step: str = "",
) -> Match:
    """Return the smallest class that has what is needed and allows identity and image.

    A class with GPUs is for steps that ask for one, and a retired one for what fits nowhere else. Smaller is: fewer
    GPUs, then less of the largest class's CPUs and memory taken together, then cheaper, then earlier in the file.

    Raises:
        ResourceError: no class has it; the message names the closest and what it is short of.
    """
    fitting = [one for one in by_size(classes) if not lacks(needs, one, identity=identity, image=image)]
    if not fitting:
        raise _nothing_fits(f"step {step!r}" if step else "the step", needs, classes, identity, image)
    fitting.sort(key=lambda one: one.retired)
    return Match(fitting[0], _why(needs, fitting[0], identity, image))


def larger(
    one: ResourceClass, classes: Sequence[ResourceClass], *, identity: str | None = None
) -> tuple[ResourceClass, ...]:
    """Return the classes that can stand in for one on Kubernetes, each with more memory than the one before."""
    has = Needs(one.cpu, one.memory, one.gpu or None, one.gpu_type or None, one.disk, one.shared_memory)
    ladder = [one]
    for other in by_size([other for other in classes if not other.retired and other.executor != "CeleryExecutor"]):
        allowed = set(one.images) <= set(other.images) and not lacks(has, other, identity=identity)
        if allowed and other.memory > ladder[-1].memory:
            ladder.append(other)
    return tuple(ladder[1:])


def by_size(classes: Sequence[ResourceClass]) -> list[ResourceClass]:
    """Return classes from the smallest to the largest."""
    most_cpu = max((one.cpu for one in classes), default=1)
    most_memory = max((one.memory for one in classes), default=1)

    def size(one: ResourceClass) -> tuple[float, ...]:
        price = float("inf") if one.price is None else one.price
        return one.gpu, one.cpu / most_cpu + one.memory / most_memory, price

    return sorted(classes, key=size)


@dataclass(frozen=True)
class Short:
    """One thing that a class lacks."""

    text: str
    """Follows "the step asks for"."""
    far: float = 1.0
    """The share that is missing; 1 is all of it."""
    other_kind: bool = False
    """Whether the class is one of another kind: with a GPU where none is asked, or the other way round."""


def lacks(needs: Needs, one: ResourceClass, *, identity: str | None = None, image: str | None = None) -> list[Short]:
    """Return what a class is short of."""
    short: list[Short] = []
    for name in AMOUNTS:
        asked, has = getattr(needs, name) or 0, getattr(one, name) or 0
        if asked > has:
            short.append(Short(_short(name, asked, has), 1 - has / asked, name == "gpu" and not has))
    if needs.gpu_type and needs.gpu_type != one.gpu_type and one.gpu:
        short.append(Short(f"a {needs.gpu_type} where it has a {one.gpu_type}", other_kind=True))
    if one.gpu and not needs.gpu:
        short.append(Short("no GPU, and its GPUs are kept for steps that ask for one", other_kind=True))
    if identity and identity not in one.identities:
        short.append(Short(f"identity {identity!r} where it allows {_listed(one.identities)}"))
    if image and not any(fnmatchcase(image, pattern) for pattern in one.images):
        short.append(Short(f"image {image!r} where it allows {_listed(one.images)}"))
    return short


def _short(name: str, asked: float, has: float) -> str:
    if name in ("cpu", "gpu"):
        return f"{asked:g} of {has:g} {name.upper()}s"
    what = name.replace("_", " ")
    return (
        f"{say(name, asked)} of {say(name, has)} {what}" if has else f"{say(name, asked)} {what} where it promises none"
    )


def _nothing_fits(
    step: str, needs: Needs, classes: Sequence[ResourceClass], identity: str | None, image: str | None
) -> ResourceError:
    types = sorted({one.gpu_type for one in classes if one.gpu_type})
    if needs.gpu_type and needs.gpu_type not in types:
        close = difflib.get_close_matches(needs.gpu_type, types, 1, 0.5)
        return ResourceError(
            f"{step[0].upper()}{step[1:]} asks for gpu_type={needs.gpu_type!r}, and no resource class offers it.",
            fix=(f"Did you mean {close[0]!r}? " if close else "")
            + (f"There are {', '.join(types)}." if types else "No class has a GPU.")
            + " A further type is for the platform team to add to classes.yaml.",
        )
    closest = min(by_size(classes), key=lambda one: _distance(lacks(needs, one, identity=identity, image=image)))
    short = " and ".join(each.text for each in lacks(needs, closest, identity=identity, image=image))
    return ResourceError(
        f"No resource class has what {step} asks for. The closest is {closest.name!r}"
        f"{f' ({closest.where})' if closest.where else ''}: the step asks for {short}.",
        fix="Ask for less, or ask the platform team for a class that has it.",
    )


def _distance(short: list[Short]) -> tuple[int, int, float]:
    return sum(each.other_kind for each in short), len(short), sum(each.far for each in short)


def _why(needs: Needs, one: ResourceClass, identity: str | None, image: str | None) -> tuple[Why, ...]:
    def line(name: str) -> Why:
        asked, has = getattr(needs, name), getattr(one, name)
        said = "" if asked is None else say(name, asked)
        return Why(name, said, "" if has is None or has == "" else say(name, has))

    lines = [line(name) for name in ("cpu", "memory", "gpu", "gpu_type", "disk", "shared_memory")]
    if identity:
        lines.append(Why("identity", identity, _listed(one.identities)))
    if image:
        lines.append(Why("image", image, _listed(one.images)))
    return tuple(lines)


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(map(str, values)) or "none"
