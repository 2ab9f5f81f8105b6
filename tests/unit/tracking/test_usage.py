"""What an attempt used is measured, and says of what."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from skyrail.tracking import names
from skyrail.tracking.usage import Usage, peak_of_group


@pytest.mark.parametrize(
    ("body", "memory", "cpu"),
    [
        pytest.param("x = bytearray(200_000_000)", 200e6, 0, id="00 memory of its own, given back or not"),
        pytest.param("subprocess.run([sys.executable, '-c', 'bytearray(200_000_000)'])", 200e6, 0, id="01 of a child"),
        pytest.param("burn()", 0, 0.3, id="10 CPU time of its own"),
        pytest.param("import multiprocessing as m; c = m.get_context('fork').Process(target=burn); c.start(); c.join()",
                     0, 0.3, id="11 of a child"),
    ],
)  # fmt: skip
def test_what_was_used_is_counted(body: str, memory: float, cpu: float):
    """Memory and CPU time of this process and its children; what it did before does not count."""
    program = f"""
import subprocess, sys, time
from skyrail.tracking.usage import Usage

def burn():
    started = time.process_time()
    while time.process_time() - started < 0.3:
        pass

before = bytearray(500_000_000)
del before
burn()
usage = Usage()
{body}
print(usage.tags())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    tags = eval(done.stdout)
    assert memory <= int(tags[names.PEAK_MEMORY])
    assert int(tags[names.PEAK_MEMORY]) < 450e6 or tags[names.PEAK_MEMORY_OF] == "cgroup"
    assert cpu <= float(tags[names.CPU_SECONDS]) < cpu + 0.3


def test_gpus_count_while_they_are_held():
    """GPU seconds are there only for a step that has some."""
    usage = Usage()
    assert names.GPU_SECONDS not in usage.tags()
    one, two = (float(usage.tags(gpus)[names.GPU_SECONDS]) for gpus in (1, 1000))
    assert two >= one >= 0


@pytest.mark.parametrize(
    ("members", "lines", "peak"),
    [
        pytest.param({1: 0, 5: 1, 7: 5, 9: 7}, "0::/pod\n", 12345, id="00 this process, its parents and children"),
        pytest.param({7: 5}, "1:memory:/x\n0::/pod\n", 12345, id="01 alone, its parent elsewhere"),
        pytest.param({1: 0, 5: 1, 7: 5, 8: 5}, "0::/pod\n", None, id="10 a brother: another task"),
        pytest.param({1: 0, 7: 1, 8: 1}, "0::/pod\n", None, id="11 an orphan"),
        pytest.param({7: 5, 20: 0}, "0::/pod\n", None, id="12 a stranger"),
        pytest.param({7: 5}, "4:memory:/x\n", None, id="20 control groups of version 1"),
        pytest.param({7: 5}, "0::/other\n", None, id="21 a group that cannot be seen"),
    ],
)
def test_the_peak_of_a_group_counts_when_it_is_its_own(
    tmp_path: Path, members: dict[int, int], lines: str, peak: int | None
):
    """A group shared with others says nothing about this attempt. The process in question is number 7."""
    for member, parent in members.items():
        (tmp_path / f"proc/{member}").mkdir(parents=True)
        (tmp_path / f"proc/{member}/stat").write_text(f"{member} (a ) name) S {parent} 1 1\n")
    (tmp_path / "proc/self").mkdir()
    (tmp_path / "proc/self/cgroup").write_text(lines)
    (tmp_path / "groups/pod").mkdir(parents=True)
    (tmp_path / "groups/pod/cgroup.procs").write_text("".join(f"{member}\n" for member in members))
    (tmp_path / "groups/pod/memory.peak").write_text("12345\n")
    assert peak_of_group(tmp_path / "proc", tmp_path / "groups", me=7) == peak
