"""What the machine has, as far as it may be used."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from skyrail.embedded.environment import airflow_environment
from skyrail.embedded.home import Home
from skyrail.embedded.secrets import Secrets
from skyrail.steps.resources.embedded import measured_options
from skyrail.steps.resources.machine import (
    control_groups,
    cpu_limits,
    measured,
    memory_limits,
    permitted,
    understood,
)

LISTED = """\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6)
  MIG 1g.5gb Device 0: (UUID: MIG-c3d1)
GPU 1: Tesla T4 (UUID: GPU-c6e5)
"""


def test_this_machine():
    """Never more than there is."""
    here = measured()
    assert 0 < here.cpu <= (psutil.cpu_count() or 1)
    assert 0 < here.memory <= psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("files", "memory", "cpu"),
    [
        pytest.param({}, [], [], id="00 no limits"),
        pytest.param({"memory.max": "max", "cpu.max": "max 100000"}, [], [], id="10 said to be none"),
        pytest.param(
            {"memory.max": "1073741824", "cpu.max": "150000 100000"}, [1073741824], [1.5], id="11 of version 2"
        ),
        pytest.param(
            {"memory.limit_in_bytes": "9223372036854771712", "cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"},
            [],
            [],
            id="20 of version 1, none",
        ),
        pytest.param(
            {"memory.limit_in_bytes": "5368709120", "cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"},
            [5368709120],
            [0.5],
            id="21 of version 1",
        ),
    ],
)
def test_limits_of_a_control_group(tmp_path: Path, files: dict[str, str], memory: list[int], cpu: list[float]):
    """A container's limits are the machine, to a step."""
    for name, text in files.items():
        (tmp_path / name).write_text(text + "\n")
    assert memory_limits(tmp_path) == memory
    assert cpu_limits(tmp_path) == cpu


def test_a_limit_further_up_counts_too(tmp_path: Path):
    """A service may be unlimited itself within a limited slice."""
    own = tmp_path / "own"
    own.write_text("4:memory:/pod/app\n0::/user.slice/me.scope\n")
    assert control_groups(tmp_path, own) == [
        tmp_path,
        tmp_path / "cpu",
        tmp_path / "cpu,cpuacct",
        tmp_path / "memory",
        tmp_path / "memory" / "pod",
        tmp_path / "memory" / "pod" / "app",
        tmp_path / "user.slice",
        tmp_path / "user.slice" / "me.scope",
    ]


def test_gpus_are_known_by_what_cuda_takes():
    """Whole GPUs, by UUID."""
    assert understood(LISTED) == ("GPU-5d5ba0d6", "GPU-c6e5")
    assert understood("NVIDIA-SMI has failed") == ()


@pytest.mark.parametrize(
    ("visible", "left"),
    [
        pytest.param(None, ("GPU-a", "GPU-b"), id="00 not said"),
        pytest.param("", (), id="01 none"),
        pytest.param("1", ("GPU-b",), id="10 by number"),
        pytest.param("1,0", ("GPU-b", "GPU-a"), id="11 in their order"),
        pytest.param("GPU-b", ("GPU-b",), id="12 by UUID"),
        pytest.param("0,7,1", ("GPU-a",), id="20 up to one that is not there"),
        pytest.param("-1", (), id="21 none, as people write it"),
    ],
)
def test_gpus_that_somebody_hid_stay_hidden(visible: str | None, left: tuple[str, ...]):
    """`CUDA_VISIBLE_DEVICES` is read as CUDA reads it."""
    assert permitted(("GPU-a", "GPU-b"), visible) == left


def test_what_the_platform_is_told_about_the_machine():
    """Measured once, and less what the shell already says."""
    here = measured()
    memory = f"{here.memory // 1024**2}Mi"
    assert measured_options(cpu_ok=False, environ={}) == {
        "pool_cpu": f"{here.cpu:g}",
        "pool_memory": memory,
        "pool_gpu": str(here.gpus),
    }
    shell = {"AIRFLOW__SKYRAIL_RESOURCES__POOL_CPU": "1", "AIRFLOW__SKYRAIL_RESOURCES__POOL_GPU": "0"}
    assert measured_options(cpu_ok=True, environ=shell) == {"pool_memory": memory, "cpu_ok": "True"}


def test_it_reaches_every_process(tmp_path: Path):
    """As options of Airflow."""
    secrets = Secrets(fernet_key="F", jwt_secret="J", api_secret_key="A", database_password="P")
    told = airflow_environment(
        Home(tmp_path), 8080, 5000, secrets, cpus=4, dags=tmp_path, config=tmp_path, resources={"pool_cpu": "3"}
    )
    untold = airflow_environment(Home(tmp_path), 8080, 5000, secrets, cpus=4, dags=tmp_path, config=tmp_path)
    assert dict(told.items() - untold.items()) == {"AIRFLOW__SKYRAIL_RESOURCES__POOL_CPU": "3"}
