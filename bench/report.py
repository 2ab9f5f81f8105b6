"""How figures are printed: minimum, median and maximum, never a single one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def row(name: str, values: Sequence[float], unit: str, *, must: str = "") -> float:
    """Print a figure over its runs, and what it has to be. Return the median."""
    median = statistics.median(values)
    spread = f"({min(values):.3g} to {max(values):.3g}, {len(values)} runs)"
    print(f"  {name:<58} {median:>10.3g} {unit:<8} {spread}{f'  must be {must}' if must else ''}", flush=True)
    return median
