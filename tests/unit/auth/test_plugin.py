"""The plugins: light in every task, whole in the api-server."""

from __future__ import annotations

import subprocess
import sys

from tests.fakes.airflow_process import AirflowServer


def test_importing_the_plugins_loads_nothing_heavy():
    """Every task process imports them."""
    heavy = ("fastapi", "mlflow", "pandas", "jinja2", "skyrail.ui.app", "skyrail.auth.manager")
    code = f"""
import sys, airflow.plugins_manager
before = set(sys.modules)
import skyrail.plugin
skyrail.plugin.SkyrailListenerPlugin().listeners
print([name for name in {heavy!r} if name in set(sys.modules) - before])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.endswith("[]\n")


def test_airflow_accepts_both_plugins(server: AirflowServer):
    """Airflow drops a plugin with one wrong field without a word, so it is asked."""
    with server.signed_in() as browser:
        plugins = {plugin["name"]: plugin for plugin in browser.get("/api/v2/plugins").json()["plugins"]}
        assert browser.get("/api/v2/plugins/importErrors").json()["total_entries"] == 0
        assert {"skyrail_listener", "skyrail_ui"} <= set(plugins)
        views = plugins["skyrail_ui"]["external_views"]
        assert [(view["name"], view["destination"], view["url_route"]) for view in views] == [
            ("Skyrail", "nav", "skyrail"),
            ("Runs", "dag_run", "skyrail-dag-run"),
            ("Record", "task_instance", "skyrail-task-instance"),
        ]
        for view in views:
            assert browser.get(f"/{view['icon']}").headers["content-type"] == "image/svg+xml"
