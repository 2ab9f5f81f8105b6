"""Start the MLflow server of a container: `python -m skyrail.operations.mlflow_server`.

It takes MLflow's own variables: `MLFLOW_BACKEND_STORE_URI`, `MLFLOW_ARTIFACTS_DESTINATION`, `MLFLOW_HOST`,
`MLFLOW_PORT`, `MLFLOW_WORKERS`, `MLFLOW_SERVER_ALLOWED_HOSTS`. `MLFLOW_BACKEND_STORE_URI_FILE` names a file with the
first, which has a password in it; `MLFLOW_TLS` a folder with `tls.crt` and `tls.key`, for HTTPS. The database is
brought up to date before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from skyrail.errors import SettingsError

LOCK = 5_903_117_264
"""Any number: servers that start at once on one database take turns by it."""


def database(variables: Mapping[str, str]) -> str:
    """Return the address of the database.

    Raises:
        SettingsError: there is none, or its file cannot be read.
    """
    if file := variables.get("MLFLOW_BACKEND_STORE_URI_FILE"):
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise SettingsError(
                f"The address of MLflow's database cannot be read from {file}: {error.strerror}.",
                fix="Mount the secret where MLFLOW_BACKEND_STORE_URI_FILE says.",
            ) from error
    if address := variables.get("MLFLOW_BACKEND_STORE_URI"):
        return address
    raise SettingsError(
        "MLflow has no database.",
        fix="Set MLFLOW_BACKEND_STORE_URI, or MLFLOW_BACKEND_STORE_URI_FILE, to postgresql+psycopg2://USER:PASSWORD@HOST/mlflow",
    )


def server_environment(variables: Mapping[str, str], address: str) -> dict[str, str]:
    """Return what `mlflow server` hands to the web server that it starts, which is started here directly.

    That saves one of two imports of MLflow, and keeps the address out of the list of processes.
    """
    return {
        "_MLFLOW_SERVER_FILE_STORE": address,
        "_MLFLOW_SERVER_REGISTRY_STORE": address,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": variables.get("MLFLOW_ARTIFACTS_DESTINATION")
        or "/var/lib/skyrail/artifacts",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        # Its queue of background jobs, for language models only, would be three processes more.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def allowed_hosts(named: str, defaults: Sequence[str]) -> str:
    """Add hosts, separated by commas, to those that MLflow answers anyway; one without a port has any.

    MLflow refuses other Host headers, so that no web page can reach it by a name of its own. Its defaults are the
    names and addresses of this machine and private networks; named ones would replace them, and probes would fail.
    """
    hosts = [host.strip() for host in named.split(",") if host.strip()]
    return ",".join([*defaults, *hosts, *(f"{host}:*" for host in hosts if ":" not in host and host != "*")])


def upgrade(address: str) -> None:
    """Make the tables of an empty database, or bring them up to this version, one server at a time."""
    import sqlalchemy
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(address)
    with engine.connect() as lock:
        if engine.dialect.name == "postgresql":
            lock.execute(sqlalchemy.text(f"SELECT pg_advisory_lock({LOCK})"))
        if utils._is_empty_database(engine):
            utils._initialize_tables(engine)
        else:
            utils._upgrade_db(engine)
    engine.dispose()


def main() -> None:
    """Upgrade the database, then become the server."""
    try:
        address = database(os.environ)
    except SettingsError as error:
        sys.exit(str(error))
    from mlflow.server.security_utils import get_default_allowed_hosts

    upgrade(address)
    os.environ.update(server_environment(os.environ, address))
    named = os.environ.get("MLFLOW_SERVER_ALLOWED_HOSTS", "")
    os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"] = allowed_hosts(named, get_default_allowed_hosts())
    host, port = os.environ.get("MLFLOW_HOST", "0.0.0.0"), os.environ.get("MLFLOW_PORT", "5000")  # noqa: S104
    command = [sys.executable, "-m", "uvicorn", "mlflow.server.fastapi_app:app", "--host", host, "--port", port]
    command += ["--workers", os.environ.get("MLFLOW_WORKERS", "1"), "--no-access-log"]
    if folder := os.environ.get("MLFLOW_TLS"):
        command += ["--ssl-certfile", f"{folder}/tls.crt", "--ssl-keyfile", f"{folder}/tls.key"]
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main()
