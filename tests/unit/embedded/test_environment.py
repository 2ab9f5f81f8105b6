"""What the processes are told: all that depends on this machine and this home, and nothing else."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from skyrail.embedded import environment
from skyrail.embedded.home import Home
from skyrail.embedded.secrets import Secrets

HOME = Home(Path("/srv/home"))
SECRETS = Secrets(fernet_key="FERNET", jwt_secret="JWT", api_secret_key="API", database_password="PW")


def test_airflows_variables() -> None:
    variables = environment.airflow_environment(
        HOME, 8080, 5000, SECRETS, cpus=4, dags=Path("/srv/dags"), config=Path("/srv/config")
    )
    bundle = {
        "name": "dags",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": "/srv/dags", "refresh_interval": 5},
    }
    assert variables == {
        "AIRFLOW_HOME": "/srv/home/airflow",
        "AIRFLOW_CONFIG": "/srv/config/airflow.cfg",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "8",
        "AIRFLOW__CORE__FERNET_KEY": "FERNET",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": "http://127.0.0.1:8080/execution/",
        "AIRFLOW__CORE__HOSTNAME_CALLABLE": "socket.gethostname",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql+psycopg2://skyrail:PW@/airflow?host=/srv/home/run",
        "AIRFLOW__DATABASE__CHECK_MIGRATIONS": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": "8080",
        "AIRFLOW__API__BASE_URL": "http://127.0.0.1:8080/",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": "API",
        "AIRFLOW__API_AUTH__JWT_SECRET": "JWT",
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_STORAGE_PATH": "/srv/home/airflow/bundles",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": "/srv/home/logs/tasks",
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": "/srv/home/logs/dag-files",
        "AIRFLOW__SKYRAIL_TRACKING__SERVER": "http://127.0.0.1:5000",
        "AIRFLOW__SKYRAIL_TRACKING__BROWSER_URL": "http://127.0.0.1:5000",
        "AIRFLOW__SKYRAIL_TRACKING__SPOOL": "/srv/home/spool",
        "AIRFLOW__SKYRAIL_TRACKING__STORE": "/srv/home/store",
        "AIRFLOW__SKYRAIL_AUTH__LOGIN_LINKS": "/srv/home/login",
        "AIRFLOW__SKYRAIL_NOTIFICATIONS__INBOX": "/srv/home/notifications.jsonl",
        "AIRFLOW__SKYRAIL_ENVIRONMENTS__AUTO_LOCK": "True",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def test_mlflows_variables() -> None:
    assert environment.mlflow_environment(HOME, SECRETS) == {
        "_MLFLOW_SERVER_FILE_STORE": "postgresql+psycopg2://skyrail:PW@/mlflow?host=/srv/home/run",
        "_MLFLOW_SERVER_REGISTRY_STORE": "postgresql+psycopg2://skyrail:PW@/mlflow?host=/srv/home/run",
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": "file:///srv/home/mlflow/artifacts",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
    }


def test_mlflow_still_reads_what_its_command_line_would_pass_on() -> None:
    """The names are MLflow's own business: this fails when they change."""
    source = Path(str(importlib.import_module("mlflow").__path__[0]), "server", "constants.py").read_text()
    variables = importlib.import_module("mlflow.environment_variables")
    known = {value.name for value in vars(variables).values() if hasattr(value, "name")}
    for name in environment.mlflow_environment(HOME, SECRETS):
        assert name in known or name == "DO_NOT_TRACK" or f'"{name}"' in source, name


@pytest.mark.parametrize(
    ("cpus", "tasks"),
    [pytest.param(1, 4, id="00 four at least"), pytest.param(2, 4, id="10"), pytest.param(16, 32, id="20 two a core")],
)
def test_the_machine_decides_how_many_tasks_run_at_once(cpus: int, tasks: int) -> None:
    assert environment.parallelism(cpus) == tasks


def test_children_compile_what_they_import_and_find_this_python() -> None:
    """`PYTHONDONTWRITEBYTECODE` is often set, and would make each task compile every module anew."""
    inherited = environment.inherited({"PATH": "/bin", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C"})
    assert "PYTHONDONTWRITEBYTECODE" not in inherited
    assert inherited["LANG"] == "C"
    assert inherited["PATH"].endswith(":/bin")
