"""No two steps get the same GPU, and none is lost with a step that dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from skyrail.steps.resources.errors import ResourceError
from skyrail.steps.resources.gpus import lease

DEVICES = ("GPU-a", "GPU-b", "GPU-c")
HOLD = """\
import sys, time
from pathlib import Path
from skyrail.steps.resources.gpus import lease
with lease(int(sys.argv[2]), Path(sys.argv[1]), devices=sys.argv[3:]) as mine:
    print(",".join(mine), flush=True)
    time.sleep(600)
"""


def hold(folder: Path, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(folder), str(count), *DEVICES]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_who_asks_for_none_gets_none_and_leaves_no_trace(tmp_path: Path):
    """A step without GPUs waits for nobody."""
    with lease(0, tmp_path / "gpus") as mine:
        assert mine == ()
    assert not (tmp_path / "gpus").exists()


def test_each_gets_others(tmp_path: Path):
    """What one holds, the next does not."""
    with lease(1, tmp_path, devices=DEVICES) as first, lease(2, tmp_path, devices=DEVICES) as second:
        assert sorted((*first, *second)) == sorted(DEVICES)
    with lease(3, tmp_path, devices=DEVICES) as all_again:
        assert all_again == DEVICES


def test_more_than_there_are(tmp_path: Path):
    """Waiting would never end."""
    with (
        pytest.raises(ResourceError, match="wants 4 GPUs, and this machine has 3") as error,
        lease(4, tmp_path, devices=DEVICES),
    ):
        pass
    assert "skyrail up --cpu-ok" in error.value.fix


def test_a_killed_step_gives_its_gpus_back(tmp_path: Path):
    """The kernel does, so nothing has to be cleared away."""
    other = hold(tmp_path, 3)
    try:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == ",".join(DEVICES)
        got = threading.Event()

        def wait() -> tuple[str, ...]:
            with lease(2, tmp_path, devices=DEVICES) as mine:
                got.set()
                return mine

        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(wait)
            assert not got.wait(0.5)
            other.send_signal(signal.SIGKILL)
            assert waiting.result(60) == DEVICES[:2]
    finally:
        other.kill()
        other.communicate()


def test_steps_that_want_several_do_not_block_each_other_for_ever(tmp_path: Path):
    """Twelve steps that want two of three at once: each gets its turn, and no GPU is lent twice."""
    lent: list[str] = []
    guard = threading.Lock()

    def work(_: int) -> bool:
        with lease(2, tmp_path, devices=DEVICES) as mine:
            with guard:
                alone = not set(mine) & set(lent)
                lent.extend(mine)
            with guard:
                for device in mine:
                    lent.remove(device)
            return alone

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(12), timeout=120)) == [True] * 12
