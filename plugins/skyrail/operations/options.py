"""Options of Airflow, without importing it: for programs that have to be light."""

from __future__ import annotations

import os
import shlex
import subprocess


def option(section: str, name: str) -> str:
    """Return an option of Airflow as Airflow finds it, without Airflow where the environment has it."""
    variable = f"AIRFLOW__{section.upper()}__{name.upper()}"
    if value := os.environ.get(variable):
        return value
    if command := os.environ.get(f"{variable}_CMD"):
        return subprocess.run(shlex.split(command), capture_output=True, text=True, check=True).stdout.strip()
    from airflow.configuration import conf  # a file or a secrets backend: right, and slow

    return str(conf.get(section, name))
