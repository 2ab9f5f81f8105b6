"""What the tests of the child share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.steps.child.calls import BARE, dag_file, make_call, run_by


@pytest.fixture
def answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run the function `step` of a DAG file's text, or what its `dag()` returns, by a bare interpreter."""
    monkeypatch.setenv("AIRFLOW__SKYRAIL_TRACKING__STORE", str(tmp_path / "store"))

    def go(text: str, *args: Any, interpreter: Path = BARE, **kwargs: Any) -> Any:
        module = dag_file(tmp_path / "dags", text)
        function = module.dag() if hasattr(module, "dag") else module.step
        return run_by(interpreter, make_call(function, tmp_path, *args, **kwargs))

    return go
