"""Everything that Skyrail registers with Airflow by provider metadata. Plugins have entry points of their own."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the provider metadata; Airflow calls it once a process."""
    from skyrail.settings import airflow_options

    return {
        "package-name": "skyrail",
        "name": "Skyrail",
        "description": "Apache Airflow on rails for data-science teams.",
        "task-decorators": [{"name": "step", "class-name": "skyrail.steps.decorator.step_task"}],
        "auth-managers": ["skyrail.auth.manager.SkyrailAuthManager"],
        # Where Airflow's command line looks instead of importing the auth manager in every process.
        "cli": ["skyrail.auth.cli.get_cli_commands"],
        "notifications": ["skyrail.notifications.notifier.SkyrailNotifier"],
        "config": airflow_options(),
    }
