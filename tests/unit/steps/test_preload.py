"""The scheduler loads what tasks import, before it forks."""

from __future__ import annotations

import logging
import sys

import pytest

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
