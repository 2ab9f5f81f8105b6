"""A function's body ends when its task is told to end."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from skyrail.steps.ending import how_it_ended
from skyrail.steps.stopping import StepStoppedError, ended_by_sigterm


@pytest.fixture
def heard():
    """What came to the handler that was there before, as Airflow has one."""
    signals: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: signals.append(number))
    yield signals
    signal.signal(signal.SIGTERM, before)


def test_a_body_that_catches_everything_ends(heard: list[int]):
    """SIGTERM ends it though it goes on after any exception, Airflow's handler hears of it, and the record says so."""

    @ended_by_sigterm("flights.train")
    def body() -> None:
        for _ in range(100):
            try:
                time.sleep(0.1)
            except Exception:
                continue

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(StepStoppedError, match=r"'flights\.train'") as raised:
        body()
    assert heard == [signal.SIGTERM]
    assert how_it_ended(raised.value)[0] == "killed"


def test_a_second_signal_does_not_interrupt_the_end(heard: list[int]):
    """What is done on the way out is done to its end."""
    done = []

    @ended_by_sigterm("a.b")
    def body() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.1)
            done.append(True)

    with pytest.raises(StepStoppedError):
        body()
    assert done
    assert heard == [signal.SIGTERM] * 2


def test_the_handler_is_given_back(heard: list[int]):
    """After the block, and in a thread, nothing is changed."""
    before = signal.getsignal(signal.SIGTERM)
    with ended_by_sigterm("a.b"):
        pass
    seen = []

    def elsewhere() -> None:
        with ended_by_sigterm("a.b"):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) == before
    assert seen == [before]
    assert heard == []
