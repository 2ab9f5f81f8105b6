"""The metrics registry is complete and refuses what it does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import skyrail
from skyrail.metrics import registry
from skyrail.metrics.registry import METRICS, PROCESS_RESTARTS, Metric

PACKAGE = Path(skyrail.__file__).parent


def test_every_metric_is_described():
    """Names are unique and ours, units are given, help is a sentence."""
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert re.fullmatch(r"skyrail(\.[a-z_]+)+", metric.name)
        assert metric.unit
        assert metric.help.endswith(".")


def test_every_metric_is_listed_and_emitted():
    """A metric that is declared is in the list, and some module of ours emits it."""
    declared = {name for name, value in vars(registry).items() if isinstance(value, Metric)}
    assert {getattr(registry, name) for name in declared} == set(METRICS)
    source = "".join(path.read_text() for path in PACKAGE.rglob("*.py") if path.name != "registry.py")
    assert [name for name in sorted(declared) if not re.search(rf"(incr|gauge|timing)\(\s*{name}\b", source)] == []


@pytest.mark.parametrize(
    ("emit", "labels"),
    [
        pytest.param(registry.gauge, {"process": "x"}, id="00 of another type"),
        pytest.param(registry.incr, {}, id="10 without its label"),
        pytest.param(registry.incr, {"process": "x", "other": "y"}, id="11 with one too many"),
    ],
)
def test_a_metric_is_emitted_as_declared(emit, labels):
    """What does not fit the declaration is refused where it is written."""
    with pytest.raises(ValueError, match=r"skyrail\.process\.restarts"):
        emit(PROCESS_RESTARTS, 1, **labels)
