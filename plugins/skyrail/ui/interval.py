"""Draw the interval that decided a comparison: where its ends are on a small picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from skyrail.ui.show import MINUS, number

WIDTH, PADDING = 240.0, 14.0


@dataclass(frozen=True)
class Drawing:
    """Horizontal positions in a picture `WIDTH` wide, the numbers as text, and the whole in words."""

    zero: float
    margin: float | None
    low: float
    high: float
    point: float
    difference: str
    ends: tuple[str, str]
    words: str


def drawing(numbers: Mapping[str, float]) -> Drawing | None:
    """Place difference, interval, zero and margin; None when a comparison has no interval to draw."""
    ends = [numbers.get(name, math.nan) for name in ("low", "difference", "high")]
    if not all(map(math.isfinite, ends)):
        return None
    low, point, high = ends
    margin = numbers.get("margin", 0.0)
    # The interval's low end has to stay above this for a PASS: so much worse a candidate may be.
    bound = -margin if math.isfinite(margin) else 0.0
    first, last = min(0.0, low, point, bound), max(0.0, high, point)
    if first == last:  # the two models erred alike on every row
        first, last = -1.0, 1.0

    def place(value: float) -> float:
        return round(PADDING + (value - first) / (last - first) * (WIDTH - 2 * PADDING), 1)

    # Three significant digits of the largest, so that the three numbers have equally many decimals.
    largest = max(abs(low), abs(point), abs(high))
    decimals = max(0, 2 - math.floor(math.log10(largest))) if largest else 0

    def text(value: float) -> str:
        return f"{value:+.{decimals}f}".replace("-", MINUS)

    words = f"Difference {text(point)}, interval from {text(low)} to {text(high)}"
    if bound:
        words += f", lower bound for a pass {number(bound)}"
    return Drawing(
        zero=place(0.0),
        margin=place(bound) if bound else None,
        low=place(low),
        high=place(high),
        point=place(point),
        difference=text(point),
        ends=(text(low), text(high)),
        words=words,
    )
