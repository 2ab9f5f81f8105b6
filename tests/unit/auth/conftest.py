"""One api-server for the tests of signing in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.fakes.airflow_process import AirflowServer, airflow_server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowServer]:
    """Return a running api-server that accepts sign-in links."""
    with airflow_server(tmp_path_factory.mktemp("airflow")) as server:
        yield server
