"""The pool is there by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from skyrail.steps.resources import pool


class Job:
    """Stands for Airflow's class of that name, which would want a database."""


@pytest.mark.parametrize(
    ("command", "makes"),
    [
        pytest.param(["airflow", "scheduler"], True, id="00 the scheduler"),
        pytest.param(["airflow", "triggerer"], False, id="10 another component"),
        pytest.param(["airflow"], False, id="11 none"),
    ],
)
def test_who_makes_it(monkeypatch: pytest.MonkeyPatch, command: list[str], makes: bool):
    """Only the scheduler."""
    asked: list[bool] = []
    monkeypatch.setattr(pool, "ensure", lambda: asked.append(True))
    monkeypatch.setattr(sys, "argv", command)
    pool.on_starting(component=Job())
    assert asked == [True] * makes


SCRIPT = """\
import json, os, sys
from airflow.models.pool import Pool
from airflow.utils.db import initdb
from airflow.utils.session import create_session
from skyrail.steps.resources.pool import ensure
from skyrail.steps.resources.site import POOL
from sqlalchemy import select

def the_pool(session):
    return session.scalar(select(Pool).where(Pool.pool == POOL))

initdb()
seen = []
for target, classes, slots in json.loads(sys.argv[1]):
    os.environ["AIRFLOW__SKYRAIL_RESOURCES__TARGET"] = target
    os.environ["AIRFLOW__SKYRAIL_RESOURCES__CLASSES"] = classes
    with create_session() as session:
        if slots:
            the_pool(session).slots = slots
    ensure()
    with create_session() as session:
        found = the_pool(session)
        seen.append(found and [found.slots, found.include_deferred])
print("\\n" + json.dumps(seen))
"""


def test_the_pool_in_airflows_database(tmp_path: Path):
    """None where all steps are pods; made where one is not; mended when somebody has changed it."""
    pods, celery = tmp_path / "pods.yaml", tmp_path / "celery.yaml"
    pods.write_text("classes: [{name: small, cpu: 1, memory: 2Gi}]")
    celery.write_text("classes: [{name: small, cpu: 1, memory: 2Gi, executor: CeleryExecutor}]")
    rows = [["kubernetes", str(pods), 0], ["kubernetes", str(celery), 0], ["local", str(pods), 7]]
    home = tmp_path / "airflow"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(rows)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={
            **os.environ,
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        },
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [None, [100, False], [100, False]]
