"""Skyrail's two plugins. Every task process imports this module, so it imports nothing that a task does not need."""

from __future__ import annotations

import functools
from typing import Any

from airflow.plugins_manager import AirflowPlugin


@functools.cache
def _ui_app() -> Any:
    # FastAPI and what the pages need cost more than a second to import: only the api-server pays for it.
    from skyrail.ui.app import build_app

    return build_app()


class SkyrailListenerPlugin(AirflowPlugin):
    """What Skyrail does when a component of Airflow starts."""

    name = "skyrail_listener"

    @property
    def listeners(self) -> list[Any]:  # type: ignore[override]
        """Return the listener modules."""
        from skyrail.steps import preload
        from skyrail.steps.resources import pool

        return [preload, pool]


class SkyrailUIPlugin(AirflowPlugin):
    """The Skyrail pages inside Airflow's UI."""

    name = "skyrail_ui"

    @property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """Return the entry in Airflow's navigation, and the tabs on a DAG run and on a task instance."""
        # Addresses are relative to the <base> of Airflow's page, so that a deployment below a sub-path works.
        return [
            {
                "name": "Skyrail",
                "href": "skyrail/runs",
                "url_route": "skyrail",
                "destination": "nav",
                "nav_top_level": True,  # stays in sight when other plugins add pages
                "icon": "skyrail/static/rail.svg",
            },
            {
                "name": "Runs",
                "href": "skyrail/runs?dag_id={DAG_ID}&run_id={RUN_ID}",
                "url_route": "skyrail-dag-run",
                "destination": "dag_run",
                "icon": "skyrail/static/rail.svg",
            },
            {
                "name": "Record",
                "href": "skyrail/attempts?dag_id={DAG_ID}&run_id={RUN_ID}&task_id={TASK_ID}&map_index={MAP_INDEX}",
                "url_route": "skyrail-task-instance",
                "destination": "task_instance",
                "icon": "skyrail/static/rail.svg",
            },
        ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """Return the app with the pages; Airflow reads this in the api-server only, and more than once."""
        return [{"app": _ui_app(), "url_prefix": "/skyrail", "name": "skyrail"}]
