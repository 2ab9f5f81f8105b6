"""The environment of the processes: what depends on this machine and this home. Opinions are in config/airflow.cfg."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from skyrail.embedded import postgres
from skyrail.embedded.home import Home
from skyrail.embedded.secrets import Secrets

DRIVER = "+psycopg2"


def parallelism(cpus: int) -> int:
    """Return how many tasks run at once: two a core, as a step spends half its time waiting, and four at least."""
    return max(4, 2 * cpus)


def airflow_environment(
    home: Home,
    port: int,
    mlflow_port: int,
    secrets: Secrets,
    cpus: int,
    dags: Path,
    config: Path,
    resources: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return the variables that every Airflow process and the flusher need.

    `resources` are options of the section `skyrail_resources`: what steps share on this machine.
    """
    url = f"http://127.0.0.1:{port}"
    mlflow = f"http://127.0.0.1:{mlflow_port}"
    bundles = [
        {
            "name": "dags",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            # A local folder needs no refresh to see an edit, only to see a new file.
            "kwargs": {"path": str(dags), "refresh_interval": 5},
        }
    ]
    options = {
        ("core", "executor"): "LocalExecutor",
        ("core", "parallelism"): str(parallelism(cpus)),
        ("core", "fernet_key"): secrets.fernet_key,
        ("core", "execution_api_server_url"): f"{url}/execution/",
        # The full name would be asked of a name server, which an offline machine waits for.
        ("core", "hostname_callable"): "socket.gethostname",
        ("database", "sql_alchemy_conn"): postgres.dsn(home, "airflow", secrets.database_password, driver=DRIVER),
        # `skyrail up` migrates before anything starts; without it each process would check again.
        ("database", "check_migrations"): "False",
        ("api", "host"): "127.0.0.1",
        ("api", "port"): str(port),
        ("api", "base_url"): f"{url}/",
        ("api", "workers"): "1",
        ("api", "secret_key"): secrets.api_secret_key,
        ("api_auth", "jwt_secret"): secrets.jwt_secret,
        ("dag_processor", "dag_bundle_config_list"): json.dumps(bundles),
        ("dag_processor", "dag_bundle_storage_path"): str(home.airflow / "bundles"),
        ("logging", "base_log_folder"): str(home.task_logs),
        ("logging", "dag_processor_child_process_log_directory"): str(home.logs / "dag-files"),
        ("skyrail_tracking", "server"): mlflow,
        ("skyrail_tracking", "browser_url"): mlflow,
        ("skyrail_tracking", "spool"): str(home.spool),
        ("skyrail_tracking", "store"): str(home.store),
        ("skyrail_auth", "login_links"): str(home.login),
        ("skyrail_notifications", "inbox"): str(home.inbox),
        # Whoever edits a DAG here is there to see its lock made: no second command for a package more.
        ("skyrail_environments", "auto_lock"): "True",
        **{("skyrail_resources", name): value for name, value in (resources or {}).items()},
    }
    return {
        "AIRFLOW_HOME": str(home.airflow),
        "AIRFLOW_CONFIG": str(config / "airflow.cfg"),
        **{f"AIRFLOW__{section.upper()}__{name.upper()}": value for (section, name), value in options.items()},
        **QUIET,
    }


def mlflow_environment(home: Home, secrets: Secrets) -> dict[str, str]:
    """Return the variables of the MLflow server: what `mlflow server` hands to the web server that it starts.

    Running that web server directly saves one of two imports of MLflow, 5 s of processor time at each start.
    """
    database = postgres.dsn(home, "mlflow", secrets.database_password, driver=DRIVER)
    return {
        "_MLFLOW_SERVER_FILE_STORE": database,
        "_MLFLOW_SERVER_REGISTRY_STORE": database,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": home.artifacts.as_uri(),
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        # Its queue of background jobs, for language models only, would be three processes more.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        **QUIET,
    }


# MLflow reports usage to its makers unless told not to; so may libraries that tasks import.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


def inherited(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return what children take over from the shell that runs `skyrail up`."""
    kept = {name: value for name, value in environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "PYTHONUNBUFFERED": "1",
        # A task that runs `python` in a shell gets the environment that it was started from.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)]),
    }
