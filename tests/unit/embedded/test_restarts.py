"""A dead process is started again after a growing pause, and given up after five deaths in a minute."""

from __future__ import annotations

import pytest

from skyrail.embedded.restarts import Restarts


@pytest.mark.parametrize(
    ("deaths", "pauses"),
    [
        pytest.param([0], [0.5], id="00 the first restart is almost at once"),
        pytest.param([0, 1, 3, 6], [0.5, 1, 2, 4], id="10 the pause doubles"),
        pytest.param([0, 1, 3, 6, 59], [0.5, 1, 2, 4, None], id="20 the fifth within a minute is the last"),
        pytest.param([0, 10, 20, 30, 61], [0.5, 1, 2, 4, 4], id="30 deaths are forgotten after a minute"),
        pytest.param([0, 100, 200], [0.5, 0.5, 0.5], id="31 and the pause with them"),
    ],
)
def test_pauses(deaths: list[float], pauses: list[float | None]) -> None:
    restarts = Restarts()
    assert [restarts.died(now) for now in deaths] == pauses


def test_a_process_that_takes_ten_seconds_to_die_is_given_up_too() -> None:
    restarts, now = Restarts(), 0.0
    for _ in range(4):
        now += 10
        pause = restarts.died(now)
        assert pause is not None
        now += pause
    assert restarts.died(now + 10) is None
