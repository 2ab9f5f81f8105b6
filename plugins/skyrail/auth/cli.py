"""Commands that the auth manager adds to `airflow`: none.

Provider metadata names this function so that Airflow need not import the auth manager, and FastAPI with it, to ask.
"""

from __future__ import annotations

from typing import Any


def get_cli_commands() -> list[Any]:
    """Return the commands to add to `airflow`."""
    return []
