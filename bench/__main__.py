"""Run measurements: `python -m bench [NAME …]`, all but those apart without names."""

from __future__ import annotations

import importlib
import sys

NAMES = (
    "capture",
    "chart",
    "lines",
    "metrics",
    "environments",
    "runs_page",
    "interval",
    "start",
    "cold",
    "image",
    "cluster",
)
"""Modules of this package with a function `main`."""

APART = ("cold", "image", "cluster")
"""Those that have to be asked for: they clone and install, need an engine with the images, or an install to look at."""


def main() -> int:
    """Run the named measurements. Return the exit code."""
    chosen = sys.argv[1:] or [name for name in NAMES if name not in APART]
    if unknown := [name for name in chosen if name not in NAMES]:
        print(f"There is no measurement {unknown[0]!r}. Choose from: {', '.join(NAMES)}.", file=sys.stderr)
        return 2
    for name in chosen:
        module = importlib.import_module(f"bench.{name}")
        print(f"\n{name}: {(module.__doc__ or '').partition('.')[0]}", flush=True)
        module.main()
    return 0


if __name__ == "__main__":
    sys.exit(main())
