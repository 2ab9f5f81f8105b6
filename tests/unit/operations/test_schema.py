"""Which schema a database has, without Airflow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path

import pytest

from skyrail.operations import schema
from skyrail.operations.database import problem
from skyrail.operations.schema import Found, Schema


def test_the_head_is_the_one_that_airflow_says():
    """Read from the files, and the same as Alembic finds."""
    from airflow.utils.db import _get_alembic_config
    from alembic.script import ScriptDirectory

    known, heads = schema.installed()
    script = ScriptDirectory.from_config(_get_alembic_config())
    assert heads == set(script.get_heads())
    assert known == {one.revision for one in script.walk_revisions()}


def _found(*revisions: str, tables: Collection[str] = ("dag", "dag_version")) -> Found:
    return Found(frozenset(revisions), frozenset(tables))


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(Found(), Schema.EMPTY, id="00 no table"),
        pytest.param(_found(), Schema.EMPTY, id="10 a table without a row"),
        pytest.param(_found("c"), Schema.RIGHT, id="20 the newest"),
        pytest.param(_found("a"), Schema.OLDER, id="30 an older one"),
        pytest.param(_found("z"), Schema.NEWER, id="40 of a newer release"),
        pytest.param(_found("a", tables={"dag"}), Schema.AIRFLOW_2, id="50 of Airflow 2, which Airflow would migrate"),
        pytest.param(_found("z", tables={"dag"}), Schema.AIRFLOW_2, id="51 of one before Airflow 2.6"),
        pytest.param(_found("z", tables=set()), Schema.FOREIGN, id="60 of MLflow, say"),
    ],
)
def test_a_database_is_compared(found: Found, state: Schema):
    assert schema.compare(found, {"a", "b", "c"}, {"c"}) is state


def test_a_newer_database_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """It would never become right, so that waiting would hide why."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://a@b/c")
    monkeypatch.setattr(schema, "look", lambda _: _found("zzz"))
    assert schema.main(["wait"]) == 1
    assert "of a newer release than this image" in capsys.readouterr().err


def test_it_waits_until_the_migration_is_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """And says what for, once."""
    _, heads = schema.installed()
    answers = [Found(), Found(), _found(*heads)]
    monkeypatch.setattr(schema, "look", lambda _: answers.pop(0))
    monkeypatch.setattr(schema, "PAUSE", 0.0)
    schema.wait("postgresql://a@b/c")
    assert capsys.readouterr().out.count("The database is empty") == 1


def test_the_address_may_be_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """As compose has it, whose containers have no secret among their variables."""
    (tmp_path / "database").write_text("postgresql://a@b/c\n")
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", raising=False)
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD", f"cat {tmp_path}/database")
    asked: list[str] = []
    monkeypatch.setattr(schema, "wait", lambda address, **_: asked.append(address))
    assert schema.main(["wait"]) == 0
    assert asked == ["postgresql://a@b/c"]
    monkeypatch.delenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD")
    assert schema.main(["wait"]) == 1
    assert "Set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            'no pg_hba.conf entry for host "10.0.0.1", user "a", database "c", no encryption',
            "does not let the user 'a' into the database 'c' from here",
            id="00 no line: that TLS is the reason is a guess",
        ),
        pytest.param("FATAL:  SSL required", "lets nobody in without TLS", id="10 PgBouncer's, which is certain"),
    ],
)
def test_a_refusal_by_address_is_not_taken_for_one_of_plain_text(text: str, sentence: str):
    found = problem(Exception(text), "postgresql://a@b/c")
    assert sentence in found.message
    assert "database.ssl to require" in found.fix


def test_it_does_not_load_airflow():
    """A pod's start should cost little."""
    code = "import sys, skyrail.operations.schema as s; s.installed(); print('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
