"""What the migration job says of databases that cannot be used, each a real PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from tests.servers import PostgresServer, free_port

from skyrail.operations import schema

AIRFLOW = "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES (%s); "


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server with the databases of these tests."""
    one = PostgresServer(tmp_path_factory.mktemp("postgres"))
    one.start()
    try:
        yield one
    finally:
        one.stop()


def _database(server: PostgresServer, name: str, sql: str = "", values: tuple[Any, ...] = ()) -> str:
    connection = psycopg2.connect(server.address("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    with psycopg2.connect(server.address(name)) as made, made.cursor() as cursor:
        if sql:
            cursor.execute(sql, values)
    return server.address(name, driver="+psycopg2")


def _said(address: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", address)
    monkeypatch.setattr(schema, "REFUSED", 0.3)
    monkeypatch.setattr(schema, "PAUSE", 0.1)
    assert schema.main(["migrate"]) == 1
    said = capsys.readouterr()
    return said.out, said.err


@pytest.mark.parametrize(
    ("tables", "revision", "sentence"),
    [
        pytest.param(("dag",), "22ed7efa9da2", "that of an Airflow 2, which Skyrail does not migrate", id="00 2.10"),
        pytest.param(("dag",), "0e2a74e0fc9f", "that of an Airflow 2, which Skyrail does not migrate", id="01 1.10"),
        pytest.param(("dag", "dag_version"), "of_4_0", "of a newer release than this image", id="10 a newer release"),
        pytest.param(("experiments",), "of_mlflow", "belongs to another program", id="20 MLflow's"),
    ],
)
def test_a_database_that_is_not_ours_to_change(
    server: PostgresServer,
    tables: tuple[str, ...],
    revision: str,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    """It is left as it is, and the log says why."""
    sql = AIRFLOW + "; ".join(f"CREATE TABLE {name} (id int)" for name in tables)
    _, error = _said(_database(server, "other", sql, (revision,)), capsys, monkeypatch)
    assert sentence in error
    assert "Name an empty database" in error or "install the newer release again" in error


def test_a_wrong_password(server: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    """Named with the user and the place, and without the password."""
    address = _database(server, "empty").replace(server.password, "wrong-one")
    out, error = _said(address, capsys, monkeypatch)
    assert f"The database at 127.0.0.1:{server.port} refuses the password of the user 'skyrail'." in error
    assert "database.passwordSecret" in error
    assert "wrong-one" not in out + error


def test_a_database_that_was_not_made(
    server: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    _, error = _said(server.address("missing", driver="+psycopg2"), capsys, monkeypatch)
    assert f"At 127.0.0.1:{server.port} there is no database 'missing'." in error
    assert "CREATE DATABASE missing OWNER skyrail" in error


def test_tls_where_there_is_none(
    server: PostgresServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PGSSLMODE", "require")
    _, error = _said(server.address("postgres", driver="+psycopg2"), capsys, monkeypatch)
    assert "offers no TLS, and the value database.ssl asks for it." in error


def test_an_empty_database_is_migrated(server: PostgresServer, monkeypatch: pytest.MonkeyPatch):
    """By Airflow's own command, which takes the place of this program."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", _database(server, "fresh"))
    became: list[Any] = []
    monkeypatch.setattr(os, "execvp", lambda *arguments: became.append(arguments))
    assert schema.main(["migrate"]) == 0
    assert became == [("airflow", ["airflow", "db", "migrate"])]


def test_one_that_cannot_be_reached_is_waited_for(monkeypatch: pytest.MonkeyPatch):
    """It may be on its way; the log says where it is looked for, once."""
    address = f"postgresql+psycopg2://airflow@127.0.0.1:{free_port()}/airflow"
    command = [sys.executable, "-u", "-m", "skyrail.operations.schema", "migrate"]
    waiting = {**os.environ, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": address}
    with pytest.raises(subprocess.TimeoutExpired) as caught:
        subprocess.run(command, capture_output=True, env=waiting, timeout=6, check=False)
    said = (caught.value.stdout or b"").decode()
    assert said.count("does not answer; waiting for it.") == 1
    assert "The database at 127.0.0.1:" in said
