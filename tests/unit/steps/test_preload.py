"""The scheduler loads what tasks import, before it forks."""

from __future__ import annotations

import configparser
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skyrail.embedded.configuration import config_folder
from skyrail.steps import preload


class Job:
    """Stands for Airflow's class of that name, which would want a database."""


def test_a_module_that_cannot_be_loaded_is_named(caplog: pytest.LogCaptureFixture):
    """The others are loaded all the same, and the log says what to do."""
    with caplog.at_level(logging.WARNING):
        assert preload.preload(("json", "no_such_module_at_all", "csv")) == ["no_such_module_at_all"]
    assert "no_such_module_at_all" in caplog.text
    assert "[skyrail_execution] preload" in caplog.text


@pytest.mark.parametrize(
    ("command", "executor", "loads"),
    [
        pytest.param(["airflow", "scheduler"], "LocalExecutor", True, id="00 a scheduler that forks its workers"),
        pytest.param(["airflow", "scheduler"], "CeleryExecutor", False, id="10 one that does not"),
        pytest.param(["airflow", "api-server"], "LocalExecutor", False, id="20 another component"),
        pytest.param(["airflow"], "LocalExecutor", False, id="21 none"),
    ],
)
def test_who_loads_ahead(monkeypatch: pytest.MonkeyPatch, command: list[str], executor: str, loads: bool):
    """Only the process that tasks are forked from pays for what they import."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(preload, "preload", asked.append)
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
    monkeypatch.setenv("AIRFLOW__SKYRAIL_EXECUTION__PRELOAD", "pandas, sklearn.ensemble")
    preload.on_starting(component=Job())
    assert asked == ([(*preload.ALWAYS, "pandas", "sklearn.ensemble")] if loads else [])


def test_what_every_task_needs_exists():
    """The list names modules of this very Airflow."""
    assert preload.preload(preload.ALWAYS) == []


def test_a_celery_worker_loads_them_too(tmp_path: Path):
    """Before it forks: Celery imports what its option `imports` names, in the first process of a worker."""
    pytest.importorskip("celery")
    config = configparser.ConfigParser(interpolation=None)
    config.read(config_folder() / "airflow.cfg")
    [module] = json.loads(config["celery"]["extra_celery_config"])["imports"]
    code = (
        f"from celery import Celery; app = Celery(); app.conf.imports = [{module!r}]; app.loader.init_worker();"
        "import sys; print([name in sys.modules for name in ('pandas', 'airflow.sdk.execution_time.task_runner')])"
    )
    variables = {**os.environ, "AIRFLOW_HOME": str(tmp_path), "AIRFLOW__SKYRAIL_EXECUTION__PRELOAD": "pandas"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables)
    assert done.stdout.splitlines()[-1] == "[True, True]"
