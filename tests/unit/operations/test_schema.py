"""Which schema a database has, without Airflow."""

from __future__ import annotations

import subprocess
import sys

import pytest

from skyrail.operations import schema
from skyrail.operations.schema import Schema


def test_the_head_is_the_one_that_airflow_says():
    """Read from the files, and the same as Alembic finds."""
    from airflow.utils.db import _get_alembic_config
    from alembic.script import ScriptDirectory

    known, heads = schema.installed()
    script = ScriptDirectory.from_config(_get_alembic_config())
    assert heads == set(script.get_heads())
    assert known == {one.revision for one in script.walk_revisions()}


@pytest.mark.parametrize(
    ("found", "state"),
    [
        pytest.param(None, Schema.EMPTY, id="00 no table"),
        pytest.param(set(), Schema.EMPTY, id="10 a table without a row"),
        pytest.param({"c"}, Schema.RIGHT, id="20 the newest"),
        pytest.param({"a"}, Schema.OLDER, id="30 an older one"),
        pytest.param({"z"}, Schema.UNKNOWN, id="40 of a newer release"),
    ],
)
def test_a_database_is_compared(found: set[str] | None, state: Schema):
    assert schema.compare(found, {"a", "b", "c"}, {"c"}) is state


def test_a_newer_database_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """It would never become right, so that waiting would hide why."""
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "postgresql+psycopg2://a@b/c")
    monkeypatch.setattr(schema, "look", lambda _: {"zzz"})
    assert schema.main(["wait"]) == 1
    assert "of another release than this image" in capsys.readouterr().err


def test_it_waits_until_the_migration_is_done(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """And says what for, once."""
    _, heads = schema.installed()
    answers = [None, None, heads]
    monkeypatch.setattr(schema, "look", lambda _: answers.pop(0))
    monkeypatch.setattr(schema, "PAUSE", 0.0)
    schema.wait("postgresql://a@b/c")
    assert capsys.readouterr().out.count("The database is empty") == 1


def test_it_does_not_load_airflow():
    """A pod's start should cost little."""
    code = "import sys, skyrail.operations.schema as s; s.installed(); print('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
