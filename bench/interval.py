"""How often an interval misses the truth, by what the units are like.

For each kind of unit, worlds with a true difference of zero are made, and counted is how often a 95 % interval lies
above it, which should be 2.5 %: a promotion by chance.
"""

from __future__ import annotations

import numpy as np

from skyrail.canary.statistics.paired import paired_bootstrap

WORLDS = 400


def main() -> None:
    """Print the share of worlds in which the interval's low end is above the truth."""
    for units in (20, 30, 60):
        for kind in ("normal", "skewed", "correlated by 0.3"):
            random = np.random.default_rng(units)
            missed = 0
            for world in range(WORLDS):
                if kind == "normal":
                    means = random.normal(0, 1, units)
                elif kind == "skewed":  # mean 0, a long tail below
                    means = np.e**0.5 - random.lognormal(0, 1, units)
                else:
                    noise = random.normal(0, 1, units + 50)
                    for index in range(1, noise.size):
                        noise[index] += 0.3 * noise[index - 1]
                    means = noise[50:]
                found = paired_bootstrap(means, np.arange(units), resamples=999, seed=world)
                missed += found.low > 0
            print(f"  {units} units, {kind:<18} low end above the truth in {missed / WORLDS:>6.1%} of {WORLDS} worlds")
