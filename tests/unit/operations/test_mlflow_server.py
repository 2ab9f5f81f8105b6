"""The MLflow server of a container: one database, brought up to date, and the hosts by which it may be asked."""

from __future__ import annotations

import fnmatch
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from skyrail.errors import SettingsError
from skyrail.operations import mlflow_server


@pytest.mark.parametrize(
    ("named", "host", "allowed"),
    [
        pytest.param("mlflow", "mlflow:5000", True, id="00 a Service by its name"),
        pytest.param("mlflow", "mlflow", True, id="01 on port 80"),
        pytest.param("mlflow,ml.example.com", "ml.example.com", True, id="02 a second name"),
        pytest.param("ml.example.com:8443", "ml.example.com:8443", True, id="03 one with a port"),
        pytest.param("ml.example.com:8443", "ml.example.com:80", False, id="04 has no other"),
        pytest.param("mlflow", "localhost", True, id="10 MLflow's own stay"),
        pytest.param("mlflow", "evil.example.com", False, id="20 no other"),
        pytest.param("", "mlflow:5000", False, id="30 nothing is added by itself"),
    ],
)
def test_hosts(named: str, host: str, allowed: bool):
    patterns = mlflow_server.allowed_hosts(named, ["localhost"]).split(",")
    assert any(fnmatch.fnmatch(host, pattern) for pattern in patterns) is allowed


def test_the_address_of_the_database_comes_from_a_file(tmp_path: Path):
    file = tmp_path / "address"
    file.write_text("postgresql+psycopg2://a:b@c/d\n")
    variables = {"MLFLOW_BACKEND_STORE_URI_FILE": str(file), "MLFLOW_BACKEND_STORE_URI": "other"}
    assert mlflow_server.database(variables) == "postgresql+psycopg2://a:b@c/d"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        pytest.param({}, "MLflow has no database", id="00 no database"),
        pytest.param({"MLFLOW_BACKEND_STORE_URI_FILE": "/nowhere"}, "cannot be read from /nowhere", id="10 no file"),
    ],
)
def test_without_a_database_it_says_what_to_set(variables: dict[str, str], message: str):
    with pytest.raises(SettingsError, match=message):
        mlflow_server.database(variables)


def test_an_empty_database_gets_its_tables_and_a_complete_one_stays(tmp_path: Path):
    address = f"sqlite:///{tmp_path}/mlflow.db"
    tables = []
    code = f"from skyrail.operations import mlflow_server; mlflow_server.upgrade({address!r})"
    for _ in range(2):
        # In a process of its own: MLflow's models warn of what SQLAlchemy will drop.
        subprocess.run([sys.executable, "-c", code], check=True)
        with sqlite3.connect(tmp_path / "mlflow.db") as connection:
            tables.append(connection.execute("SELECT name FROM sqlite_master WHERE type='table' ORDER BY 1").fetchall())
        connection.close()
    assert ("experiments",) in tables[0]
    assert tables[0] == tables[1]
