"""Amounts as people write them, and as they are read aloud: CPUs, and bytes.

A number is MiB, as Metaflow has it, and text is a Kubernetes quantity. A number in text, `"16000"`, would be bytes to
Kubernetes and MiB to everybody else, and is refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

MIB = 1024**2
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}
_UNITS = {**_BINARY, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


def cpus(value: Any) -> float:
    """Return CPUs from a number or text such as `"500m"`.

    Raises:
        ValueError: it is none, in words that follow "is".
    """
    number: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        number = float(value)
    elif isinstance(value, str) and (match := _QUANTITY.fullmatch(value.strip())) and match[2] in ("", "m"):
        number = float(match[1]) / (1000 if match[2] else 1)
    if number is None or not math.isfinite(number) or not 0.001 <= number <= 100_000:
        raise ValueError('no number of CPUs: write 4, 0.5 or "500m"')
    return number


def memory(value: Any) -> int:
    """Return bytes from a number of MiB or a quantity such as `"16Gi"`.

    Raises:
        ValueError: it is none, in words that follow "is".
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value) and 1 <= value <= 2**40:
            return round(value * MIB)
        raise ValueError('no amount of memory: write MiB as a number from 1 up, or text such as "16Gi"')
    if not isinstance(value, str) or not (match := _QUANTITY.fullmatch(value.strip())):
        raise ValueError('no amount of memory: write MiB as a number, or text such as "16Gi"')
    digits, unit = match[1], match[2]
    if unit not in _UNITS:
        raise ValueError(_which_unit(digits, unit))
    size = round(float(digits) * _UNITS[unit])
    if not MIB <= size <= 2**60:
        raise ValueError('no amount of memory that a step can have: "1Mi" is the least')
    return size


def _which_unit(digits: str, unit: str) -> str:
    if not unit:
        return f'ambiguous: write {digits} without quotes for MiB, or "{digits}Mi"'
    if unit[0].upper() in "KMGTP":
        letter = unit[0].upper()
        return f'no quantity that Kubernetes knows: write "{digits}{letter}i" (1024) or "{digits}{letter}" (1000)'
    return f'no quantity that Kubernetes knows: write "{digits}Gi" or "{digits}Mi"'


def say_cpus(value: float) -> str:
    """Return CPUs in words: `4 CPUs`, `0.5 CPU`."""
    return f"{value:g} {'CPU' if value <= 1 else 'CPUs'}"


def say_bytes(value: int) -> str:
    """Return an amount in words, in the largest unit of 1024 that leaves one or more: `16 GiB`, `1.5 GiB`."""
    for unit, size in reversed(_BINARY.items()):
        if value >= size:
            return f"{float(f'{value / size:.4g}'):g} {unit}B"
    return f"{value} B"


def quantity(value: int) -> str:
    """Return an amount as Kubernetes takes it, exact: `16Gi`, `1536Mi`, or plain bytes."""
    for unit, size in reversed(_BINARY.items()):
        if value >= size and value % size == 0:
            return f"{value // size}{unit}"
    return str(value)


def cpu_quantity(value: float) -> str:
    """Return CPUs as Kubernetes takes them: `4`, `500m`."""
    return str(int(value)) if value == int(value) else f"{math.ceil(value * 1000)}m"
