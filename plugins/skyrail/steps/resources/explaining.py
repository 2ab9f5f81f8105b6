"""Say in lines where a step runs, and why there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from skyrail.steps.resources.machine import Machine
from skyrail.steps.resources.needs import say
from skyrail.steps.resources.placement import Placement
from skyrail.steps.resources.site import POOL, SLOTS


def explanation(
    step: str, file: str, placement: Placement, arguments: Mapping[str, Any], machine: Machine | None
) -> list[str]:
    """Return the lines about a placement.

    Args:
        step: `DAG.STEP`.
        file: the DAG file, which says what is asked.
        placement: the place.
        arguments: those of the task about its place, as Airflow has them.
        machine: what the steps share there; None in a pod.
    """
    one = placement.resource_class
    price = "" if one.price is None else f", {one.price:g} an hour"
    lines = [f"{step} on {placement.target}: class {one.name}{price}", ""]
    head = ("need", f"asked in {file}", f"offered in {one.where}")
    lines += _table([head, *((why.field, why.asked or "-", why.offered or "-") for why in placement.why)])
    lines += ["", f"{one.name} is the smallest class that has what is asked."]
    if machine is not None:
        if arguments.get("pool") == POOL:
            has = ", ".join(say(name, getattr(machine, name)) for name in ("cpu", "memory"))
            lines.append(
                f"It takes {arguments['pool_slots']} of the {SLOTS} slots of pool {POOL}: its largest share of "
                f"{has} and {say('gpu', machine.gpus)}."
            )
        else:
            lines.append(f"It is not in the pool {POOL}: nothing counts what it takes of the machine.")
    if placement.larger:
        names = ", ".join(each.name for each in placement.larger)
        lines.append(f"When it runs out of memory, the next tries get: {names}.")
    lines += [f"Note: {notice}" for notice in placement.notices]
    return [*lines, "Arguments of the task: " + ", ".join(f"{name}={value!r}" for name, value in arguments.items())]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
