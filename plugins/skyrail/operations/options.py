"""Options of Airflow from where the chart and compose put them, for programs that must not load Airflow."""

from __future__ import annotations

import os
import shlex
import subprocess


def from_environment(section: str, name: str) -> str:
    """Return an option from its variable, or from the command that another variable names; empty if there is none."""
    variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
    if value := os.environ.get(variable):
        return value
    if command := os.environ.get(f"{variable}_CMD"):
        return subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout.strip()
    return ""
