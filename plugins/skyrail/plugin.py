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

        return [preload]


class SkyrailUIPlugin(AirflowPlugin):
    """The Skyrail pages inside Airflow's UI."""

    name = "skyrail_ui"

    @property
    def external_views(self) -> list[Any]:  # type: ignore[override]
        """Return the one entry in Airflow's navigation."""
        # Addresses are relative to the <base> of Airflow's page, so that a deployment below a sub-path works.
        return [
            {
                "name": "Skyrail",
                "href": "skyrail/runs",
                "url_route": "skyrail",
                "destination": "nav",
                "nav_top_level": True,  # stays in sight when other plugins add pages
                "icon": "skyrail/static/rail.svg",
            }
        ]

    @property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """Return the app with the pages; Airflow reads this in the api-server only, and more than once."""
        return [{"app": _ui_app(), "url_prefix": "/skyrail", "name": "skyrail"}]
