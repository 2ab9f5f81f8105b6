"""How long one render of the chart takes, as the tests do it. Must: 50 ms at most."""

from __future__ import annotations

import time

from tests.chart.render import files, render

from bench.report import row

RUNS = 30


def main() -> None:
    """Print processor and clock time of a render, and of one with objects read and checked."""
    render()
    for name, measure, clock, must in (
        ("one render, processor time", files, time.process_time, "at most 50"),
        ("one render, clock time", files, time.perf_counter, ""),
        ("one render, read, its objects known to be valid", render, time.perf_counter, ""),
    ):
        taken = []
        for _ in range(RUNS):
            start = clock()
            measure()
            taken.append(1000 * (clock() - start))
        row(name, taken, "ms", must=must)
