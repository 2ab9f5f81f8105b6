"""The statistics of a comparison, against oracles and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import log_loss as sklearn_log_loss

from skyrail.canary.statistics.paired import (
    MIN_UNITS,
    Interval,
    NotEnoughUnitsError,
    log_loss,
    paired_bootstrap,
    verdict,
)


def interval(low: float, high: float) -> Interval:
    return Interval((low + high) / 2, low, high, 0.95, 100, 30)


@pytest.mark.parametrize(
    ("low", "high", "margin", "expected"),
    [
        pytest.param(0.1, 0.3, 0.0, "PASS", id="00 better"),
        pytest.param(-0.1, 0.3, 0.0, "INCONCLUSIVE", id="01 perhaps better"),
        pytest.param(-0.3, -0.1, 0.0, "FAIL", id="02 worse"),
        pytest.param(-0.1, 0.3, 0.2, "PASS", id="10 not worse by the margin"),
        pytest.param(-0.3, -0.1, 0.2, "INCONCLUSIVE", id="11 worse, perhaps by the margin"),
        pytest.param(-0.3, -0.25, 0.2, "FAIL", id="12 worse by more than the margin"),
        pytest.param(-0.2, 0.3, 0.2, "INCONCLUSIVE", id="20 on the margin is not beyond it"),
        pytest.param(-0.4, -0.2, 0.2, "INCONCLUSIVE", id="21 at either end"),
    ],
)
def test_what_an_interval_allows_to_say(low: float, high: float, margin: float, expected: str):
    """The verdict follows from where the interval lies, and from nothing else."""
    assert verdict(interval(low, high), margin) == expected


def test_with_one_row_a_unit_it_is_the_textbook_interval():
    """With independent rows the interval is the normal one, up to the bootstrap's own error."""
    values = np.random.default_rng(1).normal(0.2, 1, 2000)
    found = paired_bootstrap(values, np.arange(2000))
    half = 1.959964 * values.std(ddof=1) / math.sqrt(2000)
    assert found.estimate == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_rows_that_share_a_unit_count_once():
    """Repeating each row a hundred times within its unit narrows nothing."""
    values = np.random.default_rng(2).normal(0, 1, 40)
    once = paired_bootstrap(values, np.arange(40))
    often = paired_bootstrap(np.repeat(values, 100), np.repeat(np.arange(40), 100))
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert (once.units, often.units, often.rows) == (40, 40, 4000)


def test_the_interval_covers_what_it_says():
    """Over 400 worlds with days of their own, a 95 % interval misses the truth in about 5 % of them.

    With 31 days the BCa bootstrap is known to cover a little less; the bound is 5 % + 3 % + 3 standard errors.
    """
    random = np.random.default_rng(3)
    missed = 0
    for world in range(400):
        sizes = random.integers(50, 150, 31)
        units = np.repeat(np.arange(31), sizes)
        values = np.repeat(random.normal(0, 0.3, 31), sizes) + random.normal(0, 1, sizes.sum())
        found = paired_bootstrap(values, units, resamples=999, seed=world)
        missed += not found.low <= 0 <= found.high
    assert missed / 400 <= 0.08 + 3 * math.sqrt(0.08 * 0.92 / 400)


def test_the_same_rows_give_the_same_interval():
    """A decision can be repeated."""
    values = np.random.default_rng(4).normal(0, 1, 300)
    units = np.arange(300) % 30
    assert paired_bootstrap(values, units) == paired_bootstrap(values, units)


def test_models_that_agree_have_no_interval_to_speak_of():
    """Two equal models differ by exactly nothing."""
    assert paired_bootstrap(np.zeros(100), np.arange(100) % 20).high == 0.0


@pytest.mark.parametrize(
    ("values", "units", "error"),
    [
        pytest.param([0.0] * (MIN_UNITS - 1), list(range(MIN_UNITS - 1)), NotEnoughUnitsError, id="00 too few units"),
        pytest.param([], [], NotEnoughUnitsError, id="01 none at all"),
        pytest.param([1.0, 2.0], [1], ValueError, id="10 lengths differ"),
        pytest.param([math.nan] * 20, list(range(20)), ValueError, id="11 not finite"),
        pytest.param([[1.0], [2.0]], [[1], [2]], ValueError, id="12 not one number a row"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: list, units: list, error: type[Exception]):
    """Bad input raises, and never becomes a verdict."""
    with pytest.raises(error):
        paired_bootstrap(values, units)


def test_log_loss_is_the_fields():
    """The mean of the rows' losses is scikit-learn's log loss."""
    random = np.random.default_rng(5)
    labels, beliefs = random.integers(0, 2, 1000), random.uniform(0.01, 0.99, 1000)
    assert log_loss(labels, beliefs).mean() == pytest.approx(sklearn_log_loss(labels, beliefs))


def test_certainty_that_is_wrong_costs_much_but_not_everything():
    """A model that says 0 and is wrong loses about 16 nats, not infinity."""
    assert log_loss([1], [0.0])[0] == pytest.approx(16.118, abs=1e-3)


@pytest.mark.parametrize(
    ("labels", "beliefs"),
    [
        pytest.param([0, 1], [0.5], id="00 lengths differ"),
        pytest.param([0, 2], [0.5, 0.5], id="10 a label that is neither"),
        pytest.param([0, 1], [0.5, 1.5], id="11 a probability that is none"),
        pytest.param([0, 1], [0.5, math.nan], id="12 not a number"),
    ],
)
def test_what_is_no_probability_is_refused(labels: list, beliefs: list):
    """A model that returns something else is found out."""
    with pytest.raises(ValueError, match=r"labels|probabilities"):
        log_loss(labels, beliefs)
