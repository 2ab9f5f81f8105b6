"""The example DAGs import cleanly, and their data is the flights of 2013."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

DAGS = Path(__file__).parents[3] / "dags"
sys.path.insert(0, str(DAGS))

from flights import data  # noqa: E402

LOADED = """
import importlib.util, json, sys
sys.path.insert(0, sys.argv[1])
dags = {}
from airflow.sdk import DAG
for path in sys.argv[2:]:
    spec = importlib.util.spec_from_file_location("example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
heavy = {"pandas", "numpy", "sklearn", "mlflow", "scipy", "pyarrow", "fastapi"} & set(sys.modules)
print(json.dumps(sorted(heavy)))
"""


def test_reading_a_dag_file_stays_light():
    """Parsing the examples loads no heavy library: the DAG processor does it every few seconds."""
    files = sorted(str(path) for path in DAGS.glob("[0-9]*.py"))
    done = subprocess.run([sys.executable, "-c", LOADED, str(DAGS), *files], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == []


@pytest.mark.parametrize(
    ("month", "following"),
    [
        pytest.param("2013-01", "2013-02", id="00"),
        pytest.param("2013-09", "2013-10", id="10 two digits"),
        pytest.param("2013-12", "2014-01", id="20 over the year's end"),
    ],
)
def test_the_following_month(month: str, following: str):
    """A model is judged on the month after the one that it learned from."""
    assert data.next_month(month) == following


def test_the_year_is_complete():
    """All 336,776 flights are there, each in its month; there are none in 2014."""
    assert sum(len(data.flights(f"2013-{month:02d}")) for month in range(1, 13)) == 336_776
    assert len(data.flights("2014-01")) == 0


def test_features_know_nothing_of_the_flight_itself():
    """No feature was measured after the plane left, each flight has one row, and the label is what it says."""
    flights = data.flights("2013-11")
    rows = data.features(flights)
    assert len(rows) == flights.arr_delay.notna().sum()
    assert not {"dep_time", "dep_delay", "arr_time", "arr_delay", "air_time"} & set(data.FEATURES)
    assert rows.late.sum() == (flights.arr_delay > data.LATE_MINUTES).sum()
    assert rows.temp.notna().mean() > 0.98
    assert rows.day.nunique() == 30


def test_a_month_without_flights_has_features_too():
    """An empty month stays a frame with the same columns, so that the verdict can say that there was nothing."""
    rows = data.features(data.flights("2014-01"))
    assert list(rows.columns) == [*data.FEATURES, "late", "day"]
    assert rows.empty
