"""What `skyrail up` tells all its processes about the machine, so that it is measured once and alike for all."""

from __future__ import annotations

import os
from collections.abc import Mapping

from skyrail.settings import ResourceSettings
from skyrail.steps.resources.machine import measured
from skyrail.steps.resources.quantities import MIB


def measured_options(*, cpu_ok: bool, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the options of `[skyrail_resources]` that depend on this machine; what the shell sets is left out."""
    machine = measured()
    options = {
        "pool_cpu": f"{machine.cpu:g}",
        "pool_memory": f"{machine.memory // MIB}Mi",
        "pool_gpu": str(machine.gpus),
    }
    prefix = f"AIRFLOW__{ResourceSettings.section.upper()}__"
    left = {name: value for name, value in options.items() if prefix + name.upper() not in environ}
    return {**left, "cpu_ok": "True"} if cpu_ok else left
