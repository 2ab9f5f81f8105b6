"""Calls of steps whose body is a program."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skyrail.steps.artifacts.store import Store
from skyrail.steps.call import Call
from skyrail.steps.capture import Capture
from skyrail.steps.options import StepOptions
from skyrail.tracking import names

IDENTITY = {
    names.ATTEMPT_ID: str(uuid.uuid4()),
    names.DAG_ID: "dag",
    names.RUN_ID: "run",
    names.TASK_ID: "train",
    names.MAP_INDEX: "-1",
    names.TRY_NUMBER: "1",
    names.LOGICAL_DATE: "",
}


@pytest.fixture
def call(tmp_path: Path) -> Callable[..., Call]:
    """Return a function that makes a call; without a record, with a store of its own."""

    def make(function: Callable[..., Any], command: list[str], *args: Any, **kwargs: Any) -> Call:
        options = StepOptions(command=tuple(command))
        capture = Capture(function, IDENTITY, {}, options)
        capture.store = Store(str(tmp_path / "store"))
        folder = tmp_path / uuid.uuid4().hex
        folder.mkdir(mode=0o700)
        return Call("dag.train", function, list(args), kwargs, options, capture, folder)

    return make
