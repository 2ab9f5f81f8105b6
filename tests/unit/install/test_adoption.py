"""What there is already is understood: databases, keys, MLflow servers, DAG folders, settings."""

from __future__ import annotations

import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
import yaml
from cryptography.fernet import Fernet
from tests.chart.render import render
from tests.fakes.cluster_programs import FakeCluster

from skyrail.errors import SkyrailError
from skyrail.install import chart
from skyrail.install.adoption import database, imports, mlflow_server, settings
from skyrail.install.adoption.database import Content, Secret
from skyrail.install.adoption.sources import Sources, address_of, adoption, with_password
from skyrail.install.adoption.versions import history, schema
from skyrail.install.checks import State
from skyrail.install.programs import Programs
from skyrail.install.values import merged

HISTORY = history()


@pytest.mark.parametrize(
    ("found", "state", "sentence"),
    [
        pytest.param(None, State.OK, "It is empty", id="00 no tables"),
        pytest.param({HISTORY.order[-1]}, State.OK, "nothing is migrated", id="10 ours"),
        pytest.param({"29ce7909c52b"}, State.WARN, "of Airflow 3.0.0 or later, before 3.0.3", id="20 the first 3"),
        pytest.param({"cc92b33c6709"}, State.WARN, "3.1.0 or later, before 3.1.8", id="30 an older 3"),
        pytest.param({"5f2621c13b39"}, State.REFUSED, "of Airflow 2.10.3", id="40 the last 2"),
        pytest.param({"4bc4d934e2bc"}, State.REFUSED, "of Airflow 2.6.2", id="50 an early 2"),
        pytest.param({"ffffffffffff"}, State.REFUSED, "does not know its revision", id="60 a newer one"),
    ],
)
def test_a_revision_says_which_airflow(found: set[str] | None, state: State, sentence: str):
    check = schema(found, HISTORY, "3.3.2")
    assert check.state is state
    assert sentence in check.found
    assert check.fix or state is State.OK


def test_each_release_that_airflow_lists_is_known():
    """Read from its files as Airflow itself has them."""
    from airflow.utils.db import _REVISION_HEADS_MAP

    assert HISTORY.heads == _REVISION_HEADS_MAP
    assert set(HISTORY.heads.values()) <= set(HISTORY.order)


def test_keys_are_tried_and_what_stays_closed_is_named():
    old, new = Fernet.generate_key(), Fernet.generate_key()
    encrypted = [Secret("connection a", Fernet(old).encrypt(b"1").decode())]
    encrypted += [Secret("variable b", Fernet(new).encrypt(b"2").decode())]
    both = database.keys(encrypted, {"the Secret x": f"{new.decode()},{old.decode()}"})
    assert [each.found for each in both] == [
        "1 encrypted values open with key 2 of the Secret x.",
        "1 encrypted values open with key 1 of the Secret x.",
    ]
    [opened, closed] = database.keys(encrypted, {"the Secret x": new.decode()})
    assert opened.state is State.OK
    assert closed.state is State.REFUSED
    assert closed.found == "1 encrypted values open with none of the keys that are known: connection a."
    [none] = database.keys(encrypted, {})
    assert "need the key that they were encrypted with: connection a, variable b" in none.found
    assert "secrets.airflow" in none.fix


def test_a_key_that_is_none_is_refused():
    [check] = database.keys([Secret("variable b", "x")], {"the Secret x": "hunter2"})
    assert check.found == "What the Secret x holds is no Fernet key."


def test_content_says_what_stays_and_what_does_not_go_on():
    content = Content({"r"}, dags=3, runs=9, users=4, active={"dags-folder": 2, "dags": 1})
    rows = {each.name: each for each in database.describe(content)}
    assert rows["Its content"].found.startswith("3 DAGs, 9 runs")
    assert rows["Its runs"].found.startswith("2 have not ended, of 'dags-folder'")
    assert rows["Its users"].state is State.WARN


@pytest.mark.parametrize(
    ("host", "install", "states"),
    [
        pytest.param("sky-scheduler-6b7f", True, [], id="00 its own"),
        pytest.param("old-vm", True, [State.REFUSED], id="10 another, when it is installed"),
        pytest.param("old-vm", False, [State.WARN], id="20 another, when it is only checked"),
    ],
)
def test_another_installation_at_work_is_found(host: str, install: bool, states: list[State]):
    rows = database.alive(Content({"r"}, alive=[("SchedulerJob", host)]), "sky", install=install)
    assert [each.state for each in rows] == states


def test_a_password_may_have_any_character():
    said = {"host": "pg", "port": 5432, "user": "a", "name": "airflow", "ssl": "verify-full"}
    assert address_of(said, "p@ss/w:d") == "postgresql://a:p%40ss%2Fw%3Ad@pg:5432/airflow?sslmode=verify-full"


@pytest.mark.parametrize(
    ("address", "complete"),
    [
        pytest.param("postgresql://a@pg/b?sslmode=require", "postgresql://a:x%40@pg/b?sslmode=require", id="00 none"),
        pytest.param("postgresql://a:own@pg/b", "postgresql://a:own@pg/b", id="10 its own"),
        pytest.param("postgresql://pg/b", "postgresql://pg/b", id="20 no user"),
    ],
)
def test_the_secret_s_password_completes_an_address(address: str, complete: str):
    assert with_password(address, "x@") == complete


@pytest.mark.parametrize(
    ("status", "said", "state", "sentence"),
    [
        pytest.param(200, "3.17.0\n", State.OK, "is MLflow 3.17.0", id="00 the same"),
        pytest.param(200, "3.1.4", State.WARN, "older than our client", id="10 an older 3"),
        pytest.param(200, "2.22.0", State.REFUSED, "as 3.0 and later have them", id="20 a 2"),
        pytest.param(200, "4.0.0", State.WARN, "a new major version", id="30 a 4"),
        pytest.param(200, "<html>", State.REFUSED, "records models", id="40 something else"),
        pytest.param(401, "", State.REFUSED, "asks for a sign-in", id="50 a password"),
        pytest.param(403, "Invalid Host header - DNS rebinding", State.REFUSED, "refuses that name", id="60 its name"),
        pytest.param(404, "", State.REFUSED, "not as an MLflow server", id="70 no MLflow"),
    ],
)
def test_a_server_s_version_is_judged(status: int, said: str, state: State, sentence: str):
    check = mlflow_server.judge("https://m", status, said, "3.17.2")
    assert check.state is state
    assert sentence in check.found


@pytest.fixture
def dags(tmp_path: Path) -> Path:
    """A folder as a team may have it."""
    (tmp_path / "common").mkdir()
    (tmp_path / "common" / "tools.py").write_text("import os, xgboost.sklearn\n")
    (tmp_path / "a.py").write_text(
        "from airflow.sdk import dag\nfrom common import tools\nimport pandas as pd\n"
        "from airflow.providers.amazon.aws.hooks.s3 import S3Hook\n"
        "from airflow.providers.standard.operators.bash import BashOperator\n"
        "try:\n    import polars\nexcept ImportError:\n    polars = None\n"
        "def task():\n    import torch\n    from . import sibling\n"
    )
    (tmp_path / "broken.py").write_text("print 'x'\n")
    return tmp_path


def test_what_dags_import_and_the_image_lacks(dags: Path):
    """Within functions, too; not what a file can do without, and not what is beside it."""
    [broken, lacking] = imports.imports(str(dags))
    assert broken.found.startswith("broken.py is no Python")
    assert "lacks 3 packages" in lacking.found
    for sentence in ("apache-airflow-providers-amazon (a.py:4)", "torch (a.py:11)", "xgboost (common/tools.py:1)"):
        assert sentence in lacking.found


def test_a_git_repository_is_read(dags: Path, tmp_path_factory: pytest.TempPathFactory):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-qb", "main"], ["add", "-A"], [*identity, "commit", "-qm", "all"]):
        subprocess.run(["git", "-C", str(dags), *words], check=True)
    assert "lacks 3 packages" in imports.imports(f"file://{dags}")[-1].found


def test_a_folder_that_is_not_there_is_refused():
    with pytest.raises(SkyrailError, match="There is no folder nowhere"):
        imports.imports("nowhere")


def test_the_examples_need_nothing_more():
    """They are made to run in the image."""
    [check] = imports.imports(str(chart.PACKAGE.parents[1] / "dags"))
    assert check.state is State.OK


def test_settings_that_change_are_named_with_their_reason(tmp_path: Path):
    """And what an old installation said that nothing here says can be copied into the values."""
    file = tmp_path / "airflow.cfg"
    file.write_text(
        "[core]\nexecutor = LocalExecutor\ndefault_timezone = Europe/Berlin\nload_examples = False\n"
        "fernet_key = x\n[operators]\ndefault_owner = data-team\n[scheduler]\nscheduler_idle_sleep_time = 1\n"
    )
    rows = {each.name: each for each in settings.settings(chart.find(), list(render()), file)}
    changed = rows["Settings"].fix
    assert "[core] executor: LocalExecutor → CeleryExecutor,skyrail.executors.KubernetesExecutor" in changed
    assert "[core] auth_manager: " in changed
    assert "(Nobody gets in until a rule lets them in.)" in changed
    assert "load_examples" not in changed
    assert "fernet_key" not in changed
    _, _, text = rows["Your settings"].fix.partition("\n")
    kept = yaml.safe_load(text)
    assert kept == {
        "airflow": {"core": {"default_timezone": "Europe/Berlin"}, "operators": {"default_owner": "data-team"}}
    }
    assert render(kept)
    assert "Policies" in rows


@pytest.mark.parametrize(
    ("values", "refusals"),
    [
        pytest.param({}, ["it makes a key of its own"], id="00 the key is in this shell alone"),
        pytest.param({"secrets": {"airflow": "keys"}}, [], id="10 the Secret has it"),
    ],
)
def test_the_key_must_come_along(values: dict, refusals: list[str], monkeypatch: pytest.MonkeyPatch):
    key = Fernet.generate_key()
    content = Content({HISTORY.order[-1]}, encrypted=[Secret("variable b", Fernet(key).encrypt(b"2").decode())])
    monkeypatch.setattr(database, "look", lambda _: content)
    monkeypatch.setenv("AIRFLOW__CORE__FERNET_KEY", key.decode())
    cluster = FakeCluster()
    cluster.objects.append(
        {"kind": "Secret", "metadata": {"name": "keys"}, "data": {"fernet-key": b64encode(key).decode()}}
    )
    everything = merged(chart.find().defaults, values, {"database": {"host": "pg"}})
    sources = Sources(database="postgresql://a@pg/b")
    rows = adoption(Programs("team", execute=cluster.execute), "sky", everything, chart.find(), [], sources)
    found = [each.found for each in rows if each.state is State.REFUSED]
    assert len(found) == len(refusals)
    assert all(sentence in text for sentence, text in zip(refusals, found, strict=True))


def test_a_database_that_only_the_cluster_reaches_is_no_refusal():
    everything = merged(chart.find().defaults, {"database": {"host": "pg"}})
    sources = Sources(database="postgresql://a@127.0.0.1:1/b")
    [row] = adoption(Programs("team", execute=FakeCluster().execute), "sky", everything, chart.find(), [], sources)
    assert row.state is State.UNKNOWN
    assert "cannot be read from here" in row.found
    assert "tunnel" in row.fix
