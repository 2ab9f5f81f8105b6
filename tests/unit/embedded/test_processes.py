"""The list of processes: complete, ordered, closed to the network, without a secret on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from skyrail.embedded import environment, processes
from skyrail.embedded.home import Home
from skyrail.embedded.secrets import Secrets

HOME = Home(Path("/srv/home"))
SECRETS = Secrets(fernet_key="FERNET", jwt_secret="JWTSECRET", api_secret_key="APISECRET", database_password="PASSWORD")


@pytest.fixture
def specs() -> list[processes.ProcessSpec]:
    variables = environment.airflow_environment(HOME, 8080, 5000, SECRETS, 2, Path("/dags"), Path("/config"))
    return [
        *processes.specs(HOME, 8080, 5000, SECRETS, None, variables),
        processes.migration(variables),
        processes.mlflow_migration(HOME, SECRETS),
    ]


def test_what_runs(specs: list[processes.ProcessSpec]) -> None:
    assert [spec.name for spec in specs] == [
        "postgres",
        "api-server",
        "scheduler",
        "dag-processor",
        "triggerer",
        "mlflow",
        "flusher",
        "airflow-schema",
        "mlflow-schema",
    ]


def test_no_secret_is_on_a_command_line(specs: list[processes.ProcessSpec]) -> None:
    for spec in specs:
        assert not [value for value in vars(SECRETS).values() if value in " ".join(spec.command)], spec.name


def test_no_secret_is_shown_with_a_process(specs: list[processes.ProcessSpec]) -> None:
    assert not [value for value in vars(SECRETS).values() if value in repr(specs)]


def test_what_a_process_needs_is_there(specs: list[processes.ProcessSpec]) -> None:
    names = {spec.name for spec in specs}
    assert {need for spec in specs for need in spec.needs} <= names


def test_every_process_has_its_place_in_the_order_of_stopping(specs: list[processes.ProcessSpec]) -> None:
    order = [name for group in processes.STOP_ORDER for name in group]
    assert sorted(order) == sorted(spec.name for spec in specs if not spec.name.endswith("-schema"))
    assert order[0] == "scheduler"
    assert order[-1] == "postgres"


@pytest.mark.parametrize(
    ("name", "argument"),
    [
        pytest.param("postgres", "listen_addresses=", id="00 PostgreSQL has a Unix socket only"),
        pytest.param("mlflow", "127.0.0.1", id="10 MLflow"),
        pytest.param("scheduler", "--skip-serve-logs", id="20 no log server beside the scheduler"),
        pytest.param("triggerer", "--skip-serve-logs", id="21 nor beside the triggerer"),
    ],
)
def test_nothing_listens_beyond_this_machine(name: str, argument: str, specs: list[processes.ProcessSpec]) -> None:
    assert argument in next(spec for spec in specs if spec.name == name).command
