"""The end of a program is its step's success, or an error that says what happened."""

from __future__ import annotations

import pytest

from skyrail.errors import StepError
from skyrail.steps.containers.ending import check
from skyrail.steps.environments.errors import StepKilledError


@pytest.mark.parametrize(
    ("code", "out_of_memory", "memory", "says"),
    [
        pytest.param(0, False, None, None, id="00 success"),
        pytest.param(0, True, None, None, id="01 it went on although a child of it was killed"),
        pytest.param(3, False, None, "ended with exit code 3.", id="10 failure"),
        pytest.param(126, False, None, "may not be executed", id="11 not executable"),
        pytest.param(127, False, None, "was not found", id="12 not found"),
        pytest.param(137, True, 512 << 20, "more memory than its limit of 512 MiB", id="20 out of memory"),
        pytest.param(1, True, 3 << 29, "more memory than its limit of 1.5 GiB", id="21 noticed by itself"),
        pytest.param(137, True, None, "more memory than its limit.", id="22 of the machine"),
        pytest.param(137, False, None, "signal 9 (exit code 137): most often, it ran out of memory", id="23 killed"),
        pytest.param(-9, False, None, "signal 9 (exit code 137): most often, it ran out of memory", id="24 seen here"),
        pytest.param(-11, False, None, "killed by signal 11 (SIGSEGV)", id="30 a crash"),
        pytest.param(143, False, None, "killed by signal 15 (SIGTERM)", id="31 as a shell says it"),
        pytest.param(255, False, None, "ended with exit code 255.", id="32 no signal"),
    ],
)
def test_the_end_of_a_program(code: int, out_of_memory: bool, memory: int | None, says: str | None):
    """Exit code 0 is success. Anything else says the code, the signal, or that memory ran out."""
    if says is None:
        check("dag.train", code, out_of_memory=out_of_memory, memory=memory)
        return
    with pytest.raises(StepError) as error:
        check("dag.train", code, out_of_memory=out_of_memory, memory=memory)
    assert says in error.value.message
    assert "'dag.train'" in error.value.message
    assert isinstance(error.value, StepKilledError) is ("memory" in says or "killed" in says)
    assert ("memory=" in error.value.fix) == ("memory" in says)
