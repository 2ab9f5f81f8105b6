"""The pages on a real api-server, with a record in a real MLflow server."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.airflow_process import AirflowServer, airflow_server
from tests.fakes.record import Written, write
from tests.unit.ui import story as fraud
from tests.unit.ui.code_rights import CodeRights


@pytest.fixture(scope="session")
def written(mlflow_server: str) -> Written:
    """Write the record, and return what it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's client warns of things that are not ours
        from mlflow import MlflowClient

        return write(MlflowClient(mlflow_server))


@pytest.fixture(scope="session")
def story(mlflow_server: str) -> fraud.Story:
    """Write the record of one training in full, and return the ids of its attempts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mlflow import MlflowClient

        return fraud.write(MlflowClient(mlflow_server))


@pytest.fixture(scope="session")
def inbox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of messages that the pages show."""
    return tmp_path_factory.mktemp("inbox") / "notifications.jsonl"


@pytest.fixture(scope="session")
def server(mlflow_server: str, inbox: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """Return an api-server that knows the pipelines' DAGs, and not those called secret_dag and fraud_secret."""
    with airflow_server(
        tmp_path_factory.mktemp("airflow"),
        dags=("flights_train", "flights_score", "never_ran", fraud.TRAIN, fraud.SCORE),
        AIRFLOW__CORE__AUTH_MANAGER=f"{CodeRights.__module__}.{CodeRights.__name__}",
        PYTHONPATH=str(Path(__file__).parents[3]),
        AIRFLOW__SKYRAIL_TRACKING__SERVER=mlflow_server,
        AIRFLOW__SKYRAIL_NOTIFICATIONS__INBOX=str(inbox),
    ) as server:
        yield server
