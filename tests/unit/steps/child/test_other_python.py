"""Another minor version of Python runs a step as well: what crosses is readable by both."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from tests.unit.steps.child.calls import OURS, dag_file, make_call, other_python, run_by


def test_a_function_runs_in_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Arguments, variables around the function, results and errors cross between two versions."""
    other = other_python()
    if other is None:
        pytest.skip(f"this machine has no Python 3.11 to 3.13 beside {OURS}")
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))
    module = dag_file(
        tmp_path / "dags",
        """
        import dataclasses, datetime, sys

        @dataclasses.dataclass
        class Point:
            x: int

        ORIGIN = Point(3)

        def dag():
            k = {"a": (1, 2)}
            def step(when, n=2):
                if n == 0:
                    raise ValueError("zero")
                return [sys.version_info[:2], ORIGIN.x, k, when + datetime.timedelta(days=n), {1}]
            return step
        """,
    )
    when = datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)
    version, x, k, later, numbers = run_by(other, make_call(module.dag(), tmp_path, when))
    assert ".".join(map(str, version)) == other.name.removeprefix("python")
    assert (x, k, later, numbers) == (3, {"a": [1, 2]}, when + datetime.timedelta(days=2), {1})
    with pytest.raises(ValueError, match="zero"):
        run_by(other, make_call(module.dag(), tmp_path, when, n=0))
